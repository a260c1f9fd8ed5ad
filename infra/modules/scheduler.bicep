// A Durable Task scheduler, one task hub in it, and how long ended orchestrations stay.

@description('Name of the scheduler: 3 to 64 letters, digits and dashes.')
@minLength(3)
@maxLength(64)
param name string

@description('Region of the scheduler.')
param location string

@description('Tags of the scheduler.')
param tags object

@description('Name of the task hub: 3 to 64 letters, digits and dashes.')
param taskHubName string

@description('Consumption is billed by use; Dedicated by capacity unit and hour.')
@allowed(['Consumption', 'Dedicated'])
param sku string

@description('Capacity units of a Dedicated scheduler; 3 make it highly available. Consumption has none.')
@minValue(1)
@maxValue(3)
param capacity int

@description('Addresses and CIDR ranges that may call. An empty list lets nobody in from outside.')
param ipAllowlist string[]

@description('Enabled lets the listed addresses in; Disabled leaves only private endpoints.')
@allowed(['Enabled', 'Disabled'])
param publicNetworkAccess string

@description('After how many days an orchestration that has ended is purged; Consumption keeps 30 at most.')
@minValue(1)
@maxValue(90)
param retentionDays int

resource scheduler 'Microsoft.DurableTask/schedulers@2026-02-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    ipAllowlist: ipAllowlist
    publicNetworkAccess: publicNetworkAccess
    // A Consumption scheduler with a capacity is refused.
    sku: sku == 'Dedicated' ? { name: 'Dedicated', capacity: capacity } : { name: 'Consumption' }
  }
}

resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2026-02-01' = {
  parent: scheduler
  name: taskHubName
  properties: {}
}

// Written down because what holds without it has changed between versions of the service.
resource retention 'Microsoft.DurableTask/schedulers/retentionPolicies@2026-02-01' = {
  parent: scheduler
  name: 'default'
  properties: {
    retentionPolicies: [
      { retentionPeriodInDays: retentionDays }
    ]
  }
  // One write to the scheduler at a time.
  dependsOn: [taskHub]
}

@description('Resource id of the scheduler, for private endpoints.')
output id string = scheduler.id

@description('Name of the scheduler.')
output name string = scheduler.name

@description('Address of the scheduler; it has a part that nobody can guess.')
output endpoint string = scheduler.properties.endpoint

@description('Name of the task hub.')
output taskHubName string = taskHub.name

@description('Address of the task hub in the dashboard.')
output dashboardUrl string = taskHub.properties.dashboardUrl

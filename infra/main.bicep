// One sample on Azure: a Durable Task scheduler with one task hub, the sample's worker and its client.
// README.md beside this file says what it costs and how to begin.
targetScope = 'subscription'

@description('Name of the environment: names the resource group, tags everything, and makes names unique.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of everything; must be one that has Microsoft.DurableTask.')
@minLength(1)
param location string

@description('The sample (a folder in samples/) or project. samples.json knows what each sample needs.')
@minLength(1)
param sample string = 'function_chaining'

@description('Name of a project of your own; it has then the needs of the sample that it was made from. Empty: the sample itself.')
param project string = ''

@description('Name of the task hub; empty: that of sample or project with dashes.')
@maxLength(64)
param taskHubName string = ''

@description('Consumption is billed by use; Dedicated by capacity unit and hour.')
@allowed(['Consumption', 'Dedicated'])
param schedulerSku string = 'Consumption'

@description('Capacity units of a Dedicated scheduler; 3 make it highly available. Consumption has none.')
@minValue(1)
@maxValue(3)
param schedulerCapacity int = 1

@description('After how many days an orchestration that has ended is purged; Consumption keeps 30 at most.')
@minValue(1)
@maxValue(90)
param retentionDays int = 30

@description('Addresses and CIDR ranges of people, separated by commas: who may use dashboard, run-client and the sample\'s page. Empty: nobody outside. 0.0.0.0/0 would be everybody.')
param ipAllowlist string = ''

@description('Whether worker and client reach the scheduler by a private endpoint instead of its public address. Cannot be changed later.')
param privateEndpoint bool = false

@description('Whether there is an Application Insights component for traces.')
param applicationInsights bool = false

@description('Role of the worker on the task hub. Whether the narrower Durable Task Worker also lets the scale rules read the backlog is not documented.')
@allowed(['Durable Task Data Contributor', 'Durable Task Worker'])
param workerRole string = 'Durable Task Data Contributor'

@description('Whether the client serves a page (app) or ends (job); empty: what samples.json says, for unknown names a job.')
@allowed(['', 'app', 'job'])
param clientKind string = ''

@description('Kinds of work items of the worker, separated by commas: Orchestration,Activity,Entity; empty: what samples.json says.')
param workItemTypes string = ''

@description('Worker replicas when nothing is to be done; -1: what samples.json says.')
@minValue(-1)
@maxValue(1000)
param minReplicas int = -1

@description('Worker replicas at most; -1: what samples.json says.')
@minValue(-1)
@maxValue(1000)
param maxReplicas int = -1

@description('How many orchestrations a worker replica runs at once.')
@minValue(1)
param maxOrchestrations int = 20

@description('How many activities a worker replica runs at once.')
@minValue(1)
param maxActivities int = 20

@description('How many entities a worker replica runs at once.')
@minValue(1)
param maxEntities int = 20

@description('Processor cores of a worker replica.')
@allowed(['0.25', '0.5', '0.75', '1.0', '1.5', '2.0'])
param workerCpu string = '0.5'

@description('Arguments of a client that runs as a job, separated by spaces.')
param clientArguments string = ''

@description('Object id of who deploys, for access to the dashboard and for running clients at home; empty: nobody.')
param principalId string = ''

@description('What that principal is.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string = 'User'

@description('Whether to make worker and client. Without them there is a registry to push their image to.')
param deployApps bool = true

@description('Image of worker and client; empty: the one that runs now, at first a placeholder.')
param image string = ''

@description('Whether the worker is there already. azd says so.')
param workerExists bool = false

@description('Whether the client is there already. azd says so.')
param clientExists bool = false

var abbreviations = loadJsonContent('abbreviations.json')
var catalogue = loadJsonContent('samples.json')
var needs = union(catalogue.defaults, contains(catalogue.samples, sample) ? catalogue.samples[sample] : {})
var clientIsApp = (empty(clientKind) ? needs.client : clientKind) == 'app'
var kindsOfWork = empty(workItemTypes) ? needs.workItemTypes : split(workItemTypes, ',')

var resourceToken = toLower(uniqueString(subscription().id, environmentName, location))
var deployed = empty(project) ? sample : project
var tags = {
  'azd-env-name': environmentName
  sample: deployed
}
var hubName = empty(taskHubName) ? replace(deployed, '_', '-') : taskHubName
var workerName = '${abbreviations.appContainerApps}worker-${resourceToken}'
var clientName = '${clientIsApp ? abbreviations.appContainerApps : abbreviations.appJobs}client-${resourceToken}'
var applicationInsightsName = applicationInsights ? '${abbreviations.insightsComponents}${resourceToken}' : ''
var memories = {
  '0.25': '0.5Gi'
  '0.5': '1Gi'
  '0.75': '1.5Gi'
  '1.0': '2Gi'
  '1.5': '3Gi'
  '2.0': '4Gi'
}

// Until an image has been built: it does not speak to schedulers, so nothing may depend on its answers.
var placeholderImage = 'mcr.microsoft.com/azuredocs/containerapps-helloworld:latest'
var people = empty(ipAllowlist) ? [] : split(replace(ipAllowlist, ' ', ''), ',')

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: '${abbreviations.resourcesResourceGroups}${environmentName}'
  location: location
  tags: tags
}

module monitoring 'modules/monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    workspaceName: '${abbreviations.operationalInsightsWorkspaces}${resourceToken}'
    applicationInsightsName: '${abbreviations.insightsComponents}${resourceToken}'
    applicationInsights: applicationInsights
    location: location
    tags: tags
  }
}

module network 'modules/network.bicep' = if (privateEndpoint) {
  name: 'network'
  scope: group
  params: {
    name: '${abbreviations.networkVirtualNetworks}${resourceToken}'
    location: location
    tags: tags
  }
}

module environment 'modules/environment.bicep' = {
  name: 'environment'
  scope: group
  params: {
    name: '${abbreviations.appManagedEnvironments}${resourceToken}'
    location: location
    tags: tags
    workspaceName: monitoring.outputs.workspaceName
    subnetId: privateEndpoint ? network!.outputs.appsSubnetId : ''
  }
}

module files 'modules/files.bicep' = if (needs.sharedFiles) {
  name: 'files'
  scope: group
  params: {
    accountName: '${abbreviations.storageStorageAccounts}${resourceToken}'
    location: location
    tags: tags
    environmentName: environment.outputs.name
  }
}

module outbound 'modules/outbound-addresses.bicep' = if (!privateEndpoint) {
  name: 'outbound-addresses'
  scope: group
  params: {
    name: '${abbreviations.appContainerApps}outbound-${resourceToken}'
    location: location
    tags: tags
    environmentId: environment.outputs.id
    placeholderImage: placeholderImage
  }
}

module scheduler 'modules/scheduler.bicep' = {
  name: 'scheduler'
  scope: group
  params: {
    name: '${abbreviations.durableTaskSchedulers}${resourceToken}'
    location: location
    tags: tags
    taskHubName: hubName
    sku: schedulerSku
    capacity: schedulerCapacity
    ipAllowlist: union(people, privateEndpoint ? [] : outbound!.outputs.addresses)
    publicNetworkAccess: privateEndpoint && empty(people) ? 'Disabled' : 'Enabled'
    retentionDays: retentionDays
  }
}

module privateWay 'modules/private-endpoint.bicep' = if (privateEndpoint) {
  name: 'private-endpoint'
  scope: group
  params: {
    name: '${abbreviations.networkPrivateEndpoints}${resourceToken}'
    location: location
    tags: tags
    schedulerId: scheduler.outputs.id
    networkId: network!.outputs.id
    subnetId: network!.outputs.endpointsSubnetId
  }
}

module workerIdentity 'modules/identity.bicep' = {
  name: 'worker-identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}worker-${resourceToken}'
    location: location
    tags: tags
  }
}

module clientIdentity 'modules/identity.bicep' = {
  name: 'client-identity'
  scope: group
  params: {
    name: '${abbreviations.managedIdentityUserAssignedIdentities}client-${resourceToken}'
    location: location
    tags: tags
  }
}

module workerAccess 'modules/role-assignment-hub.bicep' = {
  name: 'worker-access'
  scope: group
  params: {
    schedulerName: scheduler.outputs.name
    taskHubName: scheduler.outputs.taskHubName
    principalId: workerIdentity.outputs.principalId
    principalType: 'ServicePrincipal'
    role: workerRole
  }
}

module clientAccess 'modules/role-assignment-hub.bicep' = {
  name: 'client-access'
  scope: group
  params: {
    schedulerName: scheduler.outputs.name
    taskHubName: scheduler.outputs.taskHubName
    principalId: clientIdentity.outputs.principalId
    principalType: 'ServicePrincipal'
    role: 'Durable Task Data Contributor'
  }
}

module deployerAccess 'modules/role-assignment-hub.bicep' = if (!empty(principalId)) {
  name: 'deployer-access'
  scope: group
  params: {
    schedulerName: scheduler.outputs.name
    taskHubName: scheduler.outputs.taskHubName
    principalId: principalId
    principalType: principalType
    role: 'Durable Task Data Contributor'
  }
}

module registry 'modules/registry.bicep' = {
  name: 'registry'
  scope: group
  params: {
    name: '${abbreviations.containerRegistryRegistries}${resourceToken}'
    location: location
    tags: tags
    pullPrincipalIds: [workerIdentity.outputs.principalId, clientIdentity.outputs.principalId]
  }
}

module workerRuns 'modules/running-image.bicep' = {
  name: 'worker-running-image'
  scope: group
  params: {
    name: workerName
    kind: 'app'
    exists: workerExists
  }
}

module clientRuns 'modules/running-image.bicep' = {
  name: 'client-running-image'
  scope: group
  params: {
    name: clientName
    kind: clientIsApp ? 'app' : 'job'
    exists: clientExists
  }
}

var workerKept = empty(workerRuns.outputs.image) ? placeholderImage : workerRuns.outputs.image
var clientKept = empty(clientRuns.outputs.image) ? placeholderImage : clientRuns.outputs.image
var workerImage = empty(image) ? workerKept : image
var clientImage = empty(image) ? clientKept : image

module worker 'modules/worker-app.bicep' = if (deployApps) {
  name: 'worker'
  scope: group
  params: {
    name: workerName
    location: location
    tags: union(tags, { 'azd-service-name': 'worker' })
    environmentId: environment.outputs.id
    image: workerImage
    isPlaceholder: workerImage == placeholderImage
    registryServer: registry.outputs.loginServer
    identityId: workerIdentity.outputs.id
    identityClientId: workerIdentity.outputs.clientId
    endpoint: scheduler.outputs.endpoint
    taskHubName: scheduler.outputs.taskHubName
    workItemTypes: kindsOfWork
    concurrency: {
      Orchestration: maxOrchestrations
      Activity: maxActivities
      Entity: maxEntities
    }
    minReplicas: minReplicas < 0 ? needs.minReplicas : max(0, minReplicas)
    maxReplicas: maxReplicas < 0 ? needs.maxReplicas : max(1, maxReplicas)
    cpu: workerCpu
    memory: memories[workerCpu]
    storageName: needs.sharedFiles ? files!.outputs.storageName : ''
    applicationInsightsName: applicationInsightsName
  }
  dependsOn: [workerAccess, privateWay]
}

module clientApp 'modules/client-app.bicep' = if (deployApps && clientIsApp) {
  name: 'client-app'
  scope: group
  params: {
    name: clientName
    location: location
    tags: union(tags, { 'azd-service-name': 'client' })
    environmentId: environment.outputs.id
    image: clientImage
    registryServer: registry.outputs.loginServer
    identityId: clientIdentity.outputs.id
    identityClientId: clientIdentity.outputs.clientId
    endpoint: scheduler.outputs.endpoint
    taskHubName: scheduler.outputs.taskHubName
    ipAllowlist: people
    storageName: needs.sharedFiles ? files!.outputs.storageName : ''
    applicationInsightsName: applicationInsightsName
  }
  dependsOn: [clientAccess, privateWay]
}

module clientJob 'modules/client-job.bicep' = if (deployApps && !clientIsApp) {
  name: 'client-job'
  scope: group
  params: {
    name: clientName
    location: location
    tags: union(tags, { 'azd-service-name': 'client' })
    environmentId: environment.outputs.id
    image: clientImage
    arguments: clientArguments
    registryServer: registry.outputs.loginServer
    identityId: clientIdentity.outputs.id
    identityClientId: clientIdentity.outputs.clientId
    endpoint: scheduler.outputs.endpoint
    taskHubName: scheduler.outputs.taskHubName
    storageName: needs.sharedFiles ? files!.outputs.storageName : ''
    applicationInsightsName: applicationInsightsName
  }
  dependsOn: [clientAccess, privateWay]
}

@description('Region of everything.')
output AZURE_LOCATION string = location

@description('Name of the resource group.')
output AZURE_RESOURCE_GROUP string = group.name

@description('Name of the container registry.')
output AZURE_CONTAINER_REGISTRY_NAME string = registry.outputs.name

@description('Host name of the container registry; azd pushes images there.')
output AZURE_CONTAINER_REGISTRY_ENDPOINT string = registry.outputs.loginServer

@description('Address of the scheduler, as programs of durakit read it.')
output ENDPOINT string = scheduler.outputs.endpoint

@description('Name of the task hub, as programs of durakit read it.')
output TASKHUB string = scheduler.outputs.taskHubName

@description('Name of the scheduler.')
output SCHEDULER_NAME string = scheduler.outputs.name

@description('Address of the task hub in the dashboard.')
output DASHBOARD_URL string = scheduler.outputs.dashboardUrl

@description('Name of the worker\'s app.')
output WORKER_NAME string = deployApps ? worker!.outputs.name : ''

@description('Whether the client is an app or a job.')
output CLIENT_KIND string = clientIsApp ? 'app' : 'job'

@description('Name of the client\'s app or job.')
output CLIENT_NAME string = deployApps ? clientName : ''

@description('Address of the client\'s page; empty for a job.')
output CLIENT_URL string = deployApps && clientIsApp ? clientApp!.outputs.url : ''

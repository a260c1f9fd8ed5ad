// A role on one task hub: the narrowest scope there is, so that other hubs of the scheduler stay closed.

@description('Name of the scheduler.')
param schedulerName string

@description('Name of the task hub.')
param taskHubName string

@description('Object id of whoever gets the role.')
param principalId string

@description('What the principal is. Without it, Azure looks a new identity up and may not find it yet.')
@allowed(['User', 'Group', 'ServicePrincipal'])
param principalType string

@description('Name of the role.')
@allowed(['Durable Task Data Contributor', 'Durable Task Worker', 'Durable Task Data Reader'])
param role string

var roleIds = {
  'Durable Task Data Contributor': '0ad04412-c4d5-4796-b79c-f76d14c8d402'
  'Durable Task Worker': '80d0d6b0-f522-40a4-8886-a5a11720c375'
  'Durable Task Data Reader': 'd6a5505f-6ebb-45a4-896e-ac8274cfc0ac'
}

resource scheduler 'Microsoft.DurableTask/schedulers@2026-02-01' existing = {
  name: schedulerName
}

resource taskHub 'Microsoft.DurableTask/schedulers/taskHubs@2026-02-01' existing = {
  parent: scheduler
  name: taskHubName
}

resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(taskHub.id, principalId, roleIds[role])
  scope: taskHub
  properties: {
    principalId: principalId
    principalType: principalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleIds[role])
  }
}

// A container registry without an admin user, from which the given identities may pull.

@description('Name of the registry: 5 to 50 letters and digits.')
param name string

@description('Region of the registry.')
param location string

@description('Tags of the registry.')
param tags object

@description('Object ids of the identities that may pull.')
param pullPrincipalIds string[]

var acrPullRoleId = '7f951dda-4ed3-4680-a7ca-43fe172d538d'

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: 'Basic'
  }
  properties: {
    adminUserEnabled: false
  }
}

resource pull 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for principalId in pullPrincipalIds: {
    name: guid(registry.id, principalId, acrPullRoleId)
    scope: registry
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', acrPullRoleId)
    }
  }
]

@description('Name of the registry.')
output name string = registry.name

@description('Host name of the registry.')
output loginServer string = registry.properties.loginServer

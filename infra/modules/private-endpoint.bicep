// A private endpoint of the scheduler, and the names by which the network finds it.

@description('Name of the private endpoint.')
param name string

@description('Region of the private endpoint.')
param location string

@description('Tags of the private endpoint and its zone.')
param tags object

@description('Resource id of the scheduler.')
param schedulerId string

@description('Resource id of the network.')
param networkId string

@description('Resource id of the subnet for private endpoints.')
param subnetId string

resource endpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    subnet: {
      id: subnetId
    }
    privateLinkServiceConnections: [
      {
        name: 'scheduler'
        properties: {
          privateLinkServiceId: schedulerId
          groupIds: ['scheduler']
        }
      }
    ]
  }
}

resource zone 'Microsoft.Network/privateDnsZones@2024-06-01' = {
  name: 'privatelink.durabletask.io'
  location: 'global'
  tags: tags
}

resource link 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = {
  parent: zone
  name: 'network'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: networkId
    }
  }
}

resource names 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = {
  parent: endpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: 'scheduler'
        properties: {
          privateDnsZoneId: zone.id
        }
      }
    ]
  }
}

@description('Resource id of the private endpoint.')
output id string = endpoint.id

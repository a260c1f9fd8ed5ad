// A file share for samples whose steps, or whose client and worker, hand files to each other.

@description('Name of the storage account: 3 to 24 lower-case letters and digits.')
param accountName string

@description('Region of the storage account.')
param location string

@description('Tags of the storage account.')
param tags object

@description('Name of the Container Apps environment that mounts the share.')
param environmentName string

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  name: accountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: 'Standard_LRS'
  }
  properties: {
    allowBlobPublicAccess: false
    // Container Apps mount SMB shares by key only.
    allowSharedKeyAccess: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
  }
}

resource service 'Microsoft.Storage/storageAccounts/fileServices@2025-01-01' = {
  parent: account
  name: 'default'
}

resource share 'Microsoft.Storage/storageAccounts/fileServices/shares@2025-01-01' = {
  parent: service
  name: 'output'
  properties: {
    shareQuota: 5
  }
}

resource containerEnvironment 'Microsoft.App/managedEnvironments@2025-01-01' existing = {
  name: environmentName
}

resource storage 'Microsoft.App/managedEnvironments/storages@2025-01-01' = {
  parent: containerEnvironment
  name: 'output'
  properties: {
    azureFile: {
      accountName: account.name
      accountKey: account.listKeys().keys[0].value
      shareName: share.name
      accessMode: 'ReadWrite'
    }
  }
}

@description('Name under which apps of the environment mount the share.')
output storageName string = storage.name

// The addresses from which programs of the environment call out, so that the scheduler can let them in without
// being open to the world. Only apps know them, and the worker needs the scheduler first: hence this app, which
// has no ingress and no replica.

@description('Name of the app.')
param name string

@description('Region of the app.')
param location string

@description('Tags of the app.')
param tags object

@description('Resource id of the Container Apps environment.')
param environmentId string

@description('Any public image; it does not run.')
param placeholderImage string

resource app 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    template: {
      containers: [
        {
          name: 'none'
          image: placeholderImage
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
        }
      ]
      scale: {
        minReplicas: 0
        maxReplicas: 1
      }
    }
  }
}

@description('Addresses of calls that leave the environment. Azure may change them: deploy again then.')
output addresses string[] = app.properties.outboundIpAddresses

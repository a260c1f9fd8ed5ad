// A client that serves HTTP. It has no scale rule for work items: a client has no backlog.

@description('Name of the app.')
param name string

@description('Region of the app.')
param location string

@description('Tags of the app.')
param tags object

@description('Resource id of the Container Apps environment.')
param environmentId string

@description('Image of the program.')
param image string

@description('Host name of the registry.')
param registryServer string

@description('Resource id of the identity.')
param identityId string

@description('Client id of the identity.')
param identityClientId string

@description('Address of the scheduler.')
param endpoint string

@description('Name of the task hub.')
param taskHubName string

@description('Addresses and CIDR ranges that may open the page. Empty: it is reachable in the environment only.')
param ipAllowlist string[]

@description('Name of the file share in the environment, mounted at /app/output; empty: none.')
param storageName string

@description('Name of the Application Insights component; empty: none.')
param applicationInsightsName string

var port = 8000
// Ingress restrictions know IPv4 only.
var visitors = filter(ipAllowlist, address => !contains(address, ':'))

resource component 'Microsoft.Insights/components@2020-02-02' existing = if (!empty(applicationInsightsName)) {
  name: applicationInsightsName
}

var telemetry = empty(applicationInsightsName)
  ? []
  : [{ name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: component!.properties.ConnectionString }]

resource app 'Microsoft.App/containerApps@2025-01-01' = {
  name: name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      ingress: {
        // The samples' pages have no login of their own.
        external: !empty(visitors)
        targetPort: port
        transport: 'auto'
        allowInsecure: false
        ipSecurityRestrictions: map(visitors, (address, i) => {
          name: 'visitor-${i}'
          action: 'Allow'
          ipAddressRange: contains(address, '/') ? address : '${address}/32'
        })
      }
      registries: [
        {
          server: registryServer
          identity: identityId
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'client'
          image: image
          env: concat(
            [
              { name: 'PROGRAM', value: 'client' }
              { name: 'PROGRAM_ARGUMENTS', value: '--host 0.0.0.0 --port ${port}' }
              // For the placeholder image, so that it answers on the same port.
              { name: 'PORT', value: string(port) }
              { name: 'ENDPOINT', value: endpoint }
              { name: 'TASKHUB', value: taskHubName }
              { name: 'AZURE_CLIENT_ID', value: identityClientId }
              { name: 'DURAKIT_LOG_FORMAT', value: 'json' }
            ],
            telemetry
          )
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
          volumeMounts: empty(storageName) ? [] : [{ volumeName: 'output', mountPath: '/app/output' }]
        }
      ]
      volumes: empty(storageName)
        ? []
        : [
            {
              name: 'output'
              storageType: 'AzureFile'
              storageName: storageName
              // The image's user; and locks stay in the container, because SQLite's do not work over SMB.
              mountOptions: 'uid=10001,gid=10001,dir_mode=0770,file_mode=0660,nobrl'
            }
          ]
      scale: {
        minReplicas: 0
        maxReplicas: 2
      }
    }
  }
}

@description('Name of the app.')
output name string = app.name

@description('Address of the page.')
output url string = 'https://${app.properties.configuration.ingress.fqdn}'

// A client that runs and ends, started by hand. As an app it would be started again for ever.

@description('Name of the job, 32 characters at most.')
@maxLength(32)
param name string

@description('Region of the job.')
param location string

@description('Tags of the job.')
param tags object

@description('Resource id of the Container Apps environment.')
param environmentId string

@description('Image of the program.')
param image string

@description('Arguments of the program, separated by spaces.')
param arguments string

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

@description('Name of the file share in the environment, mounted at /app/output; empty: none.')
param storageName string

@description('Name of the Application Insights component; empty: none.')
param applicationInsightsName string

resource component 'Microsoft.Insights/components@2020-02-02' existing = if (!empty(applicationInsightsName)) {
  name: applicationInsightsName
}

var telemetry = empty(applicationInsightsName)
  ? []
  : [{ name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: component!.properties.ConnectionString }]

resource job 'Microsoft.App/jobs@2025-01-01' = {
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
      triggerType: 'Manual'
      replicaTimeout: 1800
      // What a client started goes on without it; a second start would be a second orchestration.
      replicaRetryLimit: 0
      manualTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
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
              { name: 'PROGRAM_ARGUMENTS', value: arguments }
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
    }
  }
}

@description('Name of the job.')
output name string = job.name

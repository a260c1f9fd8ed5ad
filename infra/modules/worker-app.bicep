// The worker: calls the scheduler and is called by nobody, so it has no ingress; scaled by the work that waits.

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

@description('Whether the image is the placeholder, which answers no probe of ours.')
param isPlaceholder bool

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

@description('Kinds of work items the worker serves: Orchestration, Activity, Entity. Each gets a scale rule.')
param workItemTypes string[]

@description('How many work items of each kind one replica runs at once; what the scale rules divide by.')
param concurrency object

@description('Replicas when nothing is to be done.')
@minValue(0)
param minReplicas int

@description('Replicas at most.')
@minValue(1)
param maxReplicas int

@description('Processor cores of a replica, such as 0.5.')
param cpu string

@description('Memory of a replica, twice the cores in Gi.')
param memory string

@description('Name of the file share in the environment, mounted at /app/output; empty: none.')
param storageName string

@description('Name of the Application Insights component; empty: none.')
param applicationInsightsName string

var healthPort = 8081

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
      registries: [
        {
          server: registryServer
          identity: identityId
        }
      ]
    }
    template: {
      // Longer than DURAKIT_STOP_GRACE: running work is finished and answered before the container is killed.
      terminationGracePeriodSeconds: 60
      containers: [
        {
          name: 'worker'
          image: image
          env: concat(
            [
              { name: 'PROGRAM', value: 'worker' }
              { name: 'ENDPOINT', value: endpoint }
              { name: 'TASKHUB', value: taskHubName }
              { name: 'AZURE_CLIENT_ID', value: identityClientId }
              { name: 'DURAKIT_LOG_FORMAT', value: 'json' }
              { name: 'DURAKIT_STOP_GRACE', value: '50' }
              { name: 'DURAKIT_HEALTH_PORT', value: string(healthPort) }
              { name: 'DURAKIT_MAX_ORCHESTRATIONS', value: string(concurrency.Orchestration) }
              { name: 'DURAKIT_MAX_ACTIVITIES', value: string(concurrency.Activity) }
              { name: 'DURAKIT_MAX_ENTITIES', value: string(concurrency.Entity) }
            ],
            telemetry
          )
          resources: {
            cpu: json(cpu)
            memory: memory
          }
          volumeMounts: empty(storageName) ? [] : [{ volumeName: 'output', mountPath: '/app/output' }]
          probes: isPlaceholder
            ? []
            : [
                {
                  type: 'Startup'
                  httpGet: { path: '/livez', port: healthPort }
                  periodSeconds: 10
                  failureThreshold: 10
                }
                {
                  type: 'Liveness'
                  httpGet: { path: '/livez', port: healthPort }
                  periodSeconds: 30
                  timeoutSeconds: 5
                  failureThreshold: 3
                }
              ]
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
        minReplicas: minReplicas
        maxReplicas: maxReplicas
        // The largest answer of all rules counts; with the Orchestration rule alone, a worker that is busy
        // with activities could be scaled in.
        rules: [
          for kind in workItemTypes: {
            name: 'durabletask-${toLower(kind)}'
            custom: {
              type: 'azure-durabletask-scheduler'
              identity: identityId
              metadata: {
                endpoint: endpoint
                taskhubName: taskHubName
                workItemType: kind
                maxConcurrentWorkItemsCount: string(concurrency[kind])
              }
            }
          }
        ]
      }
    }
  }
}

@description('Name of the app.')
output name string = app.name

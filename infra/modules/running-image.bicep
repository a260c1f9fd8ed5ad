// The image that an app or job runs now, so that provisioning again does not put a placeholder back. It is a
// module because a template cannot read a resource that it also writes.

@description('Name of the app or job.')
param name string

@description('Whether it is an app or a job.')
@allowed(['app', 'job'])
param kind string

@description('Whether there is one already.')
param exists bool

resource app 'Microsoft.App/containerApps@2025-01-01' existing = if (exists && kind == 'app') {
  name: name
}

resource job 'Microsoft.App/jobs@2025-01-01' existing = if (exists && kind == 'job') {
  name: name
}

var appImage = exists && kind == 'app' ? app!.properties.template.containers[0].image : ''
var jobImage = exists && kind == 'job' ? job!.properties.template.containers[0].image : ''

@description('The image; empty: nothing runs yet.')
output image string = '${appImage}${jobImage}'

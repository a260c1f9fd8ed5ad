#Requires -Version 7.0
<#
.SYNOPSIS
Puts a sample or a project on Azure, or only a scheduler for it, or brings what is there up to date.
.DESCRIPTION
infra/README.md has the whole way. May be run again at any time. Exit codes: 0 done, 1 failed (the last lines on
stderr say why), 2 wrong usage; nothing was created then.
.PARAMETER Name
The environment; its resource group is rg-<Name>.
.PARAMETER Location
Region, such as westeurope.
.PARAMETER Sample
A folder in samples/ (default function_chaining); with -Project, the sample that it was made from.
.PARAMETER Project
A project of yours instead, made by `durakit new`: its Dockerfile is built.
.PARAMETER SchedulerOnly
Only scheduler, task hub and your role; worker and client run here.
.PARAMETER AllowIp
Addresses or CIDR ranges of people; by default nobody.
.PARAMETER PrivateEndpoint
Worker and client reach the scheduler privately; for the life of the environment.
.PARAMETER Sku
Consumption (default) or Dedicated.
.PARAMETER Capacity
Capacity units of Dedicated, 1 to 3.
.PARAMETER RetentionDays
When ended orchestrations are purged (default 30).
.PARAMETER TaskHub
By default the name of the sample or project, with dashes.
.PARAMETER Client
app or job: whether client.py serves a page or ends; by default as infra/samples.json says.
.PARAMETER ClientArguments
Arguments of a client that is a job, separated by blanks.
.PARAMETER WorkItems
Orchestration,Activity,Entity as one text; by default as infra/samples.json says.
.PARAMETER WorkerRole
Durable Task Data Contributor (default) or Durable Task Worker.
.PARAMETER MinReplicas
Of the worker; by default as infra/samples.json says.
.PARAMETER MaxReplicas
Of the worker; by default as infra/samples.json says.
.PARAMETER AppInsights
Application Insights for traces.
.PARAMETER SkipRoleCheck
Where a custom role lets you deploy.
.PARAMETER Subscription
By default the one that az account show tells.
.PARAMETER DryRun
Check everything, and tell what would be run.
.PARAMETER Preview
Ask Azure what would change; what-if.ps1 passes it.
.EXAMPLE
infra/cli/deploy.ps1 -Name orders -Location westeurope -Sample function_chaining -AllowIp 203.0.113.7
#>
param(
    [string] $Name,
    [string] $Location,
    [string] $Sample,
    [string] $Project,
    [switch] $SchedulerOnly,
    [string[]] $AllowIp = @(),
    [switch] $PrivateEndpoint,
    [string] $Sku = 'Consumption',
    [string] $Capacity,
    [string] $RetentionDays = '30',
    [string] $TaskHub,
    [string] $Client,
    [string] $ClientArguments,
    [string] $WorkItems,
    [string] $WorkerRole = 'Durable Task Data Contributor',
    [string] $MinReplicas = '-1',
    [string] $MaxReplicas = '-1',
    [switch] $AppInsights,
    [switch] $SkipRoleCheck,
    [string] $Subscription,
    [switch] $DryRun,
    [switch] $Preview,
    [switch] $Help
)

if ($Help) {
    Get-Help -Detailed $PSCommandPath
    exit 0
}
. (Join-Path $PSScriptRoot 'lib' 'azure.ps1')
$script:Program = if ($Preview) { 'what-if.ps1' } else { 'deploy.ps1' }

$providers = @('Microsoft.DurableTask', 'Microsoft.App', 'Microsoft.ContainerRegistry', 'Microsoft.OperationalInsights', 'Microsoft.ManagedIdentity', 'Microsoft.Storage')
$projectName = ''
$principal = ''
$principalType = 'User'

# Sets projectName, and Sample to the one that the project was made from.
function Read-Project {
    foreach ($needed in 'Dockerfile', 'worker.py', 'client.py') {
        if (-not (Test-Path (Join-Path $Project $needed))) {
            Add-Problem "-Project is '$Project', which has no $needed; name a folder made by: durakit new."
        }
    }
    if ($script:Problems -gt 0) {
        return
    }
    $script:Project = Resolve-Path $Project | Select-Object -ExpandProperty Path
    $folder = (Split-Path -Leaf $script:Project).ToLowerInvariant()
    $script:projectName = ($folder -replace '[_ .]', '-' -replace '[^a-z0-9-]' -replace '-+', '-').Trim('-')
    if ($script:projectName -notmatch '\A[a-z0-9-]{2,60}\z') {
        Add-Problem "The folder $($script:Project) has a name that no image can have; rename it to letters, digits and dashes."
    }
    $readme = Join-Path $script:Project 'README.md'
    if (-not $Sample -and (Test-Path $readme)) {
        $made = Select-String -Path $readme -Pattern '^Made with `durakit new (\w+)`\.$' | Select-Object -First 1
        if ($made) {
            $script:Sample = $made.Matches[0].Groups[1].Value
        }
    }
    if ($script:Sample) {
        Test-Sample $script:Root $script:Sample '-Sample'
    }
    else {
        $script:Sample = $script:projectName # samples.json does not know it, so its defaults hold
    }
}

# Everything that can be told wrong without asking Azure.
function Test-Option([string[]] $Given) {
    Test-Name $Name '-Name'
    Test-Region $Location '-Location'
    if ($Project) {
        Read-Project
    }
    elseif (-not $SchedulerOnly) {
        if (-not $Sample) {
            $script:Sample = 'function_chaining'
        }
        Test-Sample $script:Root $script:Sample '-Sample'
    }
    elseif ($Sample -and @(Get-Sample $script:Root) -cnotcontains $Sample) {
        Test-Sample $script:Root $Sample '-Sample'
    }
    foreach ($address in $AllowIp) {
        Test-Address $address '-AllowIp'
    }
    Test-Sku $Sku $Capacity $RetentionDays @('-Sku', '-Capacity', '-RetentionDays')
    Test-Role $WorkerRole '-WorkerRole'
    Test-Replica $MinReplicas $MaxReplicas @('-MinReplicas', '-MaxReplicas')
    if ($Client -and @('app', 'job') -cnotcontains $Client) {
        Add-Problem "-Client is '$Client'; write app or job."
    }
    if ($WorkItems -and $WorkItems -cnotmatch '\A(Orchestration|Activity|Entity)(,(Orchestration|Activity|Entity))*\z') {
        Add-Problem "-WorkItems is '$WorkItems'; write Orchestration,Activity or Orchestration,Activity,Entity."
    }
    if ($SchedulerOnly) {
        $odd = @('PrivateEndpoint', 'AppInsights', 'Project', 'Client', 'ClientArguments', 'WorkItems', 'WorkerRole', 'MinReplicas', 'MaxReplicas') | Where-Object { $Given -contains $_ } | Select-Object -First 1
        if ($odd) {
            Add-Problem "-$odd says something about worker and client, which -SchedulerOnly leaves at home; leave one of them out."
        }
        if ($AllowIp.Count -eq 0) {
            Add-Problem '-SchedulerOnly without -AllowIp would let nobody in; name the public address of your worker and client.'
        }
    }
    if (-not $TaskHub) {
        $own = @($script:projectName, $script:Sample, 'default') | Where-Object { $_ } | Select-Object -First 1
        $script:TaskHub = $own -replace '[^A-Za-z0-9-]', '-'
    }
    Test-Hub $script:TaskHub '-TaskHub'
    Stop-OnProblem
    if ($AllowIp -contains '0.0.0.0/0') {
        Write-Note 'Note: 0.0.0.0/0 is everybody; only the token then protects the scheduler.'
    }
}

# An environment of this name is there already; this run must fit it.
function Test-Existing([object] $Group) {
    if ((Get-Tag $Group 'azd-env-name') -ne $Name) {
        Add-Problem "The resource group rg-$Name exists and is not an environment of these scripts; choose another -Name."
        return
    }
    if ((Get-Region $Group.location) -ne $script:Location) {
        Add-Problem "The environment $Name is in $($Group.location); write -Location $($Group.location), or choose another -Name."
    }
    $resources = Find-Resource "rg-$Name"
    $there = Get-Tag $Group 'sample'
    $wanted = if ($script:projectName) { $script:projectName } else { $script:Sample }
    if ($SchedulerOnly -and ($resources.Registry -or $resources.Worker)) {
        Add-Problem "The environment $Name has worker and client in Azure; choose another -Name for -SchedulerOnly."
    }
    elseif (-not $SchedulerOnly -and -not $there -and $resources.Scheduler) {
        Add-Problem "The environment $Name was made by -SchedulerOnly; choose another -Name."
    }
    elseif (-not $SchedulerOnly -and $there -and $there -ne $wanted) {
        Add-Problem "The environment $Name has $there, and one environment has one sample; choose another -Name, or tear it down: infra/cli/teardown.ps1 -Name $Name"
    }
}

# Sets principal and principalType, who deploys; empty if the directory does not say.
function Find-Principal {
    if ($script:Account.user.type -eq 'servicePrincipal') {
        $script:principalType = 'ServicePrincipal'
        $who = Get-Azure @('ad', 'sp', 'show', '--id', $script:Account.user.name) -NoSubscription -MayFail
    }
    else {
        $who = Get-Azure @('ad', 'signed-in-user', 'show') -NoSubscription -MayFail
    }
    if ($null -eq $who) {
        Write-Note 'Note: the directory does not tell who you are, so your roles are not checked and you get none on the task hub.'
        return
    }
    $script:principal = $who.id
}

function Test-OwnRole {
    $found = Get-Azure @('role', 'assignment', 'list', '--assignee', $script:principal, '--include-groups', '--include-inherited', '--scope', "/subscriptions/$($script:SubscriptionId)") -MayFail
    if ($null -eq $found) {
        Write-Note 'Note: your roles could not be read; whether they suffice will be seen.'
        return
    }
    $roles = @($found | ForEach-Object { $_ } | ForEach-Object { $_.roleDefinitionName })
    $mayAssign = $roles -contains 'Role Based Access Control Administrator' -or $roles -contains 'User Access Administrator'
    if ($roles -notcontains 'Owner' -and -not ($roles -contains 'Contributor' -and $mayAssign)) {
        $shown = if ($roles) { $roles -join ', ' } else { 'no role' }
        Add-Problem "On this subscription you have $shown. Deploying needs Owner, or Contributor and Role Based Access Control Administrator; ask for it, or add -SkipRoleCheck if a custom role has both."
    }
}

# Those whose resources are made; harmless, and once for a subscription.
function Register-Provider {
    $registered = @(Get-Azure @('provider', 'list') | ForEach-Object { $_ } | Where-Object { $_.registrationState -eq 'Registered' } | ForEach-Object { $_.namespace })
    $needed = if ($SchedulerOnly) { $providers | Select-Object -First 1 } else { $providers }
    foreach ($provider in $needed) {
        if ($registered -notcontains $provider) {
            Write-Note "Registering $provider for this subscription"
            Set-Azure @('provider', 'register', '--namespace', $provider, '--wait', '--output', 'none')
        }
    }
}

# Everything that Azure can tell to be wrong before anything is created.
function Test-Azure {
    $types = (Get-Azure @('provider', 'show', '--namespace', 'Microsoft.DurableTask')).resourceTypes
    Test-Offer $script:Location @($types | Where-Object { $_.resourceType -eq 'schedulers' } | ForEach-Object { $_.locations }) '-Location'
    $group = Find-Group $Name
    if ($null -ne $group) {
        Test-Existing $group
    }
    Find-Principal
    if (-not $SkipRoleCheck -and $script:principal) {
        Test-OwnRole
    }
    Stop-OnProblem
    Register-Provider
}

# What `az deployment sub` needs.
function Get-Parameter([string] $DeployApps, [string] $Image) {
    $short = $Name.Substring(0, [Math]::Min(40, $Name.Length))
    $units = if ($Capacity) { $Capacity } else { '1' }
    @(
        '--name', "durakit-$short-$([DateTime]::UtcNow.ToString('yyyyMMddHHmmss'))", '--location', $script:Location,
        '--template-file', (Join-Path $script:Root 'infra' 'main.bicep'),
        '--parameters', "environmentName=$Name", "location=$($script:Location)", "sample=$($script:Sample)", "project=$($script:projectName)",
        "taskHubName=$($script:TaskHub)", "schedulerSku=$Sku", "schedulerCapacity=$units", "retentionDays=$RetentionDays",
        "ipAllowlist=$($AllowIp -join ',')", "privateEndpoint=$("$PrivateEndpoint".ToLowerInvariant())", "applicationInsights=$("$AppInsights".ToLowerInvariant())",
        "workerRole=$WorkerRole", "clientKind=$Client", "workItemTypes=$WorkItems",
        "minReplicas=$MinReplicas", "maxReplicas=$MaxReplicas", "clientArguments=$ClientArguments",
        "principalId=$($script:principal)", "principalType=$($script:principalType)", "deployApps=$DeployApps", "image=$Image"
    )
}

# The commit; with the time if there is more than was committed, because an app takes up a new image by its new
# name only.
function Get-ImageTag([string] $Folder) {
    $time = [DateTime]::UtcNow.ToString('yyyyMMddHHmmss')
    if (-not (Get-Command git -ErrorAction SilentlyContinue)) {
        return $time
    }
    $commit = git -C $Folder rev-parse '--short=12' HEAD 2> $null
    if ($LASTEXITCODE -ne 0) {
        return $time
    }
    if (git -C $Folder status --porcelain '--' . 2> $null) {
        return "$commit-$time"
    }
    $commit
}

# Builds in the registry, so that no Docker is needed here; tells what az told and, last, the image.
function Build-Image([object] $Registry) {
    $context = if ($Project) { $script:Project } else { $script:Root }
    $repository = if ($Project) { $script:projectName } else { $script:Sample }
    $tagged = "${repository}:$(Get-ImageTag $context)"
    if ($null -eq $Registry -and -not $script:IsDryRun) {
        Stop-Run "rg-$Name has no registry, though its deployment succeeded; look at it in the portal."
    }
    $registryName, $server = '<registry>', '<registry>.azurecr.io'
    if ($null -ne $Registry) {
        $registryName = $Registry.name
        $server = (Get-Azure @('acr', 'show', '--name', $registryName)).loginServer
    }
    # The Dockerfile's path is not one in the context, as docker's would be: az looks from where it is started.
    $source = if ($Project) {
        @('--file', (Join-Path $context 'Dockerfile'), $context)
    }
    else {
        @('--file', (Join-Path $context 'infra' 'docker' 'Dockerfile'), '--build-arg', "SAMPLE=$($script:Sample)", $context)
    }
    Set-Azure (@('acr', 'build', '--registry', $registryName, '--image', $tagged, '--platform', 'linux/amd64') + $source)
    "$server/$tagged"
}

function Publish-All {
    Write-Note '1 of 3: scheduler, registry and what else worker and client need; up to 15 minutes the first time'
    Set-Azure (@('deployment', 'sub', 'create') + (Get-Parameter 'false' '') + @('--output', 'none'))
    $registry = $null
    if (-not $script:IsDryRun -or $null -ne (Find-Group $Name)) {
        $registry = (Find-Resource "rg-$Name").Registry
    }
    Write-Note '2 of 3: the image'
    $told = @(Build-Image $registry)
    $told | Select-Object -SkipLast 1
    Write-Note '3 of 3: worker and client'
    Set-Azure (@('deployment', 'sub', 'create') + (Get-Parameter 'true' $told[-1]) + @('--output', 'none'))
}

# By plain az commands, as in Azure's quickstarts.
function Publish-Scheduler {
    $group, $scheduler = "rg-$Name", "dts-$Name"
    Install-Extension 'durabletask'
    Set-Azure @('group', 'create', '--name', $group, '--location', $script:Location, '--tags', "azd-env-name=$Name", '--output', 'none')
    $units = if ($Capacity) { $Capacity } else { '1' }
    $settings = @('--resource-group', $group, '--name', $scheduler, '--sku-name', $Sku, '--output', 'none')
    if ($Sku -eq 'Dedicated') {
        $settings += @('--sku-capacity', $units)
    }
    $settings += @('--ip-allowlist') + $AllowIp
    if ($null -ne (Get-Azure @('durabletask', 'scheduler', 'show', '--resource-group', $group, '--name', $scheduler) -MayFail)) {
        Set-Azure (@('durabletask', 'scheduler', 'update') + $settings)
    }
    else {
        Write-Note 'The scheduler; up to 15 minutes'
        Set-Azure (@('durabletask', 'scheduler', 'create') + $settings + @('--location', $script:Location, '--tags', "azd-env-name=$Name"))
    }
    if ($null -eq (Get-Azure @('durabletask', 'taskhub', 'show', '--resource-group', $group, '--scheduler-name', $scheduler, '--name', $script:TaskHub) -MayFail)) {
        Set-Azure @('durabletask', 'taskhub', 'create', '--resource-group', $group, '--scheduler-name', $scheduler, '--name', $script:TaskHub, '--output', 'none')
    }
    Set-Azure @('durabletask', 'retention-policy', 'create', '--resource-group', $group, '--scheduler-name', $scheduler, '--default-days', $RetentionDays, '--output', 'none')
    if ($script:principal) {
        $scope = "/subscriptions/$($script:SubscriptionId)/resourceGroups/$group/providers/Microsoft.DurableTask/schedulers/$scheduler/taskHubs/$($script:TaskHub)"
        Set-Azure @('role', 'assignment', 'create', '--assignee-object-id', $script:principal, '--assignee-principal-type', $script:principalType, '--role', 'Durable Task Data Contributor', '--scope', $scope, '--output', 'none')
    }
}

$Location = Get-Region $Location
Test-Option @($PSBoundParameters.Keys)
$script:IsDryRun = $DryRun -or $Preview
Initialize-Azure $Subscription
Test-Azure
if ($Preview -and -not $SchedulerOnly) {
    # The apps without an image are the placeholder: what differs from the true run is that one property.
    $all = Get-InSubscription (@('deployment', 'sub', 'what-if') + (Get-Parameter 'true' ''))
    Invoke-Az $all
    if ($LASTEXITCODE -ne 0) {
        Stop-WithAdvice 'az deployment sub failed.'
    }
    exit 0
}
if ($SchedulerOnly) {
    Publish-Scheduler
}
else {
    Publish-All
}
if ($script:IsDryRun) {
    Write-Note 'Nothing was changed: -DryRun.'
    exit 0
}
$hub = Find-Hub $Name (Find-Resource "rg-$Name").Scheduler $TaskHub
Write-Note "The environment $Name is up. Roles may take ten minutes to be known everywhere."
Show-Hub $hub
if ($SchedulerOnly) {
    Write-Note "next: infra/cli/env.ps1 -Name $Name | Out-String | Invoke-Expression, then start worker.py and client.py"
}
else {
    Write-Note "next: infra/cli/run-client.ps1 -Name $Name"
}

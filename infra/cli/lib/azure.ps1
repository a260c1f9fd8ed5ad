# What the scripts have in common when they talk to Azure: lib/azure.sh for PowerShell. Answers are taken as JSON,
# not by --query, because az on Windows is a batch file and loses the quotes within arguments.

$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false
Set-StrictMode -Version 3.0

. (Join-Path $PSScriptRoot 'check.ps1')

$script:Root = Resolve-Path (Join-Path $PSScriptRoot '..' '..' '..') | Select-Object -ExpandProperty Path
$script:ApiVersion = '2026-02-01' # of Microsoft.DurableTask, as in infra/modules
$script:RetrySeconds = if ($env:DURAKIT_RETRY_SECONDS) { [int] $env:DURAKIT_RETRY_SECONDS } else { 15 }
$script:IsDryRun = $false
$script:SubscriptionId = ''
$script:Reason = ''

$env:AZURE_CORE_NO_COLOR = '1'
$env:AZURE_CORE_ONLY_SHOW_ERRORS = '1'
$env:AZURE_EXTENSION_USE_DYNAMIC_INSTALL = 'no' # no question in the middle of a run

function Write-Note([string] $Text) {
    [Console]::Error.WriteLine($Text)
}

# The run ends here; it may be started again.
function Stop-Run([string] $Text) {
    Write-Note "$($script:Program): $Text"
    exit 1
}

# Calls az; returns what it printed, with $LASTEXITCODE as az left it and $Reason what it complained about.
function Invoke-Az([string[]] $Words) {
    $complaints = New-TemporaryFile
    try {
        $printed = & az @Words 2> $complaints.FullName
        $script:Reason = [string] (Get-Content -Raw $complaints.FullName)
    }
    finally {
        Remove-Item $complaints.FullName
    }
    $printed
}

function Get-InSubscription([string[]] $Words) {
    if ($script:SubscriptionId) {
        return $Words + @('--subscription', $script:SubscriptionId)
    }
    $Words
}

# Asks az something that changes nothing; the answer as objects, or nothing if Azure refuses and -MayFail is given.
function Get-Azure([string[]] $Words, [switch] $MayFail, [switch] $NoSubscription) {
    $all = @(if ($NoSubscription) { $Words } else { Get-InSubscription $Words }) # an array, also of one word
    $printed = Invoke-Az ($all + @('--output', 'json'))
    if ($LASTEXITCODE -ne 0) {
        if ($MayFail) {
            return
        }
        Stop-WithAdvice "az $(($Words | Select-Object -First 2) -join ' ') failed."
    }
    ($printed -join "`n") | ConvertFrom-Json -NoEnumerate
}

# Has az change something; told and not done in a dry run. Roles and new identities take a while to be known
# everywhere, so what may pass is tried again.
function Set-Azure([string[]] $Words) {
    $all = @(Get-InSubscription $Words)
    if ($script:IsDryRun) {
        return "az $(($all | ForEach-Object { if ($_ -match '\A[\w./:=@,-]+\z') { $_ } else { "'$_'" } }) -join ' ')"
    }
    $pause = $script:RetrySeconds
    foreach ($attempt in 1..5) {
        $printed = Invoke-Az $all
        if ($LASTEXITCODE -eq 0) {
            return $printed
        }
        if ($attempt -eq 5 -or -not (Test-MayPass)) {
            Stop-WithAdvice "az $(($Words | Select-Object -First 2) -join ' ') failed."
        }
        Write-Note "Azure does not know everything yet; trying again in $pause s ($attempt of 4)."
        Start-Sleep -Seconds $pause
        $pause *= 2
    }
}

# Whether what az complained about is known to go away.
function Test-MayPass {
    $script:Reason -match 'PrincipalNotFound|does not exist in the directory|unable to pull image|UNAUTHORIZED: authentication required|AnotherOperationInProgress|OperationInProgress|TooManyRequests|ServiceUnavailable|GatewayTimeout'
}

# The run ends with Azure's own words and, where that is known, what to do about them.
function Stop-WithAdvice([string] $What) {
    $advice = switch -Regex ($script:Reason) {
        'az login|AADSTS|refresh token' { 'Log in: az login.'; break }
        'QuotaExceeded|quota' { 'Consumption allows 10 schedulers and 5 task hubs for each region and subscription: tear an environment down, take another region, or -Sku Dedicated.'; break }
        'TasksOperationsNotAllowed' { 'Azure does not let this subscription build images in registries, as is usual for free ones; ask its support, or take another subscription.'; break }
        'AuthorizationFailed|does not have authorization' { 'You need Owner, or Contributor and Role Based Access Control Administrator, on the subscription.'; break }
        'AlreadyExists|NameNotAvailable|AlreadyInUse|already in use' { 'The name is taken; choose another -Name.'; break }
        'DeploymentActive' { 'An earlier deployment still runs; wait for its end, then run this again.'; break }
        'LocationNotAvailable' { 'Take another -Location.'; break }
        'RequestDisallowedByPolicy' { 'A policy of your organisation forbids it; ask for an exemption.'; break }
        default { 'Once that is corrected, run this again; what is done already stays.' }
    }
    Write-Note $script:Reason.TrimEnd()
    Stop-Run "$What $advice"
}

# az is there, new enough and logged in. Everything else needs it.
function Initialize-Azure([string] $Subscription) {
    if (-not (Get-Command az -ErrorAction SilentlyContinue)) {
        Stop-Run 'There is no az; install the Azure CLI: https://learn.microsoft.com/cli/azure/install-azure-cli'
    }
    $version = (Get-Azure @('version') -NoSubscription).'azure-cli'
    if ([version] ($version -replace '[^0-9.].*') -lt [version] '2.75.0') {
        Stop-Run "az is version $version; 2.75 or newer is needed: az upgrade"
    }
    $script:SubscriptionId = $Subscription
    $script:Account = Get-Azure @('account', 'show') -MayFail
    if ($null -eq $script:Account) {
        Stop-WithAdvice 'Azure does not know you.'
    }
    $script:SubscriptionId = $script:Account.id
}

# az has the extension, or gets it. It changes this machine, not Azure.
function Install-Extension([string] $Extension) {
    if ($null -eq (Get-Azure @('extension', 'show', '--name', $Extension) -NoSubscription -MayFail)) {
        $null = Get-Azure @('extension', 'add', '--name', $Extension, '--yes') -NoSubscription
    }
}

# A tag of a resource, or nothing.
function Get-Tag([object] $Resource, [string] $Tag) {
    if ($null -ne $Resource.tags -and $Resource.tags.PSObject.Properties.Name -contains $Tag) {
        return $Resource.tags.$Tag
    }
}

# The environment's resource group, or nothing.
function Find-Group([string] $Name) {
    if (Get-Azure @('group', 'exists', '--name', "rg-$Name")) {
        return Get-Azure @('group', 'show', '--name', "rg-$Name")
    }
}

# The group of an environment that must exist and be one of ours.
function Get-Group([string] $Name) {
    $group = Find-Group $Name
    if ($null -eq $group) {
        Stop-Run "There is no environment $Name in this subscription (no resource group rg-$Name); see the names with: az group list --tag azd-env-name --query '[].name'"
    }
    if ((Get-Tag $group 'azd-env-name') -ne $Name) {
        Stop-Run "The resource group rg-$Name was not made for the environment ${Name}: it lacks the tag azd-env-name=$Name."
    }
    $group
}

# What the environment consists of; looked up, not read from a deployment's outputs: azd's deployments and
# -SchedulerOnly are then the same, and ARM changes the case of outputs' names.
function Find-Resource([string] $Group) {
    $all = @(Get-Azure @('resource', 'list', '--resource-group', $Group) | ForEach-Object { $_ })
    $found = @{ Scheduler = $null; Registry = $null; Workspace = $null; Worker = $null; Client = $null; ClientKind = ''; All = $all }
    foreach ($each in $all) {
        $service = Get-Tag $each 'azd-service-name'
        switch ($each.type) {
            'Microsoft.DurableTask/schedulers' { $found.Scheduler = $each }
            'Microsoft.ContainerRegistry/registries' { $found.Registry = $each }
            'Microsoft.OperationalInsights/workspaces' { $found.Workspace = $each }
            'Microsoft.App/containerApps' {
                if ($service -eq 'worker') {
                    $found.Worker = $each
                }
                if ($service -eq 'client') {
                    $found.Client = $each
                    $found.ClientKind = 'app'
                }
            }
            'Microsoft.App/jobs' {
                if ($service -eq 'client') {
                    $found.Client = $each
                    $found.ClientKind = 'job'
                }
            }
        }
    }
    $found
}

# Endpoint, TaskHub and Dashboard of the environment's scheduler; of the named hub, or of the only one.
function Find-Hub([string] $Name, [object] $Scheduler, [string] $Wanted) {
    $again = "run infra/cli/deploy.ps1 -Name $Name ... to its end."
    if ($null -eq $Scheduler) {
        Stop-Run "rg-$Name has no scheduler yet; $again"
    }
    $shown = Get-Azure @('resource', 'show', '--ids', $Scheduler.id, '--api-version', $script:ApiVersion)
    $answer = Get-Azure @('rest', '--method', 'get', '--url', "$($Scheduler.id)/taskHubs?api-version=$($script:ApiVersion)")
    $hubs = @($answer.value | Where-Object { -not $Wanted -or $_.name -eq $Wanted })
    if ($hubs.Count -eq 0) {
        Stop-Run "The scheduler $($Scheduler.name) has no task hub $Wanted; $again"
    }
    if ($hubs.Count -gt 1) {
        Stop-Run "The scheduler $($Scheduler.name) has several task hubs; say which: -TaskHub $($hubs.name -join '|')"
    }
    @{ Endpoint = $shown.properties.endpoint; TaskHub = $hubs[0].name; Dashboard = $hubs[0].properties.dashboardUrl }
}

function Show-Hub([hashtable] $Hub) {
    Write-Note "ENDPOINT   $($Hub.Endpoint)"
    Write-Note "TASKHUB    $($Hub.TaskHub)"
    Write-Note "dashboard  $($Hub.Dashboard)"
}

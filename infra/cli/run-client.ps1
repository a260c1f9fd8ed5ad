#Requires -Version 7.0
<#
.SYNOPSIS
Runs the client of an environment, there or here.
.DESCRIPTION
Starts the client's job in Azure, waits for its end and prints its output; prints the address of a client that
serves a page. With -Local, client.py runs here against the scheduler in Azure; for that your address must be
allowed (deploy.ps1 -AllowIp). Exit codes: 0 done, 1 failed, 2 wrong usage; with -Local those of client.py.
.PARAMETER Sample
Whose client.py; by default the sample that was deployed.
.PARAMETER Project
The same for a project of yours.
.PARAMETER Arguments
For client.py: -Arguments '--host', '0.0.0.0'
.EXAMPLE
infra/cli/run-client.ps1 -Name orders
#>
param(
    [string] $Name,
    [switch] $Local,
    [string] $Sample,
    [string] $Project,
    [string] $TaskHub,
    [string[]] $Arguments = @(),
    [switch] $DryRun,
    [string] $Subscription,
    [switch] $Help
)

if ($Help) {
    Get-Help -Detailed $PSCommandPath
    exit 0
}
. (Join-Path $PSScriptRoot 'lib' 'azure.ps1')
$script:Program = 'run-client.ps1'

# The Python of the folder's environment, of the repository's, or of the system.
function Find-Python([string] $Folder) {
    $inside = if ($IsWindows) { 'Scripts/python.exe' } else { 'bin/python' }
    foreach ($place in $Folder, $script:Root) {
        $python = Join-Path $place '.venv' $inside
        if (Test-Path $python) {
            return $python
        }
    }
    if ($IsWindows) { 'py' } else { 'python3' }
}

function Invoke-Here([object] $Group) {
    $folder = $Project
    if (-not $folder) {
        $wanted = if ($Sample) { $Sample } else { Get-Tag $Group 'sample' }
        if (-not $wanted) {
            Add-Problem "The environment $Name has no sample; say whose client: -Sample or -Project."
            Stop-OnProblem
        }
        $folder = Join-Path $script:Root 'samples' $wanted
        if (-not (Test-Path $folder)) {
            Add-Problem "The environment $Name has $wanted; say where it is: -Project."
            Stop-OnProblem
        }
    }
    $folder = Resolve-Path $folder | Select-Object -ExpandProperty Path
    $hub = Find-Hub $Name (Find-Resource "rg-$Name").Scheduler $TaskHub
    Show-Hub $hub
    $python = Find-Python $folder
    if ($DryRun) {
        "$python client.py $($Arguments -join ' ')"
        return
    }
    $env:ENDPOINT = $hub.Endpoint
    $env:TASKHUB = $hub.TaskHub
    Push-Location $folder
    try {
        & $python client.py @Arguments
        $code = $LASTEXITCODE
    }
    finally {
        Pop-Location
    }
    exit $code
}

# Prints what a run of the job printed, from Log Analytics, where it arrives some minutes later.
function Show-Log([object] $Workspace, [string] $Execution) {
    $query = "ContainerAppConsoleLogs_CL | where ContainerGroupName_s startswith '$Execution' | order by TimeGenerated asc | project Log_s"
    Install-Extension 'log-analytics'
    $shown = Get-Azure @('resource', 'show', '--ids', $Workspace.id, '--api-version', '2025-02-01')
    $customer = $shown.properties.customerId
    Write-Note 'Its output follows as soon as the logs have it; that takes a minute or more.'
    foreach ($attempt in 1..20) {
        $lines = @(Get-Azure @('monitor', 'log-analytics', 'query', '--workspace', $customer, '--analytics-query', $query) -MayFail | ForEach-Object { $_ })
        if ($lines.Count -gt 0) {
            return $lines.Log_s
        }
        if ($attempt -lt 20) {
            Start-Sleep -Seconds $script:RetrySeconds
        }
    }
    Write-Note "No output has arrived yet; later: az monitor log-analytics query --workspace $customer --analytics-query `"$query`""
}

# Starts the job, waits for its end, prints what it printed.
function Invoke-Job([hashtable] $Resources) {
    $job = $Resources.Client.name
    $started = Set-Azure @('containerapp', 'job', 'start', '--resource-group', "rg-$Name", '--name', $job)
    if ($DryRun) {
        $started
        return
    }
    $execution = (($started -join "`n") | ConvertFrom-Json).name
    Write-Note "Started $execution; waiting for its end"
    $status = 'Running'
    while (@('Running', 'Processing', 'Unknown') -contains $status) {
        Start-Sleep -Seconds $script:RetrySeconds
        $run = Get-Azure @('containerapp', 'job', 'execution', 'show', '--resource-group', "rg-$Name", '--name', $job, '--job-execution-name', $execution)
        $status = $run.properties.status
    }
    Show-Log $Resources.Workspace $execution
    if ($status -ne 'Succeeded') {
        Stop-Run "The job's run $execution ended with $status."
    }
}

Test-Name $Name '-Name'
if (-not $Local -and ($Arguments.Count -gt 0 -or $Sample -or $Project -or $TaskHub)) {
    Add-Problem '-Sample, -Project, -TaskHub and arguments of client.py go with -Local; those of the job are set by deploy.ps1 -ClientArguments.'
}
if ($Sample -and -not (Test-Path (Join-Path $script:Root 'samples' $Sample 'client.py'))) {
    Test-Sample $script:Root $Sample '-Sample'
}
if ($Project -and -not (Test-Path (Join-Path $Project 'client.py'))) {
    Add-Problem "-Project is '$Project', which has no client.py."
}
Stop-OnProblem
$script:IsDryRun = [bool] $DryRun
Initialize-Azure $Subscription
$group = Get-Group $Name
if ($Local) {
    Invoke-Here $group
    exit 0
}
$resources = Find-Resource "rg-$Name"
switch ($resources.ClientKind) {
    'job' {
        Invoke-Job $resources
    }
    'app' {
        $app = Get-Azure @('containerapp', 'show', '--resource-group', "rg-$Name", '--name', $resources.Client.name)
        "https://$($app.properties.configuration.ingress.fqdn)"
    }
    default {
        Stop-Run "The environment $Name has no client in Azure; add -Local to run it here, or deploy.ps1 first."
    }
}

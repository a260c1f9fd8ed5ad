#Requires -Version 7.0
<#
.SYNOPSIS
Prints ENDPOINT and TASKHUB of an environment. It changes nothing.
.DESCRIPTION
Exit codes: 0 done, 1 failed, 2 wrong usage.
.EXAMPLE
infra/cli/env.ps1 -Name orders | Out-String | Invoke-Expression
.EXAMPLE
infra/cli/env.ps1 -Name orders -Format dotenv | Set-Content samples/function_chaining/.env
#>
param(
    [string] $Name,
    [string] $Format = 'powershell',
    [string] $TaskHub,
    [string] $Subscription,
    [switch] $Help
)

if ($Help) {
    Get-Help -Detailed $PSCommandPath
    exit 0
}
. (Join-Path $PSScriptRoot 'lib' 'azure.ps1')
$script:Program = 'env.ps1'

Test-Name $Name '-Name'
if ($TaskHub) {
    Test-Hub $TaskHub '-TaskHub'
}
$lines = @{
    sh         = "export {0}='{1}'"
    dotenv     = '{0}={1}'
    powershell = "`$env:{0} = '{1}'"
}
if (-not $lines.ContainsKey($Format)) {
    Add-Problem "-Format is '$Format'; write sh, dotenv or powershell."
}
Stop-OnProblem
Initialize-Azure $Subscription
$null = Get-Group $Name
$resources = Find-Resource "rg-$Name"
$hub = Find-Hub $Name $resources.Scheduler $TaskHub
$lines[$Format] -f 'ENDPOINT', $hub.Endpoint
$lines[$Format] -f 'TASKHUB', $hub.TaskHub

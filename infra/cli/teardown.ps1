#Requires -Version 7.0
<#
.SYNOPSIS
Deletes an environment with everything in it.
.DESCRIPTION
Deletes the resource group: scheduler, orchestrations with their history, worker, client, images, logs, files.
Asks for the name first. Exit codes: 0 gone (or was not there), 1 failed or not confirmed, 2 wrong usage.
.PARAMETER Yes
Do not ask.
.PARAMETER NoWait
Return as soon as Azure has begun.
.PARAMETER DryRun
Tell what would be deleted.
.EXAMPLE
infra/cli/teardown.ps1 -Name orders
#>
param(
    [string] $Name,
    [switch] $Yes,
    [switch] $NoWait,
    [switch] $DryRun,
    [string] $Subscription,
    [switch] $Help
)

if ($Help) {
    Get-Help -Detailed $PSCommandPath
    exit 0
}
. (Join-Path $PSScriptRoot 'lib' 'azure.ps1')
$script:Program = 'teardown.ps1'

Test-Name $Name '-Name'
Stop-OnProblem
$script:IsDryRun = [bool] $DryRun
Initialize-Azure $Subscription
if ($null -eq (Find-Group $Name)) {
    Write-Note "There is no environment $Name; nothing to delete."
    exit 0
}
$null = Get-Group $Name
Write-Note "This deletes the resource group rg-$Name with:"
foreach ($each in (Find-Resource "rg-$Name").All) {
    Write-Note "$($each.type) $($each.name)"
}
Write-Note 'and the history of all its orchestrations. It cannot be undone.'
if (-not $Yes -and -not $DryRun) {
    if ((Read-Host 'Type the name of the environment to go on') -cne $Name) {
        Stop-Run 'Nothing was deleted: that is not its name.'
    }
}
$flags = if ($NoWait) { @('--no-wait') } else { @() }
Set-Azure (@('group', 'delete', '--name', "rg-$Name", '--yes') + $flags)
if ($DryRun) {
    Write-Note 'Nothing was changed: -DryRun.'
}
elseif ($NoWait) {
    Write-Note "$Name is being deleted."
}
else {
    Write-Note "$Name is gone."
}

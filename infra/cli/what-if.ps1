#Requires -Version 7.0
<#
.SYNOPSIS
Tells what deploy.ps1 would change, and changes nothing.
.DESCRIPTION
Takes the options of deploy.ps1: Get-Help -Detailed infra/cli/deploy.ps1
.EXAMPLE
infra/cli/what-if.ps1 -Name orders -Location westeurope -AllowIp 203.0.113.7
#>
# Without a param block, so that all options go on as they came.
& (Join-Path $PSScriptRoot 'deploy.ps1') @args -Preview
exit $LASTEXITCODE

#Requires -Version 7.0
<#
.SYNOPSIS
Checks the variables of the azd environment; azd calls it before it provisions. It changes nothing.
.DESCRIPTION
Set them with `azd env set NAME VALUE`; infra/README.md has the list. Exit codes: 0 nothing is wrong, 2 something
is, with the correction on stderr.
#>
param()

$ErrorActionPreference = 'Stop'
. (Join-Path $PSScriptRoot 'lib' 'check.ps1')
$script:Program = 'preflight.ps1'
$root = Resolve-Path (Join-Path $PSScriptRoot '..' '..') | Select-Object -ExpandProperty Path

# The variable's value, or what holds without one.
function Get-AzdValue([string] $Name, [string] $Default = '') {
    $value = [Environment]::GetEnvironmentVariable($Name)
    if ($value) { $value } else { $Default }
}

Test-Name (Get-AzdValue 'AZURE_ENV_NAME') 'AZURE_ENV_NAME'
Test-Region (Get-AzdValue 'AZURE_LOCATION') 'AZURE_LOCATION'
Test-Sample $root (Get-AzdValue 'SAMPLE' 'function_chaining') 'SAMPLE'
if (Get-AzdValue 'TASKHUB_NAME') {
    Test-Hub (Get-AzdValue 'TASKHUB_NAME') 'TASKHUB_NAME'
}
Test-Sku (Get-AzdValue 'SCHEDULER_SKU' 'Consumption') (Get-AzdValue 'SCHEDULER_CAPACITY') (Get-AzdValue 'RETENTION_DAYS' '30') @('SCHEDULER_SKU', 'SCHEDULER_CAPACITY', 'RETENTION_DAYS')
foreach ($address in (Get-AzdValue 'IP_ALLOWLIST').Split(',', [StringSplitOptions]::RemoveEmptyEntries)) {
    Test-Address $address.Trim() 'IP_ALLOWLIST'
}
Test-Role (Get-AzdValue 'WORKER_ROLE' 'Durable Task Data Contributor') 'WORKER_ROLE'
Test-Flag (Get-AzdValue 'PRIVATE_ENDPOINT' 'false') 'PRIVATE_ENDPOINT'
Test-Flag (Get-AzdValue 'APPLICATION_INSIGHTS' 'false') 'APPLICATION_INSIGHTS'
Test-Replica (Get-AzdValue 'MIN_REPLICAS' '-1') (Get-AzdValue 'MAX_REPLICAS' '-1') @('MIN_REPLICAS', 'MAX_REPLICAS')
if (Get-AzdValue 'ENDPOINT') {
    Test-Endpoint (Get-AzdValue 'ENDPOINT') 'ENDPOINT'
}
Stop-OnProblem

# az is not needed by azd; where it is there and knows who we are, it knows the regions too.
if (Get-Command az -ErrorAction SilentlyContinue) {
    $printed = az provider show --namespace Microsoft.DurableTask --output json 2> $null
    if ($LASTEXITCODE -eq 0) {
        $types = (($printed -join "`n") | ConvertFrom-Json).resourceTypes
        $regions = @($types | Where-Object { $_.resourceType -eq 'schedulers' } | ForEach-Object { $_.locations })
        Test-Offer (Get-AzdValue 'AZURE_LOCATION') $regions 'AZURE_LOCATION'
        Stop-OnProblem
    }
}
exit 0

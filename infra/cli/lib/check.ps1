# What is wrong with what somebody asked for, found without asking Azure: lib/check.sh for PowerShell.

$script:Program = '' # whoever reads this in says
$script:Problems = 0

# Something to correct; all of them are told before anything ends.
function Add-Problem([string] $Text) {
    [Console]::Error.WriteLine("$($script:Program): $Text")
    $script:Problems++
}

function Stop-OnProblem {
    if ($script:Problems -gt 0) {
        exit 2
    }
}

function Test-Name([string] $Name, [string] $Option) {
    if (-not $Name) {
        Add-Problem "$Option is not set; give the environment a name, such as orders."
    }
    elseif ($Name.Length -gt 60) {
        Add-Problem "$Option has $($Name.Length) characters; write 60 at most."
    }
    elseif ($Name -cnotmatch '\A[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\z') {
        Add-Problem "$Option is '$Name'; write letters, digits and, between them, dashes."
    }
}

# As Azure writes it in commands; "West Europe" is westeurope.
function Get-Region([string] $Text) {
    $Text.Replace(' ', '').ToLowerInvariant()
}

function Test-Region([string] $Region, [string] $Option) {
    if (-not $Region) {
        Add-Problem "$Option is not set; name a region, such as westeurope."
    }
    elseif ((Get-Region $Region) -cnotmatch '\A[a-z]+[0-9]?\z') {
        Add-Problem "$Option is '$Region'; write a region as Azure does, such as westeurope."
    }
}

function Get-Sample([string] $Root) {
    Get-ChildItem -Path (Join-Path $Root 'samples' '*' 'client.py') | ForEach-Object { $_.Directory.Name } | Sort-Object
}

# Why no worker in Azure can serve the sample; nothing if one can.
function Get-ReasonToStayAtHome([string] $Root, [string] $Sample) {
    $catalogue = Get-Content -Raw (Join-Path $Root 'infra' 'samples.json') | ConvertFrom-Json -AsHashtable
    $catalogue.atHome[$Sample]
}

function Test-Sample([string] $Root, [string] $Sample, [string] $Option) {
    $reason = Get-ReasonToStayAtHome $Root $Sample
    if (@(Get-Sample $Root) -cnotcontains $Sample) {
        Add-Problem "$Option is '$Sample', which is no sample; there are: $(@(Get-Sample $Root) -join ', ')."
    }
    elseif ($reason) {
        Add-Problem "$Sample cannot run in Azure, because $reason. Deploy with -SchedulerOnly and run its worker and client here."
    }
}

function Test-Hub([string] $Name, [string] $Option) {
    if ($Name -cnotmatch '\A[A-Za-z0-9-]{3,64}\z') {
        Add-Problem "$Option is '$Name'; write 3 to 64 letters, digits and dashes."
    }
}

function Test-Number([string] $Text, [int] $Least, [int] $Most) {
    $Text -match '\A(0|[1-9][0-9]{0,5})\z' -and [int] $Text -ge $Least -and [int] $Text -le $Most
}

# What the scheduler is asked to be; $Options names kind, capacity and days.
function Test-Sku([string] $Sku, [string] $Capacity, [string] $Days, [string[]] $Options) {
    if (@('Consumption', 'Dedicated') -cnotcontains $Sku) {
        Add-Problem "$($Options[0]) is '$Sku'; write Consumption or Dedicated."
        return
    }
    $most = if ($Sku -eq 'Dedicated') { 90 } else { 30 }
    if ($Capacity -and $Sku -eq 'Consumption' -and $Capacity -ne '1') {
        Add-Problem "$($Options[1]) is '$Capacity', and Consumption has no capacity; leave it out, or add $($Options[0]) Dedicated."
    }
    elseif ($Capacity -and -not (Test-Number $Capacity 1 3)) {
        Add-Problem "$($Options[1]) is '$Capacity'; write 1, 2 or 3."
    }
    if (-not (Test-Number $Days 1 $most)) {
        Add-Problem "$($Options[2]) is '$Days'; $Sku keeps ended orchestrations for 1 to $most days."
    }
}

# 203.0.113.7, 203.0.113.0/24, 2001:db8::/32
function Test-Address([string] $Address, [string] $Option) {
    $hostPart, $size = $Address -split '/', 2
    $parsed = $null
    $isAddress = [System.Net.IPAddress]::TryParse($hostPart, [ref] $parsed) -and ($hostPart -match ':' -or $hostPart -match '\A\d+(\.\d+){3}\z')
    $largest = if ($hostPart -match ':') { 128 } else { 32 }
    if (-not $isAddress) {
        Add-Problem "$Option has '$Address'; write an address such as 203.0.113.7, or a range such as 203.0.113.0/24."
    }
    elseif ($null -ne $size -and -not (Test-Number $size 0 $largest)) {
        Add-Problem "$Option has '$Address'; what follows the slash is a number from 0 to $largest."
    }
    elseif ($hostPart -match '\A(10|127|192\.168|169\.254|172\.(1[6-9]|2[0-9]|3[01]))\.') {
        Add-Problem "$Option has '$Address', an address of your own network; write the public one, by which Azure sees you."
    }
}

function Test-Flag([string] $Value, [string] $Option) {
    if (@('true', 'false') -cnotcontains $Value) {
        Add-Problem "$Option is '$Value'; write true or false."
    }
}

function Test-Role([string] $Role, [string] $Option) {
    if (@('Durable Task Data Contributor', 'Durable Task Worker') -cnotcontains $Role) {
        Add-Problem "$Option is '$Role'; write 'Durable Task Data Contributor' or 'Durable Task Worker'."
    }
}

# -1 means what infra/samples.json says.
function Test-Replica([string] $Least, [string] $Most, [string[]] $Options) {
    $hasLeast = Test-Number $Least 0 1000
    $hasMost = Test-Number $Most 1 1000
    if ($Least -ne '-1' -and -not $hasLeast) {
        Add-Problem "$($Options[0]) is '$Least'; write a number from 0 to 1000."
    }
    if ($Most -ne '-1' -and -not $hasMost) {
        Add-Problem "$($Options[1]) is '$Most'; write a number from 1 to 1000."
    }
    if ($hasLeast -and $hasMost -and [int] $Least -gt [int] $Most) {
        Add-Problem "$($Options[0]) is $Least, more than $($Options[1]), which is $Most."
    }
}

# The address of a scheduler in Azure, and nothing more.
function Test-Endpoint([string] $Text, [string] $Option) {
    if ($Text -match 'endpoint=|;') {
        Add-Problem "$Option is a whole connection string; write its Endpoint part only, such as https://<name>.<region>.durabletask.io. The string goes into DURABLE_TASK_SCHEDULER_CONNECTION_STRING."
    }
    elseif ($Text -match '\Ahttps?://dashboard\.') {
        Add-Problem "$Option is the address of Azure's dashboard; write the scheduler's, which the portal shows as its Endpoint."
    }
    elseif ($Text -match '\A(https?://[^/]+)/.') {
        Add-Problem "$Option is '$Text', with a path; write $($Matches[1])."
    }
    elseif ($Text -notmatch '\Ahttps?://[^/]+/?\z') {
        Add-Problem "$Option is '$Text'; write https://, the host and nothing more."
    }
}

# Whether the region is among those that Azure shows by name.
function Test-Offer([string] $Region, [string[]] $Regions, [string] $Option) {
    $offered = @($Regions | ForEach-Object { Get-Region $_ } | Sort-Object)
    if ($offered -notcontains (Get-Region $Region)) {
        Add-Problem "$Option is '$Region', which has no Durable Task Scheduler; these have: $($offered -join ', ')."
    }
}

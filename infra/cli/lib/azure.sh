# shellcheck shell=bash
# What the scripts have in common when they talk to Azure: az checked and called, failures explained or tried
# again, and what an environment consists of looked up. Works with bash 3.2, that of macOS.
# shellcheck disable=SC2034,SC2154,SC2016 # the scripts read and set some of these; quotes within quotes

# path_of FOLDER: absolute, and on Windows as its own programs write it.
path_of() {
  (cd "$1" && { pwd -W 2>/dev/null || pwd; })
}

root=$(path_of "${BASH_SOURCE[0]%/*}/../../..")
# shellcheck source=check.sh
. "$root/infra/cli/lib/check.sh"

export AZURE_CORE_NO_COLOR=1 AZURE_CORE_ONLY_SHOW_ERRORS=1
export AZURE_EXTENSION_USE_DYNAMIC_INSTALL=no # no question in the middle of a run
export MSYS_NO_PATHCONV=1                     # Git's bash on Windows would make paths of resource ids

readonly api_version=2026-02-01 # of Microsoft.DurableTask, as in infra/modules
retry_seconds=${DURAKIT_RETRY_SECONDS:-15}
dry_run=false
subscription='' environment=''
group='' group_region='' group_environment='' group_sample=''
scheduler_id='' registry='' workspace_id='' worker='' client='' client_kind=''
endpoint='' task_hub='' dashboard=''

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap '[ -e "$scratch/told" ] || printf "%s: stopped at line %s of %s.\n" "$program" "$LINENO" "${BASH_SOURCE[0]##*/}" >&2' ERR

say() {
  printf '%s\n' "$1" >&2
}

# fail TEXT: the run ends here, also from within $(...); it may be started again.
fail() {
  printf '%s: %s\n' "$program" "$1" >&2
  : >"$scratch/told"
  exit 1
}

# wrong_usage TEXT
wrong_usage() {
  problem "$1 See --help."
  exit 2
}

# take OPTION [VALUE]: sets `value`, which must be there.
take() {
  if [ $# -lt 2 ] || [[ $2 == --* ]]; then
    wrong_usage "$1 wants a value."
  fi
  value=$2
}

# ask ARGUMENTS...: az, for something that changes nothing.
ask() {
  az "$@" ${subscription:+--subscription "$subscription"} 2>"$scratch/stderr" </dev/null
}

# ask_without ARGUMENTS...: the same, for what belongs to no subscription.
ask_without() {
  az "$@" 2>"$scratch/stderr" </dev/null
}

# must_ask ARGUMENTS...: the same as `ask`, and the run ends when Azure does not answer.
must_ask() {
  ask "$@" || explain_and_fail "az $1 $2 failed."
}

# change ARGUMENTS...: az, for something that changes Azure; told and not done in a dry run. Roles and new
# identities take a while to be known everywhere, so what may pass is tried again.
change() {
  local attempt pause=$retry_seconds
  if $dry_run; then
    printf 'az'
    printf ' %q' "$@" ${subscription:+--subscription "$subscription"}
    printf '\n'
    return
  fi
  for attempt in 1 2 3 4 5; do
    if ask "$@"; then
      return
    fi
    if [ "$attempt" -eq 5 ] || ! may_pass; then
      explain_and_fail "az $1 $2 failed."
    fi
    say "Azure does not know everything yet; trying again in $pause s ($attempt of 4)."
    sleep "$pause"
    pause=$((pause * 2))
  done
}

# may_pass: whether what az complained about is known to go away.
may_pass() {
  grep -Eiq "PrincipalNotFound|does not exist in the directory|unable to pull image|UNAUTHORIZED: authentication required|AnotherOperationInProgress|OperationInProgress|TooManyRequests|ServiceUnavailable|GatewayTimeout" "$scratch/stderr"
}

# explain_and_fail WHAT: the run ends with Azure's own words and, where that is known, what to do about them.
explain_and_fail() {
  local advice
  case $(cat "$scratch/stderr") in
    *"az login"* | *AADSTS* | *"refresh token"*) advice='Log in: az login.' ;;
    *QuotaExceeded* | *quota*) advice='Consumption allows 10 schedulers and 5 task hubs for each region and subscription: tear an environment down, take another region, or --sku Dedicated.' ;;
    *TasksOperationsNotAllowed*) advice='Azure does not let this subscription build images in registries, as is usual for free ones; ask its support, or take another subscription.' ;;
    *AuthorizationFailed* | *"does not have authorization"*) advice='You need Owner, or Contributor and Role Based Access Control Administrator, on the subscription.' ;;
    *AlreadyExists* | *NameNotAvailable* | *AlreadyInUse* | *"already in use"*) advice='The name is taken; choose another --name.' ;;
    *DeploymentActive*) advice='An earlier deployment still runs; wait for its end, then run this again.' ;;
    *LocationNotAvailable*) advice='Take another --location.' ;;
    *RequestDisallowedByPolicy*) advice='A policy of your organisation forbids it; ask for an exemption.' ;;
    *) advice='Once that is corrected, run this again; what is done already stays.' ;;
  esac
  cat "$scratch/stderr" >&2
  fail "$1 $advice"
}

# begin: az is there, new enough and logged in. Everything else needs it.
begin() {
  local version
  command -v az >/dev/null ||
    fail 'There is no az; install the Azure CLI: https://learn.microsoft.com/cli/azure/install-azure-cli'
  version=$(az version --query '"azure-cli"' --output tsv 2>/dev/null </dev/null) || version=0
  if ! [[ $version =~ ^([0-9]+)\.([0-9]+) ]] || ((BASH_REMATCH[1] * 1000 + BASH_REMATCH[2] < 2075)); then
    fail "az is version $version; 2.75 or newer is needed: az upgrade"
  fi
  ask account show --query id --output tsv >"$scratch/account" || explain_and_fail 'Azure does not know you.'
  subscription=$(cat "$scratch/account")
}

# has_extension NAME: az has it, or gets it. It changes this machine, not Azure.
has_extension() {
  ask_without extension show --name "$1" --output none ||
    ask_without extension add --name "$1" --yes --output none ||
    explain_and_fail "az lacks the extension $1 and cannot get it."
}

# find_group: sets `group` and, if it exists, group_region, group_environment, group_sample (None: no tag).
find_group() {
  local exists
  group="rg-$environment" group_region=''
  exists=$(must_ask group exists --name "$group" --output tsv)
  [ "$exists" = true ] || return 0
  must_ask group show --name "$group" --query "[[location, tags.\"azd-env-name\", tags.sample]]" --output tsv >"$scratch/group"
  IFS=$'\t' read -r group_region group_environment group_sample <"$scratch/group"
}

# require_group: the environment exists and is one of ours.
require_group() {
  find_group
  [ -n "$group_region" ] ||
    fail "There is no environment $environment in this subscription (no resource group $group); see the names with: az group list --tag azd-env-name --query '[].name'"
  [ "$group_environment" = "$environment" ] ||
    fail "The resource group $group was not made for the environment $environment: it lacks the tag azd-env-name=$environment."
}

# find_resources: sets scheduler_id, registry, workspace_id, worker, client, client_kind; empty if missing. Looked
# up, not read from a deployment's outputs: azd's deployments and --scheduler-only are then the same, and ARM
# changes the case of outputs' names.
find_resources() {
  local type name id service
  scheduler_id='' registry='' workspace_id='' worker='' client='' client_kind=''
  must_ask resource list --resource-group "$group" \
    --query "[].[type, name, id, tags.\"azd-service-name\"]" --output tsv >"$scratch/resources"
  while IFS=$'\t' read -r type name id service; do
    case $(tr '[:upper:]' '[:lower:]' <<<"$type") in
      microsoft.durabletask/schedulers) scheduler_id=$id ;;
      microsoft.containerregistry/registries) registry=$name ;;
      microsoft.operationalinsights/workspaces) workspace_id=$id ;;
      microsoft.app/containerapps)
        [ "$service" != worker ] || worker=$name
        [ "$service" != client ] || { client=$name client_kind=app; }
        ;;
      microsoft.app/jobs) [ "$service" != client ] || { client=$name client_kind=job; } ;;
    esac
  done <"$scratch/resources"
}

# find_hub [NAME]: sets endpoint, task_hub and dashboard of the environment's scheduler.
find_hub() {
  local filter="${1:+?name=='$1'}" again="run infra/cli/deploy.sh --name $environment ... to its end."
  [ -n "$scheduler_id" ] || fail "$group has no scheduler yet; $again"
  endpoint=$(must_ask resource show --ids "$scheduler_id" --api-version "$api_version" --query properties.endpoint --output tsv)
  must_ask rest --method get --url "$scheduler_id/taskHubs?api-version=$api_version" \
    --query "value[$filter].[name, properties.dashboardUrl]" --output tsv >"$scratch/hubs"
  case $(grep -c . "$scratch/hubs") in
    0) fail "The scheduler ${scheduler_id##*/} has no task hub${1:+ $1}; $again" ;;
    1) IFS=$'\t' read -r task_hub dashboard <"$scratch/hubs" ;;
    *) fail "The scheduler ${scheduler_id##*/} has several task hubs; say which: --task-hub $(cut -f 1 "$scratch/hubs" | paste -s -d '|' -)" ;;
  esac
}

# tell_hub: what programs and people need to reach the task hub.
tell_hub() {
  say "ENDPOINT   $endpoint"
  say "TASKHUB    $task_hub"
  say "dashboard  $dashboard"
}

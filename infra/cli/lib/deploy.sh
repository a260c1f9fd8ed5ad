# shellcheck shell=bash
# The options of deploy.sh and what-if.sh, what is checked before anything is created, and the template's
# parameters.
# shellcheck disable=SC2034,SC2154,SC2016 # the scripts read some of these; backticks are for people

# shellcheck source=azure.sh
. "${BASH_SOURCE[0]%/*}/azure.sh"

location='' sample='' project='' project_name='' addresses='' sku=Consumption capacity='' days=30 task_hub_wanted=''
private_endpoint=false app_insights=false scheduler_only=false check_roles=true
client_wanted='' client_arguments='' work_items='' worker_role='Durable Task Data Contributor' least=-1 most=-1
apps_only='' # the first option given that has no meaning without worker and client in Azure

readonly needed_providers='Microsoft.DurableTask Microsoft.App Microsoft.ContainerRegistry Microsoft.OperationalInsights Microsoft.ManagedIdentity Microsoft.Storage'

deploy_options='what to deploy:
  --sample SAMPLE         a folder in samples/ (default function_chaining)
  --project DIR           a project of yours instead, made by `durakit new`: its Dockerfile is built; --sample
                          then names the sample that it was made from, if its README does not
  --scheduler-only        only scheduler, task hub and your role; worker and client run here
where:
  --name ENV              the environment; its resource group is rg-ENV
  --location REGION       such as westeurope
  --subscription ID       by default the one that az account show tells
who may call:
  --allow-ip ADDRESS      address or CIDR range of people, repeatable; by default nobody
  --private-endpoint      worker and client reach the scheduler privately; for the life of the environment
scheduler:
  --sku SKU               Consumption (default) or Dedicated
  --capacity N            capacity units of Dedicated, 1 to 3
  --retention-days N      when ended orchestrations are purged (default 30)
  --task-hub HUB          by default the name of the sample or project, with dashes
worker and client:
  --client app|job        whether client.py serves a page or ends; by default as infra/samples.json says
  --client-arguments TEXT arguments of a client that is a job, separated by blanks
  --work-items LIST       Orchestration,Activity,Entity; by default as infra/samples.json says
  --worker-role ROLE      Durable Task Data Contributor (default) or Durable Task Worker
  --min-replicas N, --max-replicas N
                          of the worker; by default as infra/samples.json says
  --app-insights          Application Insights for traces
other:
  --skip-role-check       where a custom role lets you deploy'

read_options() {
  while [ $# -gt 0 ]; do
    case $1 in
      --private-endpoint | --app-insights | --project | --client | --client-arguments | --work-items | --worker-role | --min-replicas | --max-replicas)
        apps_only=${apps_only:-$1}
        ;;
    esac
    case $1 in
      -h | --help) usage && exit 0 ;;
      --scheduler-only) scheduler_only=true ;;
      --private-endpoint) private_endpoint=true ;;
      --app-insights) app_insights=true ;;
      --skip-role-check) check_roles=false ;;
      --dry-run) dry_run=true ;;
      --name) take "$@" && environment=$value && shift ;;
      --location) take "$@" && location=$value && shift ;;
      --subscription) take "$@" && subscription=$value && shift ;;
      --sample) take "$@" && sample=$value && shift ;;
      --project) take "$@" && project=$value && shift ;;
      --allow-ip) take "$@" && addresses=${addresses:+$addresses,}$value && shift ;;
      --sku) take "$@" && sku=$value && shift ;;
      --capacity) take "$@" && capacity=$value && shift ;;
      --retention-days) take "$@" && days=$value && shift ;;
      --task-hub) take "$@" && task_hub_wanted=$value && shift ;;
      --client) take "$@" && client_wanted=$value && shift ;;
      --client-arguments) # which begin with dashes themselves, as a rule
        [ $# -gt 1 ] || wrong_usage "$1 wants a value."
        client_arguments=$2 && shift
        ;;
      --work-items) take "$@" && work_items=$value && shift ;;
      --worker-role) take "$@" && worker_role=$value && shift ;;
      --min-replicas) take "$@" && least=$value && shift ;;
      --max-replicas) take "$@" && most=$value && shift ;;
      *) wrong_usage "There is no option $1." ;;
    esac
    shift
  done
}

# check_options: everything that can be told wrong without asking Azure.
check_options() {
  check_name "$environment" --name
  check_region "$location" --location
  location=$(region_of "$location")
  if [ -n "$project" ]; then
    check_project
  elif ! $scheduler_only; then
    sample=${sample:-function_chaining}
    check_sample "$root" "$sample" --sample
  elif [ -n "$sample" ] && [ ! -f "$root/samples/$sample/client.py" ]; then
    check_sample "$root" "$sample" --sample
  fi
  check_addresses "$addresses" --allow-ip
  check_sku "$sku" "$capacity" "$days" --sku --capacity --retention-days
  check_role "$worker_role" --worker-role
  check_replicas "$least" "$most" --min-replicas --max-replicas
  matches "${client_wanted:-job}" 'app|job' || problem "--client is '$client_wanted'; write app or job."
  matches "${work_items:-Activity}" '(Orchestration|Activity|Entity)(,(Orchestration|Activity|Entity))*' ||
    problem "--work-items is '$work_items'; write Orchestration,Activity or Orchestration,Activity,Entity."
  if $scheduler_only; then
    [ -z "$apps_only" ] || problem "$apps_only says something about worker and client, which --scheduler-only leaves at home; leave one of them out."
    [ -n "$addresses" ] || problem "--scheduler-only without --allow-ip would let nobody in; name the public address of your worker and client."
  fi
  task_hub_wanted=${task_hub_wanted:-$(default_hub)}
  check_hub "$task_hub_wanted" --task-hub
  stop_on_problems
  case ,$addresses, in *,0.0.0.0/0,*) say "Note: 0.0.0.0/0 is everybody; only the token then protects the scheduler." ;; esac
}

# default_hub: sample or project with dashes, so that each has its own.
default_hub() {
  printf '%s\n' "${project_name:-${sample:-default}}" | tr -c 'A-Za-z0-9-\n' '-'
}

# check_project: sets project_name, and `sample` to the one that the project was made from.
check_project() {
  local name
  for name in Dockerfile worker.py client.py; do
    [ -f "$project/$name" ] || problem "--project is '$project', which has no $name; name a folder made by: durakit new."
  done
  [ "$problems" -eq 0 ] || return 0
  project=$(path_of "$project")
  project_name=$(basename "$project" | tr '[:upper:]_ .' '[:lower:]---' | tr -cd 'a-z0-9-' | sed 's/--*/-/g; s/^-//; s/-$//')
  matches "$project_name" '[a-z0-9-]{2,60}' || problem "The folder $project has a name that no image can have; rename it to letters, digits and dashes."
  if [ -z "$sample" ] && [ -f "$project/README.md" ]; then
    sample=$(sed -n 's/^Made with `durakit new \([A-Za-z0-9_]*\)`\.$/\1/p' "$project/README.md" | head -n 1)
  fi
  if [ -n "$sample" ]; then
    check_sample "$root" "$sample" --sample
  else
    sample=$project_name # samples.json does not know it, so its defaults hold
  fi
}

# check_azure: everything that Azure can tell to be wrong before anything is created.
check_azure() {
  local regions
  regions=$(must_ask provider show --namespace Microsoft.DurableTask \
    --query "resourceTypes[?resourceType=='schedulers'].locations[]" --output tsv)
  check_is_offered "$location" "$regions" --location
  find_group
  if [ -n "$group_region" ]; then
    check_existing
  fi
  find_principal
  if $check_roles && [ -n "$principal" ]; then
    check_roles_suffice
  fi
  stop_on_problems
  register_providers
}

# check_existing: an environment of this name is there already; this run must fit it.
check_existing() {
  local wanted=${project_name:-$sample}
  if [ "$group_environment" != "$environment" ]; then
    problem "The resource group $group exists and is not an environment of these scripts; choose another --name."
    return
  fi
  [ "$group_region" = "$location" ] ||
    problem "The environment $environment is in $group_region; write --location $group_region, or choose another --name."
  find_resources
  if $scheduler_only && [ -n "$registry$worker" ]; then
    problem "The environment $environment has worker and client in Azure; choose another --name for --scheduler-only."
  elif ! $scheduler_only && [ "$group_sample" = None ] && [ -n "$scheduler_id" ]; then
    problem "The environment $environment was made by --scheduler-only; choose another --name."
  elif ! $scheduler_only && [ "$group_sample" != None ] && [ "$group_sample" != "$wanted" ]; then
    problem "The environment $environment has $group_sample, and one environment has one sample; choose another --name, or tear it down: infra/cli/teardown.sh --name $environment"
  fi
}

# find_principal: sets principal and principal_type, who deploys; empty if the directory does not say.
find_principal() {
  local who
  principal='' principal_type=User
  who=$(must_ask account show --query '[[user.type, user.name]]' --output tsv)
  if [ "${who%%$'\t'*}" = servicePrincipal ]; then
    principal_type=ServicePrincipal
    principal=$(ask_without ad sp show --id "${who##*$'\t'}" --query id --output tsv) || principal=''
  else
    principal=$(ask_without ad signed-in-user show --query id --output tsv) || principal=''
  fi
  [ -n "$principal" ] ||
    say 'Note: the directory does not tell who you are, so your roles are not checked and you get none on the task hub.'
}

check_roles_suffice() {
  local roles
  roles=$(ask role assignment list --assignee "$principal" --include-groups --include-inherited \
    --scope "/subscriptions/$subscription" --query '[].roleDefinitionName' --output tsv) || {
    say 'Note: your roles could not be read; whether they suffice will be seen.'
    return 0
  }
  if grep -qx Owner <<<"$roles"; then
    return 0
  fi
  if grep -qx Contributor <<<"$roles" &&
    grep -Eqx 'Role Based Access Control Administrator|User Access Administrator' <<<"$roles"; then
    return 0
  fi
  problem "On this subscription you have $(paste -s -d ',' - <<<"${roles:-no role}" | sed 's/,/, /g'). Deploying needs Owner, or Contributor and Role Based Access Control Administrator; ask for it, or add --skip-role-check if a custom role has both."
}

# register_providers: those whose resources are made; harmless, and once for a subscription.
register_providers() {
  local provider registered providers=$needed_providers
  ! $scheduler_only || providers=Microsoft.DurableTask
  registered=$(must_ask provider list --query "[?registrationState=='Registered'].namespace" --output tsv)
  for provider in $providers; do
    if ! grep -iqx "$provider" <<<"$registered"; then
      say "Registering $provider for this subscription"
      change provider register --namespace "$provider" --wait --output none
    fi
  done
}

# set_parameters DEPLOY_APPS [IMAGE]: sets the array `parameters`, what `az deployment sub` needs.
set_parameters() {
  parameters=(
    --name "durakit-${environment:0:40}-$(date -u +%Y%m%d%H%M%S)" --location "$location"
    --template-file "$root/infra/main.bicep"
    --parameters "environmentName=$environment" "location=$location" "sample=$sample" "project=$project_name"
    "taskHubName=$task_hub_wanted" "schedulerSku=$sku" "schedulerCapacity=${capacity:-1}" "retentionDays=$days"
    "ipAllowlist=$addresses" "privateEndpoint=$private_endpoint" "applicationInsights=$app_insights"
    "workerRole=$worker_role" "clientKind=$client_wanted" "workItemTypes=$work_items"
    "minReplicas=$least" "maxReplicas=$most" "clientArguments=$client_arguments"
    "principalId=$principal" "principalType=$principal_type" "deployApps=$1" "image=${2-}"
  )
}

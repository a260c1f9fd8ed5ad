#!/bin/sh
# Called by azd before it provisions (azure.yaml): checks its variables, so that nothing is made of wrong ones.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=lib/check.sh
. "$here/lib/check.sh"

case ${1-} in
  -h | --help)
    cat <<'HELP'
usage: infra/cli/preflight.sh

Checks the variables of the azd environment; azd calls it before it provisions. It changes nothing.
Set them with `azd env set NAME VALUE`; infra/README.md has the list.

exit codes: 0 nothing is wrong, 2 something is, with the correction on stderr
HELP
    exit 0
    ;;
  '') ;;
  *)
    problem "it takes no arguments, only variables; see --help."
    stop_on_problems
    ;;
esac

sku=${SCHEDULER_SKU:-Consumption}
check_name "${AZURE_ENV_NAME-}" AZURE_ENV_NAME
check_region "${AZURE_LOCATION-}" AZURE_LOCATION
check_sample "$here/../.." "${SAMPLE:-function_chaining}" SAMPLE
[ -z "${TASKHUB_NAME-}" ] || check_hub "$TASKHUB_NAME" TASKHUB_NAME
check_sku "$sku" "${SCHEDULER_CAPACITY-}" "${RETENTION_DAYS:-30}" SCHEDULER_SKU SCHEDULER_CAPACITY RETENTION_DAYS
check_addresses "${IP_ALLOWLIST-}" IP_ALLOWLIST
check_role "${WORKER_ROLE:-Durable Task Data Contributor}" WORKER_ROLE
check_flag "${PRIVATE_ENDPOINT:-false}" PRIVATE_ENDPOINT
check_flag "${APPLICATION_INSIGHTS:-false}" APPLICATION_INSIGHTS
check_replicas "${MIN_REPLICAS:--1}" "${MAX_REPLICAS:--1}" MIN_REPLICAS MAX_REPLICAS
[ -z "${ENDPOINT-}" ] || check_endpoint "$ENDPOINT" ENDPOINT
stop_on_problems

# az is not needed by azd; where it is there and knows who we are, it knows the regions too.
if command -v az >/dev/null 2>&1; then
  regions=$(az provider show --namespace Microsoft.DurableTask \
    --query "resourceTypes[?resourceType=='schedulers'].locations[]" --output tsv 2>/dev/null </dev/null) || regions=
  [ -z "$regions" ] || check_is_offered "$AZURE_LOCATION" "$regions" AZURE_LOCATION
  stop_on_problems
fi

#!/usr/bin/env bash
# Deletes an environment with everything in it.
set -Eeuo pipefail
# shellcheck source=lib/azure.sh
. "${BASH_SOURCE[0]%/*}/lib/azure.sh"

usage() {
  cat <<'HELP'
usage: infra/cli/teardown.sh --name ENV [--yes] [--no-wait] [--dry-run] [--subscription ID]

Deletes the resource group of an environment: scheduler, orchestrations with their history, worker, client,
images, logs, files. Asks for the name first.

  --yes       do not ask
  --no-wait   return as soon as Azure has begun
  --dry-run   tell what would be deleted

exit codes: 0 gone (or was not there), 1 failed or not confirmed, 2 wrong usage
HELP
}

main() {
  local typed wait=()
  sure=false
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --yes) sure=true ;;
      --no-wait) wait=(--no-wait) ;;
      --dry-run) dry_run=true ;;
      --name) take "$@" && environment=$value && shift ;;
      --subscription) take "$@" && subscription=$value && shift ;;
      *) wrong_usage "There is no option $1." ;;
    esac
    shift
  done
  check_name "$environment" --name
  stop_on_problems
  begin
  find_group
  if [ -z "$group_region" ]; then
    say "There is no environment $environment; nothing to delete."
    return
  fi
  require_group
  say "This deletes the resource group $group with:"
  must_ask resource list --resource-group "$group" --query '[].[type, name]' --output tsv >&2
  say 'and the history of all its orchestrations. It cannot be undone.'
  if ! $sure && ! $dry_run; then
    printf 'Type the name of the environment to go on: ' >&2
    IFS= read -r typed || typed=''
    [ "$typed" = "$environment" ] || fail 'Nothing was deleted: that is not its name.'
  fi
  change group delete --name "$group" --yes ${wait[@]+"${wait[@]}"} --output none
  if $dry_run; then
    say 'Nothing was changed: --dry-run.'
  elif [ ${#wait[@]} -gt 0 ]; then
    say "$environment is being deleted."
  else
    say "$environment is gone."
  fi
}

main "$@"

#!/usr/bin/env bash
# Prints what programs need to reach an environment's task hub from here.
set -Eeuo pipefail
# shellcheck source=lib/azure.sh
. "${BASH_SOURCE[0]%/*}/lib/azure.sh"

usage() {
  cat <<'HELP'
usage: infra/cli/env.sh --name ENV [--format sh|dotenv|powershell] [--task-hub HUB] [--subscription ID]

Prints ENDPOINT and TASKHUB of an environment. It changes nothing.

examples:
  eval "$(infra/cli/env.sh --name orders)"
  infra/cli/env.sh --name orders --format dotenv > samples/function_chaining/.env

exit codes: 0 done, 1 failed, 2 wrong usage
HELP
}

main() {
  format=sh hub=''
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --name) take "$@" && environment=$value && shift ;;
      --format) take "$@" && format=$value && shift ;;
      --task-hub) take "$@" && hub=$value && shift ;;
      --subscription) take "$@" && subscription=$value && shift ;;
      *) wrong_usage "There is no option $1." ;;
    esac
    shift
  done
  check_name "$environment" --name
  [ -z "$hub" ] || check_hub "$hub" --task-hub
  case $format in
    sh) line="export %s='%s'\n" ;;
    dotenv) line='%s=%s\n' ;;
    powershell) line="\$env:%s = '%s'\n" ;;
    *) problem "--format is '$format'; write sh, dotenv or powershell." ;;
  esac
  stop_on_problems
  begin
  require_group
  find_resources
  find_hub "$hub"
  # shellcheck disable=SC2059 # one of the three above
  printf "$line" ENDPOINT "$endpoint" TASKHUB "$task_hub"
}

main "$@"

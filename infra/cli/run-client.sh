#!/usr/bin/env bash
# Runs the client of an environment, there or here.
set -Eeuo pipefail
# shellcheck source=lib/azure.sh
. "${BASH_SOURCE[0]%/*}/lib/azure.sh"

usage() {
  cat <<'HELP'
usage: infra/cli/run-client.sh --name ENV [--dry-run] [--subscription ID]
       infra/cli/run-client.sh --name ENV --local [--sample SAMPLE | --project DIR] [--task-hub HUB] [-- ARGUMENTS]

Starts the client's job in Azure, waits for its end and prints its output; prints the address of a client that
serves a page. With --local, client.py runs here against the scheduler in Azure; for that your address must be
allowed (deploy.sh --allow-ip).

  --sample SAMPLE   whose client.py; by default the sample that was deployed
  --project DIR     the same for a project of yours
  -- ARGUMENTS      for client.py

exit codes: 0 done, 1 failed, 2 wrong usage; with --local those of client.py
HELP
}

# run_here ARGUMENTS...
run_here() {
  local folder=$project python=python3
  if [ -z "$folder" ]; then
    sample=${sample:-$group_sample}
    [ "$sample" != None ] || wrong_usage "The environment $environment has no sample; say whose client: --sample or --project."
    [ -d "$root/samples/$sample" ] || wrong_usage "The environment $environment has $sample; say where it is: --project."
    folder=$root/samples/$sample
    [ ! -x "$root/.venv/bin/python" ] || python=$root/.venv/bin/python
  fi
  folder=$(path_of "$folder")
  [ ! -x "$folder/.venv/bin/python" ] || python=$folder/.venv/bin/python
  find_resources
  find_hub "$hub"
  tell_hub
  cd "$folder"
  if $dry_run; then
    printf '%q ' "$python" client.py "$@" && printf '\n'
    return
  fi
  ENDPOINT=$endpoint TASKHUB=$task_hub exec "$python" client.py "$@"
}

# run_job: starts it, waits for its end, prints what it printed.
run_job() {
  local execution status=Running
  if $dry_run; then
    change containerapp job start --resource-group "$group" --name "$client"
    return
  fi
  execution=$(change containerapp job start --resource-group "$group" --name "$client" --query name --output tsv)
  say "Started $execution; waiting for its end"
  while [[ $status == Running || $status == Processing || $status == Unknown ]]; do
    sleep "$retry_seconds"
    status=$(must_ask containerapp job execution show --resource-group "$group" --name "$client" \
      --job-execution-name "$execution" --query properties.status --output tsv)
  done
  print_log "$execution"
  [ "$status" = Succeeded ] || fail "The job's run $execution ended with $status."
}

# print_log EXECUTION: from Log Analytics, where it arrives some minutes later.
print_log() {
  local workspace query attempt
  query="ContainerAppConsoleLogs_CL | where ContainerGroupName_s startswith '$1' | order by TimeGenerated asc | project Log_s"
  has_extension log-analytics
  workspace=$(must_ask resource show --ids "$workspace_id" --api-version 2025-02-01 --query properties.customerId --output tsv)
  say 'Its output follows as soon as the logs have it; that takes a minute or more.'
  for attempt in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    if ask monitor log-analytics query --workspace "$workspace" --analytics-query "$query" \
      --query '[].Log_s' --output tsv >"$scratch/log" && [ -s "$scratch/log" ]; then
      cat "$scratch/log"
      return
    fi
    [ "$attempt" -eq 20 ] || sleep "$retry_seconds"
  done
  say "No output has arrived yet; later: az monitor log-analytics query --workspace $workspace --analytics-query \"$query\" --query '[].Log_s' --output tsv"
}

main() {
  local host
  sample='' project='' hub='' locally=false
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in
      -h | --help) usage && exit 0 ;;
      --local) locally=true ;;
      --dry-run) dry_run=true ;;
      --name) take "$@" && environment=$value && shift ;;
      --sample) take "$@" && sample=$value && shift ;;
      --project) take "$@" && project=$value && shift ;;
      --task-hub) take "$@" && hub=$value && shift ;;
      --subscription) take "$@" && subscription=$value && shift ;;
      *) wrong_usage "There is no option $1." ;;
    esac
    shift
  done
  [ $# -eq 0 ] || shift
  check_name "$environment" --name
  if ! $locally && { [ $# -gt 0 ] || [ -n "$sample$project$hub" ]; }; then
    problem '--sample, --project, --task-hub and arguments of client.py go with --local; those of the job are set by deploy.sh --client-arguments.'
  fi
  [ -z "$sample" ] || [ -f "$root/samples/$sample/client.py" ] || check_sample "$root" "$sample" --sample
  [ -z "$project" ] || [ -f "$project/client.py" ] || problem "--project is '$project', which has no client.py."
  stop_on_problems
  begin
  require_group
  if $locally; then
    run_here "$@"
    return
  fi
  find_resources
  case $client_kind in
    job) run_job ;;
    app)
      host=$(must_ask containerapp show --resource-group "$group" --name "$client" --query properties.configuration.ingress.fqdn --output tsv)
      printf 'https://%s\n' "$host"
      ;;
    *) fail "The environment $environment has no client in Azure; add --local to run it here, or deploy.sh first." ;;
  esac
}

main "$@"

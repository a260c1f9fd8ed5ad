#!/usr/bin/env bash
# Puts a sample or a project on Azure, or only a scheduler for it: infra/README.md. May be run again at any time.
set -Eeuo pipefail
# shellcheck source=lib/deploy.sh
. "${BASH_SOURCE[0]%/*}/lib/deploy.sh"

usage() {
  cat <<HELP
usage: infra/cli/deploy.sh --name ENV --location REGION [options]

Makes scheduler, task hub, worker and client on Azure, or brings what is there up to date.

$deploy_options
  --dry-run               check everything, and tell what would be run

examples:
  infra/cli/deploy.sh --name orders --location westeurope --sample function_chaining --allow-ip 203.0.113.7
  infra/cli/deploy.sh --name orders --location westeurope --project ../orders --allow-ip 203.0.113.7
  infra/cli/deploy.sh --name orders --location westeurope --scheduler-only --allow-ip 203.0.113.7

exit codes: 0 done, 1 failed (the last lines on stderr say why), 2 wrong usage; nothing was created then
HELP
}

# image_tag FOLDER: the commit; with the time if there is more than was committed, because an app takes up a new
# image by its new name only.
image_tag() {
  local commit
  if commit=$(git -C "$1" rev-parse --short=12 HEAD 2>/dev/null) &&
    [ -z "$(git -C "$1" status --porcelain -- . 2>/dev/null)" ]; then
    printf '%s' "$commit"
  else
    printf '%s%s' "${commit:+$commit-}" "$(date -u +%Y%m%d%H%M%S)"
  fi
}

# build_image: in the registry, so that no Docker is needed here; sets image.
build_image() {
  local name=${project_name:-$sample} server
  local context=${project:-$root}
  name="$name:$(image_tag "$context")"
  if [ -n "$registry" ]; then
    server=$(must_ask acr show --name "$registry" --query loginServer --output tsv)
  fi
  $dry_run || [ -n "$registry" ] || fail "$group has no registry, though its deployment succeeded; look at it in the portal."
  image="${server:-<registry>.azurecr.io}/$name"
  # The Dockerfile's path is not one in the context, as docker's would be: az looks from where it is started.
  if [ -n "$project" ]; then
    change acr build --registry "${registry:-<registry>}" --image "$name" --platform linux/amd64 \
      --file "$project/Dockerfile" "$context"
  else
    change acr build --registry "${registry:-<registry>}" --image "$name" --platform linux/amd64 \
      --file "$root/infra/docker/Dockerfile" --build-arg "SAMPLE=$sample" "$context"
  fi
}

deploy_all() {
  say "1 of 3: scheduler, registry and what else worker and client need; up to 15 minutes the first time"
  set_parameters false
  change deployment sub create "${parameters[@]}" --output none
  $dry_run && [ -z "$group_region" ] || find_resources
  say '2 of 3: the image'
  build_image
  say '3 of 3: worker and client'
  set_parameters true "$image"
  change deployment sub create "${parameters[@]}" --output none
}

# deploy_scheduler: by plain az commands, as in Azure's quickstarts.
deploy_scheduler() {
  local scheduler="dts-$environment" list=()
  IFS=, read -r -a list <<<"${addresses// /}"
  has_extension durabletask
  change group create --name "$group" --location "$location" --tags "azd-env-name=$environment" --output none
  local settings=(--resource-group "$group" --name "$scheduler" --sku-name "$sku" --ip-allowlist "${list[@]}")
  [ "$sku" != Dedicated ] || settings+=(--sku-capacity "${capacity:-1}")
  if ask durabletask scheduler show --resource-group "$group" --name "$scheduler" --output none; then
    change durabletask scheduler update "${settings[@]}" --output none
  else
    say 'The scheduler; up to 15 minutes'
    change durabletask scheduler create "${settings[@]}" --location "$location" --tags "azd-env-name=$environment" --output none
  fi
  if ! ask durabletask taskhub show --resource-group "$group" --scheduler-name "$scheduler" --name "$task_hub_wanted" --output none; then
    change durabletask taskhub create --resource-group "$group" --scheduler-name "$scheduler" --name "$task_hub_wanted" --output none
  fi
  change durabletask retention-policy create --resource-group "$group" --scheduler-name "$scheduler" --default-days "$days" --output none
  if [ -n "$principal" ]; then
    change role assignment create --assignee-object-id "$principal" --assignee-principal-type "$principal_type" \
      --role 'Durable Task Data Contributor' --output none \
      --scope "/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.DurableTask/schedulers/$scheduler/taskHubs/$task_hub_wanted"
  fi
}

main() {
  read_options "$@"
  check_options
  begin
  check_azure
  if $scheduler_only; then deploy_scheduler; else deploy_all; fi
  if $dry_run; then
    say 'Nothing was changed: --dry-run.'
    return
  fi
  find_resources
  find_hub "$task_hub_wanted"
  say "The environment $environment is up. Roles may take ten minutes to be known everywhere."
  tell_hub
  if $scheduler_only; then
    # shellcheck disable=SC2016 # for the user's shell
    say "next: "'eval "$(infra/cli/env.sh --name '"$environment"')", then start worker.py and client.py'
  else
    say "next: infra/cli/run-client.sh --name $environment"
  fi
}

main "$@"

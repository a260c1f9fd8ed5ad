#!/usr/bin/env bash
# Tells what deploy.sh would change, and changes nothing.
set -Eeuo pipefail
# shellcheck source=lib/deploy.sh
. "${BASH_SOURCE[0]%/*}/lib/deploy.sh"

usage() {
  cat <<HELP
usage: infra/cli/what-if.sh --name ENV --location REGION [options]

Checks everything that deploy.sh checks and tells what it would create or change. It changes nothing.

$deploy_options

exit codes: 0 done, 1 failed (the last lines on stderr say why), 2 wrong usage
HELP
}

main() {
  read_options "$@"
  if $scheduler_only; then
    # Azure has no preview of single commands; ours is to tell them.
    exec "$BASH" "$root/infra/cli/deploy.sh" "$@" --dry-run
  fi
  check_options
  begin
  # shellcheck disable=SC2034 # so that providers are not registered
  dry_run=true
  check_azure
  # The apps without an image are the placeholder: what differs from the true run is that one property.
  set_parameters true
  must_ask deployment sub what-if "${parameters[@]}"
}

main "$@"

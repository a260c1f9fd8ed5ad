#!/usr/bin/env bash
# Pins anew what the image installs, to the newest that pyproject.toml allows. Needs uv (pip install uv).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

pin() { # FILE FIRST_LINE COMMAND...: what the command prints, after the line
  local file=$1 first=$2
  shift 2
  { printf '# %s\n' "$first" && "$@"; } >"$file.new"
  mv "$file.new" "$file"
}

compile=(uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-annotate --no-header)

pin infra/docker/requirements.lock \
  'What the image installs, with hashes: pip refuses anything else. Made from pyproject.toml by infra/docker/lock.sh.' \
  "${compile[@]}" --extra scheduler pyproject.toml
pin infra/docker/build.lock \
  'What builds durakit in the image, with hashes. Made by infra/docker/lock.sh.' \
  "${compile[@]}" - <<<'hatchling>=1.27'

#!/usr/bin/env bash
# Has docker read docker-compose.yml, with secrets made for the occasion. Needs no running engine.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if ! docker compose version >/dev/null 2>&1; then
  echo "docker-compose.yml: not read by docker, which is not here; the fast tests look at its values"
  exit 0
fi
secrets=$(mktemp)
trap 'rm -f "$secrets"' EXIT
"${PYTHON:-python3}" -m orchestration.container_env "$secrets" >/dev/null
docker compose --env-file "$secrets" --profile pipeline --profile workers --profile spark config --quiet
echo "docker-compose.yml: docker compose reads it"

#!/usr/bin/env bash
# The profile `workers` on a real engine: builds, starts two workers, kills the one that holds a raw file in the middle of the
# scheduled run, and looks that the run succeeds on the other one. Wants docker with compose in the environment; takes minutes,
# so it is not part of `make test`. Its own project name, ports and secrets: a stack that is in use is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

project=data-stack-workers-test
export AIRFLOW_PORT=18082 APP_PORT=18503 API_PORT=18512 FLOWER_PORT=18555 DOCKER_BUILDKIT=1 COMPOSE_PARALLEL_LIMIT=1
# the schedule's last interval ends with one of the last two months
FIRST_MONTH=$(date -d "$(date +%Y-%m-15) -2 months" +%Y-%m)
LAST_MONTH=$(date -d "$(date +%Y-%m-15) -1 month" +%Y-%m)
RELAY=$(cat tests/containers/relay.py)
export FIRST_MONTH LAST_MONTH RELAY COMPOSE_PROFILES=workers
files=(--file docker-compose.yml --file tests/containers/compose.override.yml --file tests/containers/compose.workers.yml)
profiles=(--profile workers)
source tests/containers/stack.sh

say "build"
compose build --quiet airflow-init postgres redis

say "the sample says which variables point the sources at it"
compose up --detach --wait --wait-timeout 300 sample
compose logs --no-log-prefix --no-color sample | sed 's/127\.0\.0\.1:8765/sample:8766/' \
  | bash tests/containers/provider.sh airflow-worker > "$work/provider.yml"
files+=(--file "$work/provider.yml")

say "with another executor the workers refuse, and say what to do"
if compose run --rm --no-deps -T airflow-worker > "$work/refused" 2>&1; then fail "a worker started without its executor"; fi
grep -F AIRFLOW_EXECUTOR=CeleryExecutor "$work/refused"

say "up --wait"
export AIRFLOW_EXECUTOR=CeleryExecutor
compose up --detach --wait --wait-timeout 900 airflow-dag-processor airflow-worker flower
# the scheduler last: it starts the scheduled run
compose up --detach airflow-scheduler
compose ps --format 'table {{.Service}}\t{{.Name}}\t{{.Status}}'

say "the worker that holds a raw file is killed; another container sees its flock"
read -r lost lock < <(inside airflow-dag-processor python - < tests/containers/await_lock.py)
docker kill "$lost" > /dev/null
killed=$SECONDS
echo "killed $lost, which held $lock"

say "only the interfaces are published, on loopback; the queue and Flower ask for a password"
docker ps --filter label=com.docker.compose.project="$project" --format '{{.Ports}}' | grep -oE '[0-9.:]+->[0-9]+' | sort
inside -e REDISCLI_AUTH= redis redis-cli ping 2>&1 | grep -o NOAUTH
inside flower python - <<'PYTHON'
import base64
import os
import urllib.error
import urllib.request as web

url, login = "http://localhost:5555/api/workers", os.environ["AIRFLOW__CELERY__FLOWER_BASIC_AUTH"]
try:
    web.urlopen(url)
    raise SystemExit("Flower answers without a password")
except urllib.error.HTTPError as error:
    print("Flower without a password:", error.code)
token = base64.b64encode(login.encode()).decode()
print("Flower with it:", web.urlopen(web.Request(url, headers={"Authorization": f"Basic {token}"})).status)
PYTHON

say "the run succeeds on the other worker"
inside airflow-api-server python - 1 < tests/containers/await_runs.py | tee "$work/runs"
echo "$((SECONDS - killed)) s after the kill"
# the try that was killed is not the last one, and the last one ran elsewhere
awk -v lost="$lost" '$1 == "task" && $3 > 1 { if ($4 == lost) exit 2; moved++ } END { exit moved ? 0 : 1 }' "$work/runs" \
  || fail "no task of $lost was tried again on the other worker"

say "memory: MiB now, and at most"
show_memory

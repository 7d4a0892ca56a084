#!/usr/bin/env bash
# The stack on a real engine: builds, starts, waits for the scheduled run, publishes by hand, triggers the DAG, looks at the
# page after each, and removes everything again. Wants docker with compose in the environment; takes minutes, so it is
# not part of `make test`. Its own project name, ports and secrets: a stack that is in use is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

project=data-stack-test
export AIRFLOW_PORT=18080 APP_PORT=18501 API_PORT=18510 DOCKER_BUILDKIT=1 COMPOSE_PARALLEL_LIMIT=1
# the schedule's last interval ends with one of the last two months; the one before them is for `pipeline`
FIRST_MONTH=$(date -d "$(date +%Y-%m-15) -3 months" +%Y-%m)
LAST_MONTH=$(date -d "$(date +%Y-%m-15) -1 month" +%Y-%m)
export FIRST_MONTH LAST_MONTH
files=(--file docker-compose.yml --file tests/containers/compose.override.yml)
profiles=(--profile pipeline)
source tests/containers/stack.sh

publication() { # its identifier, its time to the minute, the trips in it
  inside streamlit python - <<'PYTHON'
from data_stack.settings import Settings
from data_stack.warehouse import open_warehouse

with open_warehouse(Settings.load().warehouse_file) as db:
    row = db.execute(
        "select publication_id, published_at_utc, (select count(*) from core.fct_trips)"
        " from ops.publications join ops.publication using (publication_id)"
    ).fetchone()
print(row[0], f"{row[1].day} {row[1]:%b %Y %H:%M}", row[2], sep="|")
PYTHON
}

await_next_minute() { # the page says when it was published, to the minute
  while [ "$(date -u +%H:%M)" = "${minute##* }" ]; do sleep 1; done
}

require_shown() { # the page that the server sends shows the publication that the volume holds
  IFS='|' read -r id minute trips < <(publication)
  inside streamlit python - < tests/containers/page.py > "$work/page"
  grep -qF "$minute" "$work/page" || { tail -c 3000 "$work/page"; fail "the page does not show $id of $minute"; }
  grep -q 'The last run, .* succeeded' "$work/page" || fail "the page does not show the last run"
  echo "the page shows publication $id of $minute UTC, $trips trips"
}

say "without secrets nothing starts, and the sentence says what to do"
if docker compose --env-file /dev/null config --quiet 2> "$work/refused"; then fail "started without secrets"; fi
grep -F 'make env' "$work/refused"

say "build"
compose --profile pipeline build --quiet
docker image ls --format '{{.Repository}} {{.Size}}' | grep data-stack

say "the sample says which variables point the sources at it"
compose up --detach --wait --wait-timeout 300 --quiet-pull sample
compose logs --no-log-prefix --no-color sample | bash tests/containers/provider.sh airflow-scheduler pipeline > "$work/provider.yml"
cat "$work/provider.yml"
files+=(--file "$work/provider.yml")

say "up --wait"
compose up --detach --wait --wait-timeout 420 --quiet-pull
compose ps --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'

say "only the interfaces are published, on loopback"
docker ps --filter label=com.docker.compose.project=data-stack-test --format '{{.Ports}}' | grep -oE '[0-9.:]+->[0-9]+' | sort \
  | tee "$work/ports"
diff <(printf '127.0.0.1:18080->8080\n127.0.0.1:18501->8501\n127.0.0.1:18510->8510\n') "$work/ports"

say "no container of ours is root, and the pages cannot write"
for service in airflow-api-server airflow-scheduler airflow-dag-processor streamlit api; do
  [ "$(inside "$service" id -u)" = 10001 ] || fail "$service runs as another user"
done
if inside streamlit touch /app/data/written 2> "$work/refused"; then fail "streamlit can write"; fi
cat "$work/refused"

say "the schedule is on: the run of the last interval succeeds"
inside airflow-api-server python - 1 < tests/containers/await_runs.py
require_shown
scheduled=$trips

say "the API answers who has a token"
refused=$(inside api python -c "$(cat <<'PYTHON'
import urllib.request as web
try:
    web.urlopen("http://localhost:8510/lineage/bike")
except OSError as error:
    print(error.code)
PYTHON
)")
[ "$refused" = 401 ] || fail "the API answered $refused without a token"
token=$(inside api data-stack api token create --role analyst --days 1 2>/dev/null)
inside -e TOKEN="$token" streamlit python - <<'PYTHON'
import os

from data_stack.api_messages import AgentRequest
from data_stack.serving_client import ServingClient
from data_stack.settings import Settings

answer = ServingClient(Settings.load().api_url, os.environ["TOKEN"]).execute(AgentRequest(prompt="how many trips?"))
print(answer.status)
assert answer.output.text
PYTHON

say "docker compose run pipeline"
before=$id
await_next_minute
compose run --rm -T pipeline | grep -A 9 Published
require_shown
[ "$id" != "$before" ] || fail "the pipeline published nothing"

say "docker compose run pipeline, with another month"
compose run --rm -T pipeline run --from "$FIRST_MONTH-01" --to "$FIRST_MONTH-28" | grep -A 9 Published
require_shown
[ "$trips" -gt "$scheduled" ] || fail "the pipeline published nothing new"

say "airflow dags trigger bike_weather_dag"
before=$id
await_next_minute
inside airflow-scheduler airflow dags trigger bike_weather_dag > "$work/triggered" 2>&1 || { cat "$work/triggered"; exit 1; }
inside airflow-api-server python - 2 < tests/containers/await_runs.py
require_shown
[ "$id" != "$before" ] || fail "the triggered run published nothing"

say "memory: MiB now, and at most"
show_memory

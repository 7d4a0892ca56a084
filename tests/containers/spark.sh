#!/usr/bin/env bash
# The profile `spark` on a real engine: builds the sample on Spark and then on DuckDB in one volume, compares the published tables,
# kills a worker during a build and removes the metastore. Wants docker with compose in the environment and `make setup-spark`;
# takes minutes, so it is not part of `make test`. Its own project name, ports and secrets: a stack that is in use is left alone.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

project=data-stack-spark-test
export AIRFLOW_PORT=18081 APP_PORT=18502 API_PORT=18511 SPARK_PORT=18100 DOCKER_BUILDKIT=1 COMPOSE_PARALLEL_LIMIT=1
FIRST_MONTH=$(date -d "$(date +%Y-%m-15) -1 month" +%Y-%m)
LAST_MONTH=$FIRST_MONTH
export FIRST_MONTH LAST_MONTH
export LAKE_URL=/app/data/lake SPARK_HOST=spark-thrift
files=(--file docker-compose.yml --file tests/containers/compose.override.yml)
profiles=(--profile spark --profile pipeline)
source tests/containers/stack.sh

data_stack() { # the engine, and the command
  local engine=$1
  shift
  compose run --rm --no-deps -T -e ENGINE="$engine" pipeline "$@"
}
published() { # copies the published file out of the volume
  compose cp sample:/app/data/warehouse.duckdb "$work/$1.duckdb"
}
compare() {
  # dbt imports every module that is called dbt_...
  PYTHONPATH=tests:tests/dbt .venv/bin/python tests/containers/compare_published.py "$work/duckdb.duckdb" "$work/$1.duckdb" \
    || fail "the engines publish different rows"
}
on_spark() { # one query, in the time zone of the Thrift server
  compose exec -T --env QUERY="$1" --env DATA_DIR=/app/data --env SPARK_HOST=spark-thrift spark-thrift python - <<'PYTHON'
import os

from data_stack.settings import Settings
from dbt_runner.spark import connect_spark

with connect_spark(Settings.load()) as spark:
    spark.execute(os.environ["QUERY"])
    print(*(row[0] for row in spark.fetchall()))
PYTHON
}

say "build"
compose "${profiles[@]}" build --quiet airflow-init pipeline spark-metastore
docker image ls --format '{{.Repository}} {{.Size}}' | grep data-stack

say "the sample says which variables point the sources at it"
compose up --detach --wait --wait-timeout 300 sample
compose logs --no-log-prefix --no-color sample | bash tests/containers/provider.sh airflow-scheduler pipeline > "$work/provider.yml"
files+=(--file "$work/provider.yml")

say "up --wait"
compose "${profiles[@]}" up --detach --wait --wait-timeout 600 spark-thrift spark-worker
compose "${profiles[@]}" ps --format 'table {{.Service}}\t{{.Status}}\t{{.Ports}}'

say "only the Thrift server is published, on loopback, and no container is root"
docker ps --filter label=com.docker.compose.project="$project" --format '{{.Ports}}' | grep -oE '[0-9.:]+->[0-9]+' | tee "$work/ports"
diff <(echo '127.0.0.1:18100->18100') "$work/ports"
for service in spark-metastore spark-master spark-worker spark-thrift; do
  [ "$(inside "$service" id -u)" = 10001 ] || fail "$service runs as another user"
done

say "run, on Spark"
data_stack spark run --from "$FIRST_MONTH-01" --to "$FIRST_MONTH-28"
published spark

say "transform and publish, on DuckDB, from the same loads"
data_stack duckdb transform
data_stack duckdb publish
published duckdb
compare spark

say "a worker is killed during a build on Spark"
data_stack spark transform &
building=$!
sleep 40
docker kill "$(compose "${profiles[@]}" ps --quiet spark-worker | head -n 1)"
if wait "$building"; then echo "the build succeeded"; else echo "the build failed"; fi
compose "${profiles[@]}" up --detach --wait --wait-timeout 300 spark-worker
data_stack spark transform
data_stack spark publish
published again
compare again

say "the metastore is lost, and comes back from the lake"
compose "${profiles[@]}" stop spark-metastore
inside sample rm -rf /app/data/spark/metastore
compose "${profiles[@]}" up --detach --wait --wait-timeout 300 spark-metastore spark-thrift
before=$(on_spark 'show schemas')
data_stack spark lake register
after=$(on_spark 'show schemas')
echo "schemas before: $before; after: $after"
[ "$before" = default ] || fail "the metastore was not lost"
data_stack spark transform
data_stack spark publish
published restored
compare restored

say "memory: MiB now, and at most"
show_memory

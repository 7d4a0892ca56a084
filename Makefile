# Every target sets up what it needs. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
# uv of the machine, or installed into .tools by pip: without sudo, also where Python is externally managed
UV := $(shell command -v uv || echo $(CURDIR)/.tools/bin/uv)
RUN := .venv/bin/
# a worker that crashes ends the run, because without it the others would wait for ever: this pytest-xdist counts the
# files that the lost worker had done among those to do
TESTS := -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart=0
# port of the pages on loopback
APP_PORT ?= 8501

export UV_COMPILE_BYTECODE := 1
export UV_PYTHON_DOWNLOADS := never
# company networks sign with their own certificates, which the system knows and uv does not
export UV_SYSTEM_CERTS := true
export PYTHONDONTWRITEBYTECODE :=
export GX_ANALYTICS_ENABLED := false
export PIP_ROOT_USER_ACTION := ignore

.PHONY: $(shell sed -nE 's/^([a-z][a-z-]*):.*\#\#.*/\1/p' $(MAKEFILE_LIST))

help: ## List the targets
	@grep -hE '^[a-z][a-z-]*:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-22s %s\n", $$1, $$2}'

$(UV):
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --target .tools uv

# one environment, one stamp per group: each target installs what it needs and leaves the rest
.venv/pipeline .venv/airflow .venv/app .venv/serving .venv/lake .venv/spark .venv/notebooks .venv/postgres .venv/containers .venv/workers .venv/dev: .venv/%: $(UV) pyproject.toml uv.lock
	$(UV) sync --quiet --locked --python $(PYTHON) --inexact --no-default-groups --group $*
	@touch $@

# the linters of the agents need another version of a package than dbt does
.venv-agents/done: $(UV) pyproject.toml uv.lock
	UV_PROJECT_ENVIRONMENT=.venv-agents $(UV) sync --quiet --locked --python $(PYTHON) --only-group agents
	@touch $@

setup: .venv/dev ## Install everything that the pipeline and its checks need into .venv

setup-lake: .venv/pipeline .venv/lake ## Install what a lake in a bucket needs (LAKE_URL=s3://...)

setup-postgres: .venv/postgres ## Install the driver that OPS_URL needs into .venv

setup-spark: .venv/pipeline .venv/spark ## Install Spark and what dbt needs to build on it (ENGINE=spark)

spark: .venv/pipeline .venv/spark ## Start Spark on loopback: a master, two workers, a Thrift server
	@$(RUN)python -m dbt_runner.cluster up

spark-down: .venv/pipeline ## End what `make spark` has started
	@$(RUN)python -m dbt_runner.cluster down

demo: .venv/pipeline ## Run the whole pipeline on generated data, in data/demo
	@$(RUN)data-stack sample demo

airflow: .venv/airflow ## Run Airflow on loopback, on the sample; LIVE=1 uses the live providers
	@$(RUN)data-stack airflow serve $(if $(LIVE),,--sample)

app: .venv/app ## Show the pages of the published warehouse on loopback, port APP_PORT
	$(RUN)streamlit run streamlit_app/Home.py --server.port $(APP_PORT)

# the pipeline, because the lineage is that of the whole project
api: .venv/pipeline .venv/serving ## Serve the HTTP API on loopback, port API_PORT
	@$(RUN)data-stack api serve

notebooks: .venv/notebooks ## Write the HTML reports to DATA_DIR/reports; SHOW_PERSONAL=1 shows personal values
	@$(RUN)python notebooks/html_reports.py $(if $(filter 1,$(SHOW_PERSONAL)),--show-personal)

lab: .venv/notebooks ## Open the notebooks in JupyterLab, on loopback
	$(RUN)jupyter lab --ServerApp.ip=127.0.0.1 --notebook-dir notebooks

strip-notebooks: .venv/notebooks ## Remove outputs from the notebooks
	$(if $(wildcard notebooks/*.ipynb),$(RUN)nbstripout --extra-keys "cell.metadata.execution metadata.language_info.version" notebooks/*.ipynb)

env: ## Generate the secrets of the containers in .env, and keep existing ones
	@$(PYTHON) -m orchestration.container_env

test: .venv/dev ## Run the fast tests
	$(RUN)pytest $(TESTS) -m "not slow"

test-changed: .venv/dev ## Run the fast tests that cover what has changed since main; the first run records all
	@$(RUN)python -m scaffold.changed_tests

test-record: .venv/dev ## Run the fast tests and record what each of them uses
	@$(RUN)python -m scaffold.changed_tests --all

# Spark is 480 MB, which only its tests need
test-slow: .venv/dev .venv/spark ## Run the slow tests
	$(RUN)pytest $(TESTS) -m slow

check: ## Run the static checks, all of them although one fails
	@$(MAKE) --no-print-directory --keep-going lint types imports sql containers docs-check conformance

lint: .venv/dev ## Check Python style and format
	$(RUN)ruff check .
	$(RUN)ruff format --check .

format: .venv/dev ## Format Python
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

types: .venv/dev ## Check types
	$(RUN)mypy
	$(RUN)mypy airflow/dags
	$(if $(wildcard benchmarks/speed/*.py),$(RUN)mypy -p benchmarks.speed)
	$(RUN)mypy -p benchmarks.analyst
	$(RUN)mypy .awos/scripts

imports: .venv/dev ## Check who imports whom
	$(RUN)lint-imports --no-cache

docs-check: .venv/dev .venv-agents/done ## Check that documents and agents name only what exists
	$(RUN)python -m scaffold.reference --check
	$(RUN)python .awos/scripts/render_agents.py --check
	$(RUN)python .awos/scripts/check_docs.py
	bash .awos/scripts/lint_agents.sh .venv-agents

conformance: .venv/dev ## Check that all layers of every source agree
	@$(RUN)data-stack conformance

containers: .venv/dev ## Check the Dockerfile, and docker-compose.yml where docker is present
	$(RUN)hadolint Dockerfile
	@bash tests/containers/check_compose.sh

agents: .venv/dev ## Render the agents from .awos/subagents into .claude/agents
	$(RUN)python .awos/scripts/render_agents.py

generate: agents ## Write the files that follow from others: agents, lists of settings
	$(RUN)python -m scaffold.reference

sql: .venv/dev ## Check the style of the SQL
	$(RUN)sqlfluff lint --processes 2 dbt/models dbt/tests

check-dlt: .venv/dev ## Check ingestion: style, types and its fast tests
	$(RUN)ruff check dlt_pipeline tests/dlt_pipeline
	$(RUN)mypy dlt_pipeline
	$(RUN)pytest $(TESTS) -m "not slow and not integration" tests/dlt_pipeline tests/data_stack/test_settings.py
	@$(RUN)data-stack conformance --layer reader --layer sample --layer settings

check-quality: .venv/dev ## Check the quality gate: style, types and its fast tests
	$(RUN)ruff check data_quality tests/data_quality
	$(RUN)mypy data_quality
	$(RUN)pytest -n 2 --dist worksteal -m "not slow and not integration" tests/data_quality
	@$(RUN)data-stack conformance --layer suite

check-dbt: .venv/dev ## Check the models: SQL style and their fast tests
	$(RUN)sqlfluff lint --processes 2 dbt/models dbt/tests
	$(RUN)ruff check tests/dbt
	$(RUN)pytest $(TESTS) -m "not slow and not integration" tests/dbt
	@$(RUN)data-stack conformance --layer dbt

check-app: .venv/dev ## Check the pages: style, types and their fast tests
	$(RUN)ruff check streamlit_app tests/streamlit_app benchmarks
	$(RUN)mypy streamlit_app
	$(RUN)pytest $(TESTS) -m "not slow and not integration" tests/streamlit_app
	@$(RUN)data-stack conformance --layer page

check-serving: .venv/dev ## Check the serving of answers: style, types and its fast tests
	$(RUN)ruff check serving tests/serving
	$(RUN)mypy serving
	$(RUN)pytest $(TESTS) -m "not slow and not integration" tests/serving

check-airflow: .venv/dev ## Check the DAG: style, types and its fast tests
	$(RUN)ruff check airflow tests/airflow orchestration/cli
	$(RUN)mypy airflow/dags
	$(RUN)pytest $(TESTS) -m "not slow and not integration" tests/airflow tests/data_stack/test_alerts.py tests/data_stack/test_window.py
	@$(RUN)data-stack conformance --layer dag

check-notebooks: .venv/dev ## Check the notebooks: style and their fast tests
	$(RUN)ruff check notebooks tests/notebooks
	$(RUN)pytest -m "not slow and not integration" tests/notebooks

bench: .venv/dev ## Compare whole runs with hand-written SQL and write docs/benchmarks.md; SIZES="100000 1000000" PARTS="sizes help added others"
	$(RUN)python -m benchmarks.speed $(if $(SIZES),--sizes "$(SIZES)") $(if $(PARTS),--parts "$(PARTS)") $(BENCH_OPTIONS)

benchmark: .venv/dev ## Measure ingestion and publishing, as ratios in one run
	$(RUN)python benchmarks/ratios.py

benchmark-conformance: .venv/dev ## Plant faults in a copy of the tree, and see which of them conformance finds
	$(RUN)python benchmarks/conformance_mutations.py

benchmark-pages: .venv/dev ## Measure the seconds of each page, on the sample and on two million rides
	$(RUN)python benchmarks/pages.py

benchmark-workers: .venv/dev .venv/containers .venv/workers ## Kill one of two Celery workers in the middle of a load, and compare the rows with an undisturbed run
	$(RUN)python -m benchmarks.workers

benchmark-engines: .venv/dev .venv/spark ## Build the same rides with DuckDB and with Spark, and compare every table; RIDES="1000000 10000000"
	$(RUN)python -m benchmarks.engines $(if $(RIDES),--rides "$(RIDES)")

eval-analyst: .venv/dev ## Ask an agent questions with known answers, on the sample; MODEL=PROVIDER:NAME EVAL_OPTIONS="--at-least 0.8"
	@$(RUN)python -m benchmarks.analyst $(EVAL_OPTIONS)

upgrade: $(UV) ## Move every dependency in uv.lock to its newest allowed release
	$(UV) lock --upgrade

clean: ## Remove everything that can be generated again, except data
	rm -rf .venv .venv-agents .tools .pytest_cache .mypy_cache .ruff_cache .cache .hypothesis .import_linter_cache .test-record.json dbt/target dbt/logs
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

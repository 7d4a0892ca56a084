"""The files of the containers, by their values. `run.sh` beside this file runs them on a real engine."""

import json
import os
import re
import subprocess
from typing import Any

import pytest
import yaml
from all_settings import settings_classes

from data_stack.settings import PROJECT_ROOT, Settings
from dbt_runner.cluster.commands import ROLES
from orchestration.container_env import SECRETS
from scaffold.reference import find_stale_reference, list_variables

COMPOSE = (PROJECT_ROOT / "docker-compose.yml").read_text(encoding="utf-8")
PROJECT: dict[str, Any] = yaml.safe_load(COMPOSE)
SERVICES: dict[str, dict[str, Any]] = PROJECT["services"]
ONE_SHOT = {"airflow-init", "pipeline"}
# what the profile `workers` adds
WORKERS = {"airflow-worker", "flower", "redis"}
SERVERS = {"airflow-api-server", "airflow-scheduler", "airflow-dag-processor", "airflow-worker", "flower"}
AIRFLOW = SERVERS | {"airflow-init"}
# who has the settings and the data
STEPS = ["airflow-scheduler", "airflow-worker", "airflow-dag-processor", "pipeline", "streamlit", "api"]
SPARK = {"spark-metastore", "spark-master", "spark-worker", "spark-thrift"}
DOCKERFILE = (PROJECT_ROOT / "Dockerfile").read_text(encoding="utf-8")

every_service = pytest.mark.parametrize("name", SERVICES)


def mounts(name: str) -> dict[str, dict[str, Any]]:
    return {mount["target"]: mount for mount in SERVICES[name].get("volumes", [])}


def test_the_services_are_those_of_the_issue() -> None:
    assert set(SERVICES) == AIRFLOW | WORKERS | SPARK | {"postgres", "streamlit", "api", "pipeline"}
    assert {name for name in SERVICES if SERVICES[name].get("profiles") == ["workers"]} == WORKERS


@every_service
def test_memory_and_cpu_are_limited(name: str) -> None:
    limits = SERVICES[name]["deploy"]["resources"]["limits"]
    assert re.fullmatch(r"\d+[MG]", limits["memory"])
    assert 0 < float(limits["cpus"]) <= 2


@every_service
def test_what_runs_on_is_healthy_and_restarted_and_what_ends_is_not(name: str) -> None:
    service = SERVICES[name]
    assert service["init"] is True
    assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONE_SHOT)


@every_service
def test_privileges_are_dropped(name: str) -> None:
    assert SERVICES[name]["security_opt"] == ["no-new-privileges:true"]
    assert SERVICES[name].get("cap_drop") == (None if name == "postgres" else ["ALL"])


def test_only_the_interfaces_are_published_and_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"airflow-api-server", "flower", "streamlit", "api", "spark-thrift"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_one_network_that_compose_makes() -> None:
    assert "networks" not in PROJECT
    assert [name for name in SERVICES if {"networks", "network_mode"} & set(SERVICES[name])] == []


def test_up_waits_for_health_and_for_the_migration() -> None:
    for name in SERVERS:
        conditions = {on: how["condition"] for on, how in SERVICES[name]["depends_on"].items()}
        assert conditions.pop("airflow-init") == "service_completed_successfully"
        assert conditions["postgres"] == "service_healthy" and set(conditions.values()) == {"service_healthy"}
    for name in ("airflow-scheduler", "airflow-worker"):
        assert "airflow-api-server" in SERVICES[name]["depends_on"]
    assert "redis" in SERVICES["airflow-worker"]["depends_on"]
    assert SERVICES["pipeline"]["profiles"] == ["pipeline"]


def test_spark_starts_only_in_its_profile_and_has_no_secret() -> None:
    settings = {"SPARK_PORT", "SPARK_MASTER_PORT", "SPARK_WORKERS", "SPARK_MEMORY"}
    for name in SPARK:
        assert SERVICES[name]["profiles"] == ["spark"]
        assert SERVICES[name]["environment"] == {variable: f"${{{variable}:-}}" for variable in settings}
    assert {name for name, service in SERVICES.items() if "spark" in service.get("profiles", [])} == SPARK


def test_each_container_of_spark_runs_and_checks_its_role() -> None:
    assert sorted(f"spark-{role}" for role in ROLES) == sorted(SPARK)
    for role in ROLES:
        service = SERVICES[f"spark-{role}"]
        assert service["command"] == [role]
        assert service["healthcheck"]["test"] == ["CMD", "python", "-m", "dbt_runner.cluster", "check", role]
    assert 'ENTRYPOINT ["python", "-m", "dbt_runner.cluster", "serve"]' in DOCKERFILE


def test_spark_has_the_workers_and_the_port_of_the_settings() -> None:
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    assert SERVICES["spark-worker"]["deploy"]["replicas"] == f"${{SPARK_WORKERS:-{defaults['spark_workers']}}}"
    port = f"${{SPARK_PORT:-{defaults['spark_port']}}}"
    assert SERVICES["spark-thrift"]["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_only_the_image_of_spark_contains_spark() -> None:
    stages = re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE)
    with_client = {found[1]: stage for stage in stages if (found := re.match(r"FROM \S+ AS (\S+)", stage))}
    assert {name for name, stage in with_client.items() if "openjdk" in stage} == {"spark-packages"}
    installing = {name: stage for name, stage in with_client.items() if "--group spark" in stage}
    assert set(installing) == {
        *("pipeline-packages", "pipeline", "airflow-packages", "airflow"),
        *("spark-packages", "spark"),
    }
    complete = {name for name, stage in installing.items() if "--no-install-package pyspark" not in stage}
    assert complete == {"spark-packages", "spark"}


def test_secrets_have_no_default_and_the_sentence_says_what_to_do() -> None:
    demanded = dict(re.findall(r"\$\{([A-Z_]+):\?([^}]*)\}", COMPOSE))
    assert set(demanded) == set(SECRETS)
    assert all("`make env`" in sentence for sentence in demanded.values())
    assert [name for name in SECRETS if re.search(rf"\$\{{{name}(?!:\?)", COMPOSE)] == []


def test_every_service_of_airflow_has_the_same_secrets_and_finds_the_api() -> None:
    keys = ("AIRFLOW__API_AUTH__JWT_SECRET", "AIRFLOW__CORE__FERNET_KEY", "AIRFLOW__API__SECRET_KEY", "PGPASSWORD")
    environments = [SERVICES[name]["environment"] for name in AIRFLOW]
    for key in (*keys, "AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        assert len({environment[key] for environment in environments}) == 1
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"] == environments[0]["PGPASSWORD"]
    assert [name for name in ("streamlit", "api", "pipeline") if "PASSWORD" in str(SERVICES[name])] == []


def test_the_schedule_is_on_and_the_parallelism_is_small() -> None:
    environment = SERVICES["airflow-scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION"] == "False"
    assert "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE" not in environment
    assert 2 <= int(environment["AIRFLOW__CORE__PARALLELISM"]) <= 4


@pytest.mark.parametrize("name", STEPS)
def test_every_setting_is_passed_on_without_a_default_of_its_own(name: str) -> None:
    settings = {variable for settings in settings_classes() for variable in settings.variables()}
    # fixed in the image; of the host's side
    passed = settings - {"DATA_DIR", "AIRFLOW_PORT", "API_PORT", "MCP_PORT"}
    environment = SERVICES[name]["environment"]
    assert passed <= set(environment)
    changed = {"TRANSACTIONS_PATH"} | ({"API_BASE_URL"} if name == "streamlit" else set())
    assert {key: environment[key] for key in passed - changed} == {key: f"${{{key}:-}}" for key in passed - changed}


def test_the_pages_ask_the_api_beside_them() -> None:
    (port,) = SERVICES["api"]["ports"]
    assert port == "127.0.0.1:${API_PORT:-8510}:8510"
    assert SERVICES["streamlit"]["environment"]["API_BASE_URL"] == "${API_BASE_URL:-http://api:8510}"
    assert 'CMD ["data-stack", "api", "serve", "--host=0.0.0.0", "--port=8510"]' in DOCKERFILE


def test_the_data_is_shared_and_the_pages_only_read() -> None:
    sharing = {name: mounts(name)["/app/data"] for name in SERVICES if "/app/data" in mounts(name)}
    assert set(sharing) == SPARK | set(STEPS)
    assert {mount["source"] for mount in sharing.values()} == {"data"}
    assert {name for name, mount in sharing.items() if mount.get("read_only")} == {"streamlit"}


def test_workers_run_the_tasks_where_the_executor_is_set() -> None:
    scheduler, worker = SERVICES["airflow-scheduler"], SERVICES["airflow-worker"]
    assert worker["environment"] == scheduler["environment"] and worker["volumes"] == scheduler["volumes"]
    assert worker["environment"]["AIRFLOW__CORE__EXECUTOR"] == "${AIRFLOW_EXECUTOR:-LocalExecutor}"
    assert worker["deploy"]["replicas"] == 2
    # of two workers one may be lost, and a place in the queue of the other is no wait
    at_once = int(worker["environment"]["AIRFLOW__CELERY__WORKER_CONCURRENCY"])
    assert 2 * at_once >= int(worker["environment"]["AIRFLOW__CORE__PARALLELISM"])


def test_workers_refuse_to_start_with_another_executor() -> None:
    *_, script = SERVICES["airflow-worker"]["command"]
    for executor, code in (("LocalExecutor", 1), ("CeleryExecutor", 0)):
        command = script.replace("$$", "$").replace("exec airflow celery worker", "true")
        environment = os.environ | {"AIRFLOW__CORE__EXECUTOR": executor}
        done = subprocess.run(["bash", "-euc", command], env=environment, capture_output=True, text=True)
        assert (done.returncode, "AIRFLOW_EXECUTOR=CeleryExecutor" in done.stderr) == (code, bool(code))


def test_lost_worker_is_noticed_in_a_minute_and_no_running_task_is_handed_out_twice() -> None:
    environment = SERVICES["airflow-scheduler"]["environment"]
    assert int(environment["AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT"]) == 60
    # a run ends after four hours (`dagrun_timeout` of the DAG)
    assert int(environment["AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__VISIBILITY_TIMEOUT"]) > 4 * 3600


def test_broker_and_flower_ask_for_a_password() -> None:
    environment = SERVICES["airflow-worker"]["environment"]
    assert re.fullmatch(r"redis://:\$\{REDIS_PASSWORD:\?.*\}@redis:6379/0", environment["AIRFLOW__CELERY__BROKER_URL"])
    assert 'requirepass "$$REDISCLI_AUTH"' in SERVICES["redis"]["command"][-1]
    assert SERVICES["redis"]["environment"]["REDISCLI_AUTH"].startswith("${REDIS_PASSWORD:?")
    login = SERVICES["flower"]["environment"]["AIRFLOW__CELERY__FLOWER_BASIC_AUTH"]
    assert login.startswith("admin:${FLOWER_PASSWORD:?")


def test_containers_that_build_keep_what_was_parsed_and_tested() -> None:
    assert {name for name in SERVICES if "/app/.cache" in mounts(name)} == {
        "airflow-scheduler",
        "airflow-worker",
        "pipeline",
    }
    assert mounts("pipeline")["/app/.cache"] == {"type": "volume", "source": "parsed", "target": "/app/.cache"}
    # a new volume belongs to the owner of the image's folder
    assert "install --directory --owner app --group app /app/data /app/.cache\n" in DOCKERFILE


def test_the_generated_settings_are_current() -> None:
    assert list(find_stale_reference()) == []


def test_paths_of_the_host_are_only_read() -> None:
    for name in ("airflow-scheduler", "airflow-worker", "pipeline"):
        paths = [one for listed in list_variables().values() for one in listed if one.is_path]
        for variable in (one for one in paths if one.name != "DATA_DIR"):
            mount = mounts(name)[variable.mount]
            assert mount["source"] == f"${{{variable.name}:-/dev/null}}"
            assert mount["read_only"] is True and mount["bind"] == {"create_host_path": False}
            assert SERVICES[name]["environment"][variable.name] == f"${{{variable.name}:+{variable.mount}}}"


def test_images_are_pinned() -> None:
    own = {service["image"] for service in SERVICES.values() if service["image"].startswith("data-stack-")}
    assert own == {service["image"] for service in SERVICES.values() if "build" in service}
    foreign = {service["image"] for service in SERVICES.values()} - own
    assert all(re.fullmatch(r"[a-z]+:\d+\.\d+-[a-z]+", image) for image in foreign)
    stages = re.findall(r"^FROM \S+ AS (\S+)$", DOCKERFILE, re.MULTILINE)
    bases = set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) - set(stages)
    assert bases == {"python:3.11-slim"}
    assert re.search(r"pip install \S+ uv==\d", DOCKERFILE)


def test_every_target_ends_as_a_user_without_rights() -> None:
    targets = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert targets == {"pipeline", "airflow", "api", "streamlit", "spark"}
    for stage in re.split(r"^(?=FROM )", DOCKERFILE, flags=re.MULTILINE):
        if re.match(rf"FROM \S+ AS ({'|'.join(targets)})$", stage, re.MULTILINE):
            assert re.findall(r"^USER (\S+)$", stage, re.MULTILINE) == ["10001"]
            assert not re.search(r"^RUN ", stage.partition("\nUSER ")[2], re.MULTILINE)


def test_the_images_get_what_they_need_and_no_data_or_secrets() -> None:
    lines = (PROJECT_ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    allowed = {rule[1:] for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert allowed == {
        *(".streamlit", "airflow", "data_quality", "data_stack", "dbt", "dbt_runner", "dlt_pipeline"),
        *("orchestration", "scaffold", "serving", "streamlit_app"),
        *("LICENSE", "README.md", "pyproject.toml", "uv.lock"),
    }


def test_the_devcontainer_is_json_and_sets_the_project_up() -> None:
    container = json.loads((PROJECT_ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "make setup"
    assert container["forwardPorts"] == [8080, 8501, 8510]
    assert ":3.11" in container["image"]

"""### From the providers to the published warehouse

Each source of the registry is ingested and then checked by its suite, the sources in parallel, one group of tasks per
source. Then dbt builds staging, core and marts with their tests, the build is published in one step, and the
documentation is generated.

A load that fails its gate, or a provider that is unavailable, holds back its source and no other: its rows that passed
before stay, everything else is published, and the run is red. `report_held_back` says which source is held back, since
when and why. Each run tries it again, and is red until the provider answers, the data is fixed, or the load is accepted
(`data-stack accept LOAD --reason "..."`).

**Which days**: the params `start_date` and `end_date` (both included; a source whose provider publishes files loads the
whole files that contain them), else the months that end within the run's data interval, else each source's own default,
such as the latest days that its provider has. A source without days loads everything that it finds.

**Where to look**: each task logs what it did, `report_held_back` logs a summary of the run, and `data-stack status`
shows more.
"""

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import (
    Asset,
    CronDataIntervalTimetable,
    ExceptionRetryPolicy,
    Param,
    RetryAction,
    RetryRule,
    TaskGroup,
    TriggerRule,
    dag,
    get_current_context,
    task,
)
from airflow.sdk.exceptions import AirflowSkipException

from data_stack.errors import HeldBackError, TransientError
from data_stack.registry import SOURCES, source_names

if TYPE_CHECKING:
    from orchestration.steps import Run

DAG_ID = "bike_weather_dag"
DOCUMENTATION = f"{__doc__}\n**Sources**: {', '.join(source.title for source in SOURCES) or 'none'}\n"
WAREHOUSE = Asset(name="published_warehouse", uri="x-data-stack://warehouse", group="data-stack")

_log = logging.getLogger(DAG_ID)


def _begin() -> "Run":
    """The context of the steps, under the name of this Airflow run."""
    from data_stack.settings import Settings
    from orchestration.steps import Run

    return Run.begin(Settings.load(), get_current_context()["run_id"], DAG_ID)


def _record_failure(context: dict[str, Any]) -> None:
    """Record in the platform's own records that a task, and with it the run, has failed for good."""
    from data_stack.held_back import describe_held_back, find_held_back
    from data_stack.ops import INTERRUPTED, Ops
    from data_stack.redaction import describe_error
    from data_stack.settings import Settings

    ops, error = Ops(Settings.load()), context.get("exception")
    message = describe_error(error) if isinstance(error, BaseException) else INTERRUPTED
    lines = [f"{context['task_instance'].task_id}: {message}", *describe_held_back(find_held_back(ops.query))]
    ops.end_run(context["run_id"], "failed", "\n".join(lines))


def _send_failure_alert(context: dict[str, Any]) -> None:
    """Send one alert about a failed run, with the message of the first task that failed."""
    from data_stack.alerts import send_alert
    from data_stack.ops import Ops
    from data_stack.settings import Settings

    settings, run_id = Settings.load(), context["run_id"]
    ops = Ops(settings)
    recorded = ops.query("select error from runs where run_id = ? and status = 'failed'", [run_id])
    message = recorded[0]["error"] if recorded else f"{context.get('reason') or 'no task has said why'}"
    if not recorded:
        ops.end_run(run_id, "failed", message)
    send_alert(settings, f"{DAG_ID} {run_id} failed. {message}")


@task
def choose_window(params: dict[str, Any], run_id: str, **context: Any) -> dict[str, Any]:
    """Decide which days the run loads, before any work; a bad range ends it here, and no provider is asked."""
    from data_stack.window import Window
    from orchestration.steps import drop_causes

    run = _begin()
    run.ops.begin_run(run_id, DAG_ID, source_names())
    with drop_causes():
        window = Window.parse(params["start_date"], params["end_date"])
        if window is None and context.get("data_interval_start"):
            window = Window.of_interval(context["data_interval_start"], context["data_interval_end"])
    days = (f"{window.start}", f"{window.end}") if window else None
    run.ops.begin_run(run_id, DAG_ID, source_names(), days)
    _log.info("window %s", window or "of each source's own default")
    return {"days": days, "is_scheduled": not params["start_date"]}


# a source that fails stops no other: `report_held_back` ends the run
@task(execution_timeout=timedelta(hours=2), on_failure_callback=[])
def ingest(source_name: str, chosen: dict[str, Any]) -> dict[str, int]:
    """Load what is new of a source; the load is pending until its gate has passed."""
    from data_stack.registry import get_source
    from data_stack.window import Window
    from orchestration import steps

    with steps.drop_causes():
        window = Window.parse(*chosen["days"]) if chosen["days"] else None
        report = steps.ingest(_begin(), get_source(source_name), window, chosen["is_scheduled"])
    _log.info("%s: %s", source_name, report.summary())
    return {"fetched": len(report.fetched), "loaded before": report.skipped} | vars(report.counts)


# also where nothing could be ingested: a load that failed in an earlier run is judged again
@task(
    execution_timeout=timedelta(minutes=30), on_failure_callback=[], trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS
)
def validate(source_name: str) -> list[str]:
    """Run the suite of every load of a source that has not passed; a failed critical expectation holds it back."""
    from data_stack.registry import get_source
    from orchestration import steps

    with steps.drop_causes():
        reports = steps.validate(_begin(), get_source(source_name))
    lines = [line for report in reports for line in (report.headline, *report.format_failures())]
    for line in lines or [f"{source_name}: no load is pending"]:
        _log.info(line)
    return lines


@task(execution_timeout=timedelta(hours=1), trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
def dbt_build() -> str:
    """Build staging, core and marts with all their tests, from the loads that passed."""
    from orchestration import steps

    with steps.drop_causes():
        report = steps.transform(_begin())
    for warning in report.format_warnings():
        _log.warning(warning)
    _log.info("built %s models, %s tests passed", report.models, report.tests)
    return f"{report.models} models, {report.tests} tests"


@task(execution_timeout=timedelta(minutes=15), outlets=[WAREHOUSE])
def publish(*, outlet_events: Any) -> str:
    """Replace the published warehouse in one step; skipped while a rollback pins another publication."""
    from orchestration import steps

    with steps.drop_causes():
        report = steps.publish(_begin())
    if report.is_pinned:
        raise AirflowSkipException(report.pin_message)
    outlet_events[WAREHOUSE].extra = {"publication_id": report.publication_id}
    return report.publication_id


@task(execution_timeout=timedelta(minutes=15), trigger_rule=TriggerRule.NONE_FAILED)
def docs() -> list[str]:
    """Make dbt docs and Data Docs; a failure there is no failure of the run."""
    from data_stack.redaction import describe_error
    from orchestration import steps

    try:
        pages = steps.docs(_begin())
    except Exception as error:
        message = f"the documentation was not generated ({describe_error(error)}); `data-stack docs` tries it again"
        _log.error(message)
        raise AirflowSkipException(message) from None
    for page in pages:
        _log.info(page)
    return pages


@task(trigger_rule=TriggerRule.NONE_FAILED, retries=0, on_failure_callback=[])
def report_held_back(run_id: str, ti: Any) -> None:
    """Log a summary of the run and record how it ended; fails if a source is held back or one of its tasks failed."""
    from data_stack.held_back import describe_held_back, find_held_back
    from orchestration.summary import summarize_run

    run = _begin()
    for line in summarize_run(run).format_lines():
        _log.info(line)
    states = ti.get_task_states(dag_id=DAG_ID, run_ids=[run_id])[run_id]
    failed = sorted(task_id for task_id, state in states.items() if state == "failed")
    lines = describe_held_back(find_held_back(run.ops.query))
    if failed:
        # a killed task leaves no other record
        lines.append(f"failed tasks: {', '.join(failed)}; the log of each says more")
    run.ops.end_run(run_id, "failed" if lines else "succeeded", "\n".join(lines) or None)
    if lines:
        raise HeldBackError("\n".join(lines))


def _day(description: str) -> Param:
    return Param(None, type=["null", "string"], format="date", description=description)


@dag(
    dag_id=DAG_ID,
    doc_md=DOCUMENTATION,
    # the slowest provider publishes a month by the 12th of the next one; an interval from 12th to 12th ends one month
    schedule=CronDataIntervalTimetable("0 6 12 * *", timezone="America/New_York"),
    start_date=datetime(2024, 1, 12),
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=4),
    on_failure_callback=_send_failure_alert,
    default_args={
        "owner": "data-stack",
        "retries": 3,
        "retry_delay": timedelta(seconds=10),
        "retry_exponential_backoff": 2,
        "max_retry_delay": timedelta(minutes=10),
        # a killed process raises nothing, and is retried as well
        "retry_policy": ExceptionRetryPolicy([RetryRule(TransientError)], default=RetryAction.FAIL),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": _record_failure,
    },
    params={
        "start_date": _day("First day to load, as 2024-01-01"),
        "end_date": _day("Last day to load, included"),
    },
    tags=["data-stack"],
)
def bike_weather_dag() -> None:
    """One task per step; a source that is added to the registry gets a group with its two tasks."""
    chosen, built = choose_window(), dbt_build()
    for source in SOURCES:
        with TaskGroup(source.name, prefix_group_id=False, tooltip=source.title):
            loaded = ingest.override(task_id=f"ingest_{source.name}")(source.name, chosen)
            checked = validate.override(task_id=f"validate_{source.name}")(source.name)
        # a rule that passes failures needs a success: without its days nothing of a run is done
        chosen >> [checked, built]
        loaded >> checked >> built
    built >> publish() >> docs() >> report_held_back()


bike_weather_dag()

"""Data quality: gates, loads that wait, dbt tests, rejects, freshness, rows and seconds, of failed runs too."""

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl
import streamlit as st

from data_stack.ops import Ops
from data_stack.registry import SOURCES
from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError
from streamlit_app.elements import day_column, metric_with_change, moment_column, number_column, table_with_download
from streamlit_app.formats import moment
from streamlit_app.guard import sentences, show_last_run
from streamlit_app.page import Page
from streamlit_app.queries import data_quality as queries
from streamlit_app.view import View

PAGE = Page(title="Data quality", icon=":material/fact_check:", order=60, needs_warehouse=False)

RUNS = {"10": "Last 10", "30": "Last 30", "100": "Last 100"}
STEPS = ("ingest", "validate", "transform", "publish", "docs")
DID_NOT_END_WELL = ("failed", "interrupted")
LOAD = {"source": "Source", "load_id": "Load"}


def render(view: View) -> None:
    """Draw the page."""
    with sentences(view):
        publication = view.warehouse.publication
        st.caption(f"Readers see publication {publication.publication_id} of {moment(publication.published_at_utc)}.")
        # where nothing is published, the sentence about that shows it
        show_last_run(view)
    if view.ops is None:
        raise NothingToShowError("nothing ever ran here; `data-stack run` loads, checks and publishes")
    source = filters.choice("source", "Source", {"": "All sources"} | {one.name: one.title for one in SOURCES}, "")
    runs = int(filters.choice("runs", "Runs", RUNS, "30"))
    _sections(view, view.ops, source, runs)


def _sections(view: View, ops: Ops, source: str, runs: int) -> None:
    _figures(ops, source, runs)
    _waiting(ops, source)
    _accepted(ops, source)
    with sentences(view):
        _gates(ops, source, runs)
    with sentences(view):
        _dbt(ops, runs)
    with sentences(view):
        _loads(ops, source)
    _freshness(ops, source, view.settings.stale_after_days)
    with sentences(view):
        _rows(ops, source, runs)
    with sentences(view):
        _seconds(ops, runs)


def _figures(ops: Ops, source: str, runs: int) -> None:
    gates, builds = queries.gates(ops, source, runs), queries.builds(ops, runs).head(1)
    last = gates.filter(pl.col("run_id") == gates["run_id"][0]) if gates.height else gates
    figures = (
        ("Loads that wait", queries.waiting_loads(ops, source).height, None),
        ("Loads let through", queries.accepted_loads(ops, source).height, "By hand, with a reason on record"),
        ("Expectations not met", _sum(last, "failed_critical", "failed_warnings"), "By the loads of the last gate"),
        ("dbt tests not met", _sum(builds, "tests_failed", "tests_warned"), "In the last build, warnings included"),
    )
    for column, (label, value, note) in zip(st.columns(len(figures)), figures, strict=True):
        with column:
            metric_with_change(label, value, None, note=note)


def _sum(frame: pl.DataFrame, *columns: str) -> int | None:
    return sum(sum(frame[name].to_list()) for name in columns) if frame.height else None


def _waiting(ops: Ops, source: str) -> None:
    st.subheader("Loads that wait")
    frame = queries.waiting_loads(ops, source)
    if frame.is_empty():
        st.caption("No load waits: each one passed its gate, was let through or was replaced.")
        return
    st.warning(
        "Nothing is published while a load waits. Mend the data and run `data-stack ingest` of the source again, or"
        " let the load through, which stays on record:",
        icon=":material/front_hand:",
    )
    st.code("\n".join(frame["next"]), language="bash")
    columns = LOAD | {
        "state": "State",
        "loaded_at_utc": moment_column("Loaded (UTC)"),
        "rows_loaded": number_column("Rows"),
        "reason": st.column_config.TextColumn("What the gate said", width="large"),
        "next": st.column_config.TextColumn("Command to go on", width="large"),
    }
    table_with_download(frame, "waiting-loads", "Loads that are pending or failed their gate", columns)


def _accepted(ops: Ops, source: str) -> None:
    frame = queries.accepted_loads(ops, source)
    if frame.is_empty():
        st.caption("No load was let through by hand.")
        return
    columns = LOAD | {
        "reason": st.column_config.TextColumn("Reason", width="large"),
        "decided_by": "By",
        "decided_at_utc": moment_column("When (UTC)"),
        "rows_loaded": number_column("Rows"),
    }
    table_with_download(frame, "accepted-loads", "Loads let through by hand", columns)


def _gates(ops: Ops, source: str, runs: int) -> None:
    st.subheader("Gates")
    frame = queries.gates(ops, source, runs)
    if frame.is_empty():
        raise NothingToShowError("no gate ran in these runs; `data-stack validate` checks the loads that wait")
    columns = LOAD | {
        "evaluated_at_utc": moment_column("Checked (UTC)"),
        "gate": "Gate",
        "checked": number_column("Expectations"),
        "failed_critical": number_column("Critical, not met"),
        "failed_warnings": number_column("Warnings, not met"),
        "state": "Load is now",
        "run_id": "Run",
    }
    table_with_download(frame, "gates", _of_runs("Gates by run and load", runs), columns)
    _failed_expectations(queries.failed_expectations(ops, source, runs), runs)


def _failed_expectations(frame: pl.DataFrame, runs: int) -> None:
    if frame.is_empty():
        st.caption("Every expectation was met in these runs.")
        return
    columns = LOAD | {
        "evaluated_at_utc": moment_column("Checked (UTC)"),
        "severity": "Severity",
        "column_name": "Column",
        "expectation": st.column_config.TextColumn("Expectation", width="medium"),
        "unexpected": number_column("Fail"),
        "checked": number_column("Of"),
        "example_keys": "Example keys",
        "reason": st.column_config.TextColumn("Why it matters", width="large"),
    }
    title = _of_runs("Expectations not met", runs)
    table_with_download(frame, "failed-expectations", title, columns)


def _dbt(ops: Ops, runs: int) -> None:
    st.subheader("dbt builds")
    frame = queries.builds(ops, runs)
    if frame.is_empty():
        raise NothingToShowError("nothing was built in these runs; `data-stack run` builds once all loads have passed")
    columns = {
        "finished_at_utc": moment_column("Finished (UTC)"),
        "models": number_column("Models built"),
        "models_failed": number_column("Models failed"),
        "tests_passed": number_column("Tests passed"),
        "tests_warned": number_column("Tests warned"),
        "tests_failed": number_column("Tests failed"),
        "skipped": number_column("Skipped"),
        "run_id": "Run",
    }
    table_with_download(frame, "builds", _of_runs("dbt models and tests by build", runs), columns)
    _failed_nodes(queries.failed_nodes(ops, runs), runs)


def _failed_nodes(frame: pl.DataFrame, runs: int) -> None:
    if frame.is_empty():
        st.caption("No model failed, and no test failed or warned in these builds.")
        return
    columns = {
        "finished_at_utc": moment_column("Finished (UTC)"),
        "status": "Status",
        "resource_type": "Kind",
        "node": st.column_config.TextColumn("Name", width="large"),
        "failures": number_column("Rows that break it"),
        "message": st.column_config.TextColumn("What dbt said", width="large"),
    }
    title = _of_runs("dbt models and tests that failed or warned", runs)
    table_with_download(frame, "failed-nodes", title, columns)


def _loads(ops: Ops, source: str) -> None:
    st.subheader("Loads and rejects")
    frame = queries.loads(ops, source)
    if frame.is_empty():
        raise NothingToShowError("nothing is loaded; `data-stack run` loads and publishes")
    columns = LOAD | {
        "loaded_at_utc": moment_column("Loaded (UTC)"),
        "state": "State",
        "rows_read": number_column("Rows read"),
        "rows_loaded": number_column("Rows loaded"),
        "rows_rejected": number_column("Rows rejected"),
        "rejected_share": st.column_config.NumberColumn("Rejected", format="percent"),
        "rows_repeated": number_column("Rows repeated"),
    }
    table_with_download(frame, "loads", "Rows read, loaded, rejected and repeated by load", columns)
    st.caption("`data-stack peek SOURCE` lists file, line and reason of rejected rows.")


def _freshness(ops: Ops, source: str, stale_after_days: int) -> None:
    st.subheader("Freshness")
    columns = {
        "source": "Source",
        "state": "State",
        "loaded_at_utc": moment_column("New rows loaded (UTC)"),
        "days_ago": number_column("Days ago"),
        "data_through": day_column("Data through"),
        "rows": number_column("Rows published"),
        "tried_at_utc": moment_column("Last load of any state (UTC)"),
    }
    frame = queries.freshness(ops, source, stale_after_days)
    table_with_download(frame, "freshness", "When each source last brought rows, and through which day", columns)
    st.caption(f"Stale after {stale_after_days} days without new rows (`STALE_AFTER_DAYS`).")


def _rows(ops: Ops, source: str, publications: int) -> None:
    st.subheader("Rows published")
    frame = queries.source_rows(ops, publications)
    if frame.is_empty():
        raise NothingToShowError("nothing is published; `data-stack run` publishes once all loads have passed")
    if frame["published_at_utc"].n_unique() == 1:
        st.caption("There is one publication so far; the next `data-stack run` that publishes begins the charts.")
    else:
        _source_charts(frame, source)
    columns = {
        "name": "Table",
        "rows": number_column("Rows"),
        "rows_before": number_column("Rows in the publication before"),
        "change": st.column_config.NumberColumn("Change", format="%+,d"),
    }
    table_with_download(queries.table_rows(ops), "rows", "Rows by table of the last publication", columns)


def _source_charts(frame: pl.DataFrame, source: str) -> None:
    st.caption("Rows of each source by publication.")
    # a chart a source: rides are a hundred times the transactions, and a common axis would flatten these
    sources = [one for one in SOURCES if source in ("", one.name)]
    for column, one in zip(st.columns(len(sources), vertical_alignment="bottom"), sources, strict=True):
        part = frame.filter(pl.col("source") == one.name)
        figure = charts.lines(part, "published_at_utc", {one.title: "rows"}, "", "Rows", ",.0f rows")
        figure.update_traces(mode="lines+markers")
        figure.update_layout(height=260, hovermode="closest", margin={"t": 10})
        with column:
            charts.show(figure, one.title)


def _seconds(ops: Ops, runs: int) -> None:
    st.subheader("Seconds of the pipeline")
    last, steps = queries.last_runs(ops, runs), queries.steps(ops, runs)
    if steps.is_empty():
        raise NothingToShowError("no step was recorded in these runs; `data-stack run` takes all of them")
    title = _of_runs("Seconds by run and step", runs)
    charts.show(seconds_figure(last, steps), title, "From the oldest run to the latest; a killed step has no seconds.")
    step_columns = {
        "started_at_utc": moment_column("Started (UTC)"),
        "command": "Command",
        "step": "Step",
        "source": "Source",
        "status": "Status",
        "seconds": number_column("Seconds", 1),
        "rows": number_column("Rows"),
        "detail": st.column_config.TextColumn("What it says", width="large"),
        "run_id": "Run",
    }
    table_with_download(steps, "steps", _of_runs("Steps", runs), step_columns)
    run_columns = {
        "run_id": "Run",
        "started_at_utc": moment_column("Started (UTC)"),
        "command": "Command",
        "status": "Status",
        "sources": "Sources",
        "finished_at_utc": moment_column("Finished (UTC)"),
        "error": st.column_config.TextColumn("Why it failed", width="large"),
    }
    table_with_download(last, "runs", _of_runs("Runs", runs), run_columns)


def seconds_figure(runs: pl.DataFrame, steps: pl.DataFrame) -> go.Figure:
    """Seconds of each run, stacked by step, runs that failed marked.

    Args:
        runs: Rows of `queries.last_runs`.
        steps: Rows of `queries.steps` of the same runs.
    """
    ordered = runs.sort("started_at_utc")
    names = _step_names(steps["step"].unique().to_list())
    summed = steps.group_by("run_id", "step").agg(pl.col("seconds").sum()).pivot("step", index="run_id")
    frame = ordered.join(summed, on="run_id", how="left")
    figure = charts.stacked_bars(
        frame, "run_id", {name.capitalize(): name for name in names}, "Start of the run (UTC)", "Seconds", ",.1f s"
    )
    _mark(figure, frame.with_columns(total=pl.sum_horizontal(names)))
    figure.update_xaxes(
        type="category",
        tickvals=ordered["run_id"].to_list(),
        ticktext=[f"{started.day} {started:%b %H:%M}" for started in ordered["started_at_utc"]],
    )
    return figure


def _step_names(found: Sequence[str]) -> list[str]:
    """Steps in their order; one that is not known yet comes last."""
    return [*(name for name in STEPS if name in found), *sorted(set(found) - set(STEPS))]


def _mark(figure: go.Figure, frame: pl.DataFrame) -> None:
    """A cross above the bar of each run that did not end well."""
    marked = frame.filter(pl.col("status").is_in(DID_NOT_END_WELL))
    if marked.is_empty():
        return
    room = 0.04 * max(frame["total"].to_list())
    figure.add_scatter(
        x=marked["run_id"].to_list(),
        y=[total + room for total in marked["total"]],
        name="Failed or interrupted",
        mode="markers",
        marker={"symbol": "x", "size": 10, "color": charts.VERMILION},
        customdata=marked["status"].to_list(),
        hovertemplate="%{customdata}",
    )


def _of_runs(words: str, runs: int) -> str:
    return f"{words}, last {runs} runs"

"""Data quality: held back sources, pending loads, gates, dbt tests, rejects, freshness, rows and durations."""

import plotly.graph_objects as go
import polars as pl
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from data_stack.ops import Ops
from data_stack.palette import VERMILION
from data_stack.registry import SOURCES
from streamlit_app import charts, filters
from streamlit_app.data import NothingToShowError
from streamlit_app.elements import Metric, show_metrics, show_table, wide_column
from streamlit_app.formats import format_time
from streamlit_app.guard import require_rows, show_failures, show_last_run
from streamlit_app.page import Page
from streamlit_app.queries import data_quality as queries
from streamlit_app.view import View

PAGE = Page(title="Data quality", icon=":material/fact_check:", order=60, needs_warehouse=False)

RUNS = {"10": "Last 10", "30": "Last 30", "100": "Last 100"}
CHARTS_PER_ROW = 3
STEPS = ("ingest", "validate", "lake", "transform", "publish", "docs")
HELD_BACK_COLUMNS = {"load_id": "Load that failed its gate", "reason": wide_column("Why")}
GATE_COLUMNS = {
    "evaluated_at_utc": "Checked (UTC)",
    "checked": "Expectations",
    "failed_critical": "Failed, critical",
    "failed_warnings": "Failed, warnings",
    "state": "Current state of the load",
}
EXPECTATION_COLUMNS = {
    "evaluated_at_utc": "Checked (UTC)",
    "column_name": "Column",
    "expectation": st.column_config.TextColumn("Expectation", width="medium"),
    "unexpected": "Unexpected rows",
    "checked": "Checked rows",
    "reason": wide_column("Why it matters"),
}
NODE_COLUMNS = {
    "resource_type": "Type",
    "node": wide_column("Name"),
    "failures": "Failing rows",
    "message": wide_column("Message of dbt"),
}
ROW_COUNT_COLUMNS = {
    "rows_rejected": "Rejected rows",
    "rejected_share": "Share rejected",
    "rows_repeated": "Duplicate rows",
}
FRESHNESS_COLUMNS = {
    "loaded_at_utc": "New rows loaded (UTC)",
    "rows": "Rows published",
    "tried_at_utc": "Last load in any state (UTC)",
}
TABLE_COLUMNS = {
    "name": "Table",
    "rows_before": "Rows in the previous publication",
    "change": st.column_config.NumberColumn("Change", format="%+,d"),
}


def render(view: View) -> None:
    """Draw the page."""
    with show_failures(view):
        publication = view.warehouse.publication
        published_at = format_time(publication.published_at_utc)
        st.caption(f"The current publication is {publication.publication_id} of {published_at}.")
        # where nothing is published, the failure shows it
        show_last_run(view)
    ops = view.ops
    if ops is None:
        raise NothingToShowError("there was no run yet; `data-stack run` loads, checks and publishes")
    titles = {queries.ALL_SOURCES: "All sources"} | {source.name: source.title for source in SOURCES}
    source_name = filters.choose("source", "Source", titles, queries.ALL_SOURCES)
    runs = int(filters.choose("runs", "Runs", RUNS, "30"))
    _show_key_figures(ops, source_name, runs)
    held = queries.get_held_back(ops, source_name)
    _show_table_or_caption(held, "held-back", "Held back", HELD_BACK_COLUMNS, "No source is held back.")
    _show_pending_loads(queries.get_pending_loads(ops, source_name))
    accepted = queries.get_accepted_loads(ops, source_name)
    columns = {"reason": wide_column("Reason"), "decided_by": "Accepted by", "decided_at_utc": "Accepted (UTC)"}
    _show_table_or_caption(
        accepted, "accepted-loads", "Manually accepted loads", columns, "No load was accepted manually."
    )
    with show_failures(view):
        _show_gates(ops, source_name, runs)
    with show_failures(view):
        _show_builds(ops, runs)
    with show_failures(view):
        _show_row_counts(ops, source_name)
    _show_freshness(view, ops, source_name)
    with show_failures(view):
        _show_published_rows(ops, source_name, runs)
    with show_failures(view):
        _show_durations(ops, runs)


def _show_key_figures(ops: Ops, source_name: str, runs: int) -> None:
    gates, build = queries.get_gates(ops, source_name, runs), queries.get_builds(ops, runs).head(1)
    last = gates.filter(pl.col("run_id") == pl.col("run_id").first())
    failed = _sum_columns(last, "failed_critical", "failed_warnings")
    failed_tests = _sum_columns(build, "tests_failed", "tests_warned")
    accepted = queries.get_accepted_loads(ops, source_name).height
    show_metrics(
        Metric(
            "Pending loads", queries.get_pending_loads(ops, source_name).height, note="Pending, or failed their gate"
        ),
        Metric("Accepted loads", accepted, note="Accepted manually, with a recorded reason"),
        Metric("Failed expectations", failed, note="In the last run with a gate"),
        Metric("Failed dbt tests", failed_tests, note="In the last build, including warnings"),
    )


def _sum_columns(frame: pl.DataFrame, *columns: str) -> int | None:
    return sum(int(frame[name].sum()) for name in columns) if frame.height else None


def _show_pending_loads(frame: pl.DataFrame) -> None:
    st.subheader("Pending loads")
    if frame.is_empty():
        st.caption("There is no pending load: each one passed its gate, was accepted manually or was replaced.")
        return
    st.warning(
        "A load is published once it has passed; until then what its source had before stays. Fix the data and run"
        " `data-stack run` again, or accept the load, which is recorded:",
        icon=":material/front_hand:",
    )
    st.code("\n".join(frame["next"]), language="bash")
    columns = {"reason": wide_column("Gate result"), "next": wide_column("Next command")}
    show_table(frame, "pending-loads", "Loads that are pending or failed their gate", columns)


def _show_gates(ops: Ops, source_name: str, runs: int) -> None:
    st.subheader("Gates")
    frame = queries.get_gates(ops, source_name, runs)
    require_rows(frame, "no gate ran in these runs; `data-stack validate` checks the pending loads")
    show_table(frame, "gates", f"Gates by run and load, last {runs} runs", GATE_COLUMNS)
    failed, title = queries.get_failed_expectations(ops, source_name, runs), f"Failed expectations, last {runs} runs"
    _show_table_or_caption(
        failed, "failed-expectations", title, EXPECTATION_COLUMNS, "No expectation failed in these runs."
    )


def _show_builds(ops: Ops, runs: int) -> None:
    st.subheader("dbt builds")
    frame = queries.get_builds(ops, runs)
    require_rows(frame, "there was no build in these runs; `data-stack run` builds from the loads that passed")
    show_table(frame, "builds", f"dbt models and tests by build, last {runs} runs")
    failed, title = queries.get_failed_nodes(ops, runs), f"Failed or warning dbt models and tests, last {runs} runs"
    nothing = "No model failed, and no test failed or warned in these builds."
    _show_table_or_caption(failed, "failed-nodes", title, NODE_COLUMNS, nothing)


def _show_table_or_caption(
    frame: pl.DataFrame, name: str, title: str, columns: dict[str, object], caption: str
) -> None:
    """Show a table, or a caption if it has no rows; the other arguments are those of `show_table`."""
    if frame.is_empty():
        st.caption(caption)
    else:
        show_table(frame, name, title, columns)


def _show_row_counts(ops: Ops, source_name: str) -> None:
    st.subheader("Loads and rejected rows")
    frame = queries.get_loads(ops, source_name)
    require_rows(frame, "nothing is loaded; `data-stack run` loads and publishes")
    show_table(frame, "loads", "Rows read, loaded, rejected and duplicate by load", ROW_COUNT_COLUMNS)
    st.caption("`data-stack peek SOURCE` lists file, line and reason of rejected rows.")


def _show_freshness(view: View, ops: Ops, source_name: str) -> None:
    st.subheader("Freshness")
    stale_after_days = view.settings.stale_after_days
    publication = view.warehouse.publication if view.settings.warehouse_file.exists() else None
    frame = queries.get_freshness(ops, publication, source_name, stale_after_days)
    show_table(frame, "freshness", "Last new rows and last day of each source", FRESHNESS_COLUMNS)
    st.caption(f"A source is stale after {stale_after_days} days without new rows (`STALE_AFTER_DAYS`).")


def _show_published_rows(ops: Ops, source_name: str, publications: int) -> None:
    st.subheader("Rows published")
    frame = queries.get_source_rows(ops, publications)
    require_rows(frame, "nothing is published; `data-stack run` publishes what has passed")
    if frame["published_at_utc"].n_unique() == 1:
        st.caption("There is only one publication; the charts start with the second one.")
    else:
        _show_rows_by_publication(frame, source_name)
    show_table(queries.get_table_rows(ops), "rows", "Rows by table of the last publication", TABLE_COLUMNS)


def _show_rows_by_publication(frame: pl.DataFrame, source_name: str) -> None:
    st.caption("Rows of each source by publication.")
    # one chart per source: a common axis would flatten the smaller ones
    sources = [one for one in SOURCES if source_name in (queries.ALL_SOURCES, one.name)]
    columns: list[DeltaGenerator] = []
    for one in sources:
        # a new row of columns, as wide as the one above it
        columns = columns or st.columns(min(len(sources), CHARTS_PER_ROW), vertical_alignment="bottom")
        part = frame.filter(pl.col("source") == one.name)
        figure = charts.draw_lines(part, "published_at_utc", {one.title: "rows"}, "", "Rows", ",.0f rows")
        figure.update_traces(mode="lines+markers")
        figure.update_layout(height=260, hovermode="closest", margin={"t": 10})
        with columns.pop(0):
            charts.show(figure, one.title)


def _show_durations(ops: Ops, runs: int) -> None:
    st.subheader("Duration of the pipeline")
    last, steps = queries.get_last_runs(ops, runs), queries.get_steps(ops, runs)
    require_rows(steps, "no step was recorded in these runs; `data-stack run` runs all of them")
    note = "From the oldest run to the latest; a killed step has no duration."
    charts.show(draw_durations(last, steps), f"Seconds by run and step, last {runs} runs", note)
    show_table(steps, "steps", f"Steps, last {runs} runs", {"detail": wide_column("Details")})
    show_table(last, "runs", f"Runs, last {runs} runs", {"error": wide_column("Error")})


def draw_durations(runs: pl.DataFrame, steps: pl.DataFrame) -> go.Figure:
    """Draw the seconds of each run, stacked by step, with a mark on runs that failed.

    Args:
        runs: Rows of `queries.get_last_runs`.
        steps: Rows of `queries.get_steps` of the same runs.
    """
    ordered = runs.sort("started_at_utc")
    found = set(steps["step"])
    # an unknown step comes last
    names = [*(name for name in STEPS if name in found), *sorted(found - set(STEPS))]
    summed = steps.group_by("run_id", "step").agg(pl.col("seconds").sum()).pivot("step", index="run_id")
    frame = ordered.join(summed, on="run_id", how="left", maintain_order="left")
    series = {name.capitalize(): name for name in names}
    figure = charts.draw_stacked_bars(frame, "run_id", series, "Start of the run (UTC)", "Seconds", ",.1f s")
    _mark_failed_runs(figure, frame.with_columns(total=pl.sum_horizontal(names)))
    return figure.update_xaxes(
        type="category",
        tickvals=ordered["run_id"].to_list(),
        ticktext=[f"{started.day} {started:%b %H:%M}" for started in ordered["started_at_utc"]],
    )


def _mark_failed_runs(figure: go.Figure, frame: pl.DataFrame) -> None:
    marked = frame.filter(pl.col("status").is_in(("failed", "interrupted")))
    if marked.is_empty():
        return
    # above the bar of the run
    room = 0.04 * max(frame["total"].to_list())
    figure.add_scatter(
        x=marked["run_id"].to_list(),
        y=(marked["total"] + room).to_list(),
        name="Failed or interrupted",
        mode="markers",
        marker={"symbol": "x", "size": 10, "color": VERMILION},
        customdata=marked["status"].to_list(),
        hovertemplate="%{customdata}",
    )

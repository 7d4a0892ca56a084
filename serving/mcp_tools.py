"""What the tools of the MCP server and of the agents answer, as typed values; each method takes its caller's role."""

from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from pydantic import BaseModel

from data_stack.errors import NotFoundError
from data_stack.locks import Locks
from data_stack.metrics.query import MetricInfo, MetricQuery, MetricResult
from data_stack.ops import Ops
from data_stack.raw import query_raw
from data_stack.registry import SOURCES, Source, get_source
from data_stack.role import Role
from data_stack.settings import Settings
from data_stack.sql_door.access import Reader
from data_stack.sql_door.door import QueryResult, SqlDoor
from data_stack.tables import TableInfo, describe_tables
from serving.open_metrics import OpenMetrics
from serving.roles import Permission, is_allowed, require

_REASONS = "select reason, count(*), count(distinct batch) from raw.rejects group by 1 order by 2 desc, 1 limit {}"


class MetricSummary(BaseModel):
    """A metric, in short; `describe_metric` says what can be asked of it."""

    name: str
    description: str
    unit: str
    is_personal: bool


class MetricList(BaseModel):
    """The metrics."""

    metrics: list[MetricSummary]


class TableSummary(BaseModel):
    """A published table, in short; `describe` with its name says what its columns mean."""

    name: str
    grain: str
    description: str
    rows: int | None
    columns: list[str]


class Description(BaseModel):
    """The published tables: all of them in short, or one with everything that is known of it.

    Attributes:
        tables: All tables that the caller may read; empty if one was asked for.
        table: The one that was asked for.
    """

    tables: list[TableSummary] = []
    table: TableInfo | None = None


class RunSummary(BaseModel):
    """A run, in short."""

    run_id: str
    command: str
    sources: str
    status: str
    started_at_utc: str
    finished_at_utc: str | None
    error: str | None


class RunList(BaseModel):
    """Some runs, the latest first; of one run that was asked for, the steps too."""

    runs: list[RunSummary]
    steps: list[dict[str, str | int | float | None]] = []


class RejectReason(BaseModel):
    """Why rows of a source were rejected.

    Attributes:
        source_name: The source.
        reason: Without values of the rows.
        rows: How many.
        batches: In how many files or answers of the provider.
    """

    source_name: str
    reason: str
    rows: int
    batches: int


class RejectList(BaseModel):
    """The rejected rows that are in the raw files, counted by reason."""

    rejects: list[RejectReason]


@dataclass
class Tools:
    """Answers the tools; several threads may ask at once.

    Attributes:
        settings: Whose data folder.
        is_local: Whether the model that reads the answers runs on this machine: it may see sums of personal sources.
        shows_personal: Whether a role that may read personal data gets it.
    """

    settings: Settings
    is_local: bool = False
    shows_personal: bool = True
    _doors: dict[Reader, SqlDoor] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self._metrics = OpenMetrics(self.settings)

    def close(self) -> None:
        """End the processes that answer SQL, and close the published file."""
        for door in self._doors.values():
            door.close()
        self._metrics.close()

    def list_metrics(self, role: Role) -> MetricList:
        """All metrics, also those whose values the role may not read."""
        require(role, Permission.READ_METRICS)
        found = self._metrics.open().list()
        return MetricList(metrics=[MetricSummary(**info.model_dump(include=_SUMMARY)) for info in found])

    def describe_metric(self, role: Role, name: str) -> MetricInfo:
        """What a metric means, and what can be asked of it."""
        require(role, Permission.READ_METRICS)
        return self._metrics.open().describe(name)

    def query_metrics(self, role: Role, query: MetricQuery) -> MetricResult:
        """The values of metrics; only some roles may read those that come from personal data."""
        require(role, Permission.READ_METRICS)
        metrics = self._metrics.open()
        personal = [name for name in query.metrics if metrics.describe(name).is_personal]
        if personal and not self.is_local:
            require(role, Permission.READ_PERSONAL, f"{', '.join(personal)}: computed from personal data")
        return metrics.query(query)

    def describe(self, role: Role, table: str | None) -> Description:
        """The published tables that the role may read, or one of them."""
        require(role, Permission.QUERY_TABLES)
        found = describe_tables(self.settings.warehouse_file, self._choose_reader(role), table)
        if table is not None:
            return Description(table=found[0])
        return Description(tables=[_summarize(info) for info in found])

    def query(self, role: Role, sql: str, rows: int) -> QueryResult:
        """Rows of one select on the published tables that the role may read."""
        require(role, Permission.QUERY_TABLES)
        reader = self._choose_reader(role)
        with self._lock:
            door = self._doors.setdefault(reader, SqlDoor(self.settings.warehouse_file, reader))
        return door.query(sql, rows)

    def list_runs(self, role: Role, run_id: str | None, limit: int) -> RunList:
        """The latest runs, or one with its steps."""
        require(role, Permission.READ_RUNS)
        ops = Ops.existing(self.settings)
        if run_id is None:
            return RunList(runs=[_make_run(row) for row in (ops.find_runs(limit) if ops else [])])
        row = ops.find_run(run_id) if ops else None
        if ops is None or row is None:
            raise NotFoundError(f"there is no run {run_id!r}; without a run_id, the tool lists the latest ones")
        steps = ops.query("select * from steps where run_id = ? order by rowid", [run_id])
        return RunList(runs=[_make_run(row)], steps=steps)

    def list_rejects(self, role: Role, source_name: str | None, limit: int) -> RejectList:
        """Why rows were rejected, by source and reason."""
        require(role, Permission.READ_RUNS)
        chosen = [get_source(source_name)] if source_name else SOURCES
        return RejectList(rejects=[reason for source in chosen for reason in self._read_reasons(source, limit)])

    def _read_reasons(self, source: Source, limit: int) -> list[RejectReason]:
        # a run that loads the source has it for itself
        with Locks(self.settings, "mcp").hold(source.lock, shared=True):
            found = query_raw(self.settings, source, _REASONS.format(int(limit)))
        return [
            RejectReason(source_name=source.name, reason=reason, rows=rows, batches=batches)
            for reason, rows, batches in found
        ]

    def _choose_reader(self, role: Role) -> Reader:
        if self.shows_personal and is_allowed(role, Permission.READ_PERSONAL):
            return "owner_shown"
        return "household" if self.is_local else "analyst"


_SUMMARY = set(MetricSummary.model_fields)


def _summarize(info: TableInfo) -> TableSummary:
    known: dict[str, Any] = info.model_dump(include={"name", "grain", "description", "rows"})
    return TableSummary(**known, columns=[column.name for column in info.columns])


def _make_run(row: dict[str, Any]) -> RunSummary:
    return RunSummary(**{name: row[name] for name in RunSummary.model_fields})

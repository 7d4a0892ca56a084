"""Values of personal columns, pushed through every way in which a run can fail, appear in no text."""

import shutil
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from parsed_project import skip_unit_tests
from source_parts import find_part
from sources.transactions.canaries import CANARIES, canary_row
from sources.transactions.provider import write_export

from data_stack.errors import TerminalError
from data_stack.registry import SOURCES, Source, get_source
from data_stack.settings import Settings
from dlt_pipeline.transactions import TransactionsReader
from orchestration import steps
from orchestration.cli.app import execute

TRANSACTIONS = get_source("transactions")

pytestmark = pytest.mark.usefixtures("parsed_settings", "without_data_tests")


@pytest.fixture
def exports(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows of which each personal column is a canary."""
    skip_unit_tests(settings)
    rows = [canary_row(f"2024-01-{day:02}") for day in range(1, 29)]
    write_export(tmp_path / "exports", "a.csv", rows)
    monkeypatch.setenv("TRANSACTIONS_PATH", str(tmp_path / "exports"))
    return tmp_path / "exports"


@pytest.mark.parametrize(
    "source", [source for source in SOURCES if source.personal_columns], ids=lambda source: source.name
)
def test_every_personal_column_has_a_canary(source: Source) -> None:
    assert set(find_part(source.name, "canaries").CANARIES) == source.personal_columns


def too_many_rejects(exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_export(exports, "b.csv", [canary_row("2024-02-30"), canary_row("2024-02-01", amount="86753.09 CANARY")])


def quotation_marks(exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_export(exports, "b.csv", [canary_row("2024-02-01"), f'2024-02-02,"{CANARIES["name"]},1'])


def error_in_the_reader(exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError(f"could not parse {CANARIES}")

    monkeypatch.setattr(TransactionsReader, "read", fail)


def failed_gate(exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    write_export(exports, "b.csv", [canary_row("2024-02-01", type=CANARIES["note"], status=CANARIES["tags"])])


def constraint_in_the_load_step(exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert execute(["ingest", "transactions"]) == 0
    with duckdb.connect(str(settings.raw_file("transactions"))) as db:
        db.execute("delete from raw.transactions; create unique index one_name on raw.transactions (name)")
    write_export(exports, "b.csv", [canary_row("2024-02-01"), canary_row("2024-02-02")])


def failing_frame(exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    from data_quality.check import Check, find_suite

    suite = find_suite("transactions")
    sql = "select name as key, cast(name as integer) as n from raw.transactions"
    broken = Check("rows", sql, suite[0].expectations)
    monkeypatch.setattr("data_quality.suites.transactions.CHECKS", (broken,))


def failing_model(exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    import dbt_runner.build as runner

    project = settings.data_dir.parent / "dbt"
    shutil.copytree(runner.DBT_DIR, project, ignore=shutil.ignore_patterns("target", "logs"))
    sql = "select cast(name as integer) as n from {{ ref('stg_transactions__transactions') }}"
    (project / "models" / "core" / "broken.sql").write_text(sql)
    monkeypatch.setattr(runner, "DBT_DIR", project)


RUN = ("run", "--sources", "transactions")
INGEST = ("ingest", "transactions")
# a whole run for one failure of each step; for the others, the commands up to the step that fails
FAILURES: dict[str, tuple[Callable[[Path, Settings, pytest.MonkeyPatch], None], tuple[tuple[str, ...], ...]]] = {
    "too many rejects": (too_many_rejects, (RUN,)),
    "quotation marks": (quotation_marks, (INGEST,)),
    "an error in the reader": (error_in_the_reader, (INGEST,)),
    "a failed gate": (failed_gate, (RUN,)),
    "a constraint in the load step": (constraint_in_the_load_step, (INGEST,)),
    "a frame that fails": (failing_frame, (INGEST, ("validate", "transactions"))),
    "a model that fails": (failing_model, (RUN,)),
}


def texts_of(settings: Settings) -> Iterator[Path]:
    """Every file of the data folder but databases with rows, what waits to be loaded into them, and landed bytes."""
    rows = {settings.dlt_state_dir("transactions"), settings.landing_dir("transactions") / "objects"}
    for path in settings.data_dir.rglob("*"):
        is_database = path.suffix in (".duckdb", ".wal", ".parquet")
        if path.is_file() and not is_database and rows.isdisjoint(path.parents):
            yield path


def assert_no_canary(text: str | bytes, where: object) -> None:
    content = text if isinstance(text, bytes) else text.encode()
    for column, canary in CANARIES.items():
        # four digits alone are in many identifiers
        if column != "account_mask":
            assert canary.encode() not in content, (where, column)


@pytest.mark.parametrize("failure", FAILURES)
def test_no_personal_value_is_in_a_text(
    failure: str, exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    break_it, commands = FAILURES[failure]
    break_it(exports, settings, monkeypatch)
    assert [execute([*command]) for command in commands] == [*[0] * (len(commands) - 1), 1]
    assert execute(["status"]) == 0
    assert execute(["status", "--json"]) == 0
    assert execute(["peek", "transactions"]) in (0, 1)
    printed = "".join(capfd.readouterr())
    assert "error: " in printed
    assert_no_canary(printed, "printed")
    for path in texts_of(settings):
        assert_no_canary(path.read_bytes(), path)


def test_an_error_that_airflow_logs_has_no_cause(
    exports: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    constraint_in_the_load_step(exports, settings, monkeypatch)
    (exports / "a.csv").unlink()
    run = steps.Run.begin(settings, "dag", "dag")
    with pytest.raises(TerminalError, match="dlt failed in its load step") as loading, steps.drop_causes():
        steps.ingest(run, TRANSACTIONS, None)
    error_in_the_reader(exports, settings, monkeypatch)
    assert execute(["reset", "transactions", "--yes"]) == 0
    with pytest.raises(TerminalError, match="unexpected ValueError") as reading, steps.drop_causes():
        steps.ingest(run, TRANSACTIONS, None)
    for raised in (loading.value, reading.value):
        assert_no_canary("".join(traceback.format_exception(raised)), "traceback")

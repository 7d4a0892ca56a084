"""`data-stack metrics`: tables for people, JSON, CSV and SQL for programs, and sentences for what cannot be asked."""

import csv
import io
import json
import subprocess
import sys

import pytest
from metric_support import Fetch

from data_stack.settings import Settings
from orchestration.cli.app import execute


@pytest.fixture(autouse=True)
def published(metric_settings: Settings, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command looks at the publication with the rows of the tests."""
    monkeypatch.setenv("DATA_DIR", str(metric_settings.data_dir))


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert execute(["metrics", *arguments]) == 0
    return capsys.readouterr().out


def fail(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    assert execute(["metrics", *arguments]) == 2
    return " ".join(capsys.readouterr().err.split())


def test_the_list_has_unit_dimensions_and_freshness(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {row["name"]: row for row in json.loads(run(capsys, "list", "--json"))}
    line = next(line for line in run(capsys, "list").splitlines() if " loaded_rows " in line)
    cells = [cell.strip() for cell in line.strip("│").split("│")]
    assert cells == ["loaded_rows", "rows", "source, state", "day", listed["loaded_rows"]["data_until"]]


def test_a_metric_is_shown_with_its_description(capsys: pytest.CaptureFixture[str]) -> None:
    text = run(capsys, "show", "reject_share")
    for part in (
        "Rejected rows divided by the rows read, 0 to 1.",
        "ratio",
        "data-quality",
        "day, week, month, quarter",
    ):
        assert part in text
    assert json.loads(run(capsys, "show", "reject_share", "--json"))["unit"] == "share"


def test_the_answer_is_the_same_in_every_form(capsys: pytest.CaptureFixture[str], fetch: Fetch) -> None:
    question = ["query", "loaded_rows", "reject_share", "--by", "source", "--where", "source in of tests 0, of tests 1"]
    answer = json.loads(run(capsys, *question, "--json"))
    expected = fetch(
        "select source, sum(rows_loaded), sum(rows_rejected) / sum(rows_read) from ops.loads"
        " where source like 'of tests %' group by 1 order by 1"
    )
    assert [tuple(row) for row in answer["rows"]] == [pytest.approx(row) for row in expected] != []
    rows = list(csv.reader(io.StringIO(run(capsys, *question, "--csv"))))
    assert rows[0] == ["source", "loaded_rows", "reject_share"]
    assert [[row[0], float(row[1])] for row in rows[1:]] == [[row[0], float(row[1])] for row in expected]
    assert fetch(run(capsys, *question, "--sql")) == [pytest.approx(row) for row in expected]
    table = run(capsys, *question)
    assert "loaded_rows (rows)" in table and "reject_share (share)" in table
    assert f"{round(expected[0][2], 4)}" in table


def test_a_period_is_asked_by_its_grain_and_ordered(capsys: pytest.CaptureFixture[str]) -> None:
    question = ["query", "loads", "--by", "date__day", "--order", "-date", "--limit", "2", "--json"]
    answer = json.loads(run(capsys, *question))
    assert answer["query"]["grain"] == "day" and answer["query"]["limit"] == 2
    days = [row[0] for row in answer["rows"]]
    assert days == sorted(days, reverse=True) and len(days) == 2
    capped = json.loads(run(capsys, *question, "--from", days[1], "--to", days[1]))
    assert capped["rows"] == [answer["rows"][1]]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["show", "load"], "error: there is no metric 'load'; near: loads"),
        (["query", "loads", "--where", "source"], "error: --where 'source' is no filter; write one like"),
        (["query", "loads", "--where", "source ="], "error: --where 'source =' is no filter; write one like"),
        (["query", "loads", "--by", "date__decade"], "error: grain: Input should be 'day', 'week', 'month', 'quarter'"),
        (
            ["query", "loads", "--by", "date__day", "--by", "date__month"],
            "an answer has one grain, and --by asks for day",
        ),
        (
            ["query", "loads", "--from", "2024-02-01", "--to", "2024-01-01"],
            "the period begins on 2024-02-01, after its end",
        ),
        (["query", "loads", "--json", "--csv"], "error: choose one of --json, --csv and --sql"),
        (["query", "Loads!"], "error: metrics 0: String should match pattern"),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert sentence in fail(capsys, *arguments)


def test_without_a_publication_the_error_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATA_DIR", "/nonexistent")
    assert execute(["metrics", "list"]) == 1
    assert "there is no published warehouse at" in capsys.readouterr().err


def test_the_list_needs_neither_dbt_nor_metricflow(metric_settings: Settings) -> None:
    code = (
        "import sys; from orchestration.cli.app import execute; execute(['metrics', 'list', '--json']);"
        "print([name for name in ('dbt', 'metricflow', 'dbt_semantic_interfaces', 'jinja2') if name in sys.modules],"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"

"""Values of personal columns are in no output: JSON, HTML, terminal, drafts or errors."""

import json
import re
from pathlib import Path

import duckdb
import pytest

from data_stack.registry import SOURCES
from data_stack.settings import Settings
from orchestration.cli.app import execute
from scaffold.profile.personal import find_personal_name, has_card_numbers
from scaffold.profile.read import profile_file

# header and value per column, by name or by what the values look like
CANARIES = {
    "name": "Canary Smith",
    "Last Name": "Canarysmith",
    "e-mail": "canary@example.com",
    "homePhone": "867 5309 867",
    "address": "1 Canary Lane",
    "birth_year": "1907",
    "ssn": "867-53-0999",
    "account": "Canary Account",
    "note": "canary-note",
    "salary": "86753.09",
    "ip": "198.51.100.77",
    "reach_at": "canary.two@example.org",
    "dial": "+15558675309",
    "payment_ref": "4111 1111 1111 1111",
    "number": "5555555555554444",
    "bank_ref": "GB82 WEST 1234 5698 7654 32",
    "origin_host": "203.0.113.99",
}


def write_canaries(path: Path) -> None:
    header = ",".join(["station_name", *CANARIES])
    path.write_text("\n".join([header, *(",".join([f"Stop {n % 2}", *CANARIES.values()]) for n in range(30))]))


def test_no_value_of_a_personal_column_is_in_any_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "people.csv"
    write_canaries(path)

    assert execute(["profile", str(path), "--out", str(tmp_path / "out"), "--compare", str(path)]) == 0
    assert execute(["profile", str(path), "--json"]) == 0

    captured = capfd.readouterr()
    texts = [captured.out, captured.err, *(file.read_text() for file in (tmp_path / "out").iterdir())]
    assert len(texts) == 4
    assert not [value for value in CANARIES.values() for text in texts if value in text]
    assert all("Stop 1" in text for text in (captured.out, *texts[2:]))


def test_every_canary_is_found_and_shown_on_request(tmp_path: Path, settings: Settings) -> None:
    path = tmp_path / "people.csv"
    write_canaries(path)

    hidden = profile_file(str(path), settings)
    shown = profile_file(str(path), settings, show_personal=True)

    assert [column.name for column in hidden.columns if not column.is_personal] == ["station_name"]
    assert [top.value for top in shown.get_column("note").top or []] == ["canary-note"]
    assert hidden.get_column("salary").negatives == 0


def test_the_publication_decides_about_its_columns(settings: Settings, capfd: pytest.CaptureFixture[str]) -> None:
    settings.data_dir.mkdir(parents=True)
    with duckdb.connect(str(settings.warehouse_file)) as db:
        db.execute("create schema core; create schema ops")
        db.execute(
            "create table core.fct_visits as select 'V' || i as visit_id, 'CANARY' as guest, 'Hall' as name"
            " from range(9) t(i)"
        )
        db.execute(
            "create table ops.personal_columns as select 'core.fct_visits' as table_name, 'guest' as column_name"
        )

    assert execute(["profile", "--table", "core.fct_visits", "--json"]) == 0
    document = json.loads(capfd.readouterr().out)
    assert [column["is_personal"] for column in document["columns"]] == [False, True, False]
    assert "CANARY" not in json.dumps(document)
    assert execute(["profile", "--table", "core.fct_nothing"]) == 2
    assert "it has core.fct_visits" in capfd.readouterr().err


def test_wrong_usage_and_unreadable_files_end_with_a_sentence(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "a.json"
    broken.write_text('[{"name": "CANARY"')

    assert (execute(["profile"]), execute(["profile", str(broken)])) == (2, 1)
    message = capfd.readouterr().err
    assert "give either a file or --table" in message
    assert "check that it is complete" in message
    assert "CANARY" not in message


def test_markup_in_values_stays_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text("kind,n\n" + "<script>x</script>,1\n[red]\x1b[2J,2\n" * 3)

    assert execute(["profile", str(path), "--out", str(tmp_path / "out")]) == 0

    page = (tmp_path / "out" / "profile.html").read_text()
    assert "<script>" not in page
    assert not re.search(r"(src|href)=|@import|url\(", page)
    out = capfd.readouterr().out
    assert "[red]" in out
    assert "\x1b[2J" not in out


@pytest.mark.parametrize(
    ("name", "is_personal"),
    [
        ("first_name", True),
        ("EMailAddress", True),
        ("card_number", True),
        ("start_station_name", False),
        ("shipping", False),
        ("ip", True),
        ("account_mask", True),
        ("rideable_type", False),
    ],
)
def test_names_of_personal_columns(name: str, is_personal: bool) -> None:
    assert bool(find_personal_name(name)) is is_personal


@pytest.mark.parametrize("column", sorted({column for source in SOURCES for column in source.personal_columns}))
def test_personal_columns_of_the_registry(column: str) -> None:
    assert find_personal_name(column).startswith("personal column of the source")


def test_numbers_without_valid_check_digits_are_no_cards() -> None:
    assert has_card_numbers(["4111111111111111", "5555555555554444"])
    assert not has_card_numbers(["4111111111111112", "5555555555554441"])

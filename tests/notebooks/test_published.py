"""What every notebook starts with: the opened publication, personal columns hidden."""

import shutil
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from notebook_support import publish_tables
from registered import ACCOUNTS, VISITS, set_sources

from data_stack.settings import Settings
from published import NotReadyError, open_published, show_answer, show_table

AMOUNT = "core.fct_accounts.amount"
QUERY = "select name, amount, category from core.fct_accounts order by category"
BUILD = """
create table core.fct_accounts (updated_on date, name varchar, amount decimal(18, 2), category varchar);
insert into core.fct_accounts values
    ('2024-01-01', 'Canary', 77.31, 'a'), ('2024-01-02', 'Canary', 2, 'b'), ('2024-01-03', 'Other', 3, 'c');
create table core.fct_visits (day_utc date);
insert into gate.personal_columns select 'core.fct_accounts', unnest(['name', 'amount']), true;
"""


@pytest.fixture(scope="module")
def publication(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published file with three accounts."""
    with pytest.MonkeyPatch.context() as patch:
        set_sources(patch, (ACCOUNTS, VISITS))
        return publish_tables(Settings.load(data_dir=tmp_path_factory.mktemp("publication")), BUILD)


@pytest.fixture(autouse=True)
def only_accounts_and_visits(clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No source is registered but those that only tests have."""
    set_sources(monkeypatch, (ACCOUNTS, VISITS))


@pytest.fixture
def published(publication: Path, settings: Settings) -> Settings:
    """The publication in the test's own data folder."""
    settings.data_dir.mkdir(parents=True)
    shutil.copyfile(publication, settings.warehouse_file)
    return settings


def test_personal_columns_are_hidden(published: Settings) -> None:
    names, amounts, categories = open_published("accounts").fetch_frame(QUERY).get_columns()
    assert all(name.startswith("hidden-") for name in names)
    assert (names[0] == names[1], names[0] == names[2]) == (True, False)
    assert (amounts.to_list(), categories.to_list()) == ([None] * 3, ["a", "b", "c"])


def test_a_summed_column_keeps_its_values_and_the_others_stay_hidden(published: Settings) -> None:
    row = open_published("accounts", summed=[AMOUNT]).fetch_row(f"{QUERY} limit 1")
    assert row["amount"] == Decimal("77.31")
    assert row["name"].startswith("hidden-")


@pytest.mark.parametrize(("value", "is_shown"), [("1", True), ("0", False), ("no", False), ("", False)])
def test_only_the_value_1_shows_personal_columns(
    published: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], value: str, is_shown: bool
) -> None:
    monkeypatch.setenv("SHOW_PERSONAL", value)
    opened = open_published("accounts")
    assert (opened.fetch_row(f"{QUERY} limit 1")["name"] == "Canary") is is_shown
    assert opened.smallest_group == (1 if is_shown else 3)
    assert ("Do not pass this report on" in capsys.readouterr().out) is is_shown


def test_the_first_cell_can_be_run_again(published: Settings) -> None:
    first = open_published("accounts")
    again = open_published("accounts")
    assert again.fetch_frame(QUERY).height == 3
    assert again.publication == first.publication


def test_the_publication_and_its_rows_are_shown(published: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    publication = open_published("accounts").publication
    shown = capsys.readouterr().out
    assert f"Publication {publication.publication_id} of {publication.published_at_utc:%Y-%m-%d %H:%M} UTC" in shown
    assert "Rows of the facts: accounts 3." in shown
    assert "does not record whether its data is live or generated" in shown


@pytest.mark.parametrize(
    ("origins", "text"),
    [
        pytest.param({"accounts": "live"}, "comes from the live providers", id="live"),
        pytest.param({"accounts": "sample"}, "is generated", id="sample"),
        pytest.param({"accounts": "live", "visits": "sample"}, "comes from the live providers", id="visits empty"),
    ],
)
def test_the_origin_of_the_rows_is_shown(
    published: Settings, capsys: pytest.CaptureFixture[str], origins: dict[str, str], text: str
) -> None:
    with duckdb.connect(str(published.warehouse_file)) as db:
        for source, origin in origins.items():
            change = f'{{"{source}": {{"origin": "{origin}"}}}}'
            db.execute("update ops.publications set sources = json_merge_patch(sources, ?)", [change])
    open_published("accounts")
    assert text in capsys.readouterr().out


def test_a_source_without_rows_is_not_ready(published: Settings) -> None:
    with pytest.raises(NotReadyError, match="visits: the published warehouse has no rows of it"):
        open_published("accounts", "visits")


def test_without_a_publication_nothing_is_ready(settings: Settings) -> None:
    with pytest.raises(NotReadyError, match="there is no published warehouse at"):
        open_published("accounts")


def test_a_publication_that_does_not_name_its_personal_columns_is_not_shown(
    published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with duckdb.connect(str(published.warehouse_file)) as db:
        db.execute("drop table ops.personal_columns")
    with pytest.raises(NotReadyError, match="does not say which columns are personal"):
        open_published("accounts")
    monkeypatch.setenv("SHOW_PERSONAL", "1")
    assert open_published("accounts").fetch_frame(QUERY).height == 3


def test_names_are_escaped_and_values_kept(capsys: pytest.CaptureFixture[str]) -> None:
    show_answer("1.50 for <b>", amount=1.5)
    assert "1.50 for &lt;b&gt;" in capsys.readouterr().out


def test_a_table_shows_numbers_text_and_missing_values(capsys: pytest.CaptureFixture[str]) -> None:
    with duckdb.connect() as db:
        show_table(
            db.sql("select 1234 as some_rows, 0.5::double as share, true as is_wet, null as gap, '<i>' as name").pl()
        )
    shown = capsys.readouterr().out
    for cell in ("<th>some rows</th>", "<td>1,234</td>", "<td>0.50</td>", ">yes</td>", ">&lt;i&gt;</td>"):
        assert cell in shown

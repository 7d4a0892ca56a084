"""The notebooks: kept without outputs, run from top to bottom, right in what they answer, personal values hidden."""

import base64
import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from data_stack.settings import PROJECT_ROOT, Settings
from dlt_pipeline.sample.provider import SampleProvider
from dlt_pipeline.sample.spec import SampleSpec, generate
from orchestration.cli.app import execute as run_command

FOLDER = PROJECT_ROOT / "notebooks"
NOTEBOOKS = sorted(path.stem for path in FOLDER.glob("*.ipynb"))
# processor time of a whole notebook; a machine that is busy with something else takes longer, and is not at fault
CPU_SECONDS = 30
# a cell that takes so long hangs
CELL_SECONDS = 300
CANARY = "Canary"
"""Put before every name, account and recurring payment of the exports, and used as every tag and note."""
ODD_AMOUNTS = (77.31, 88.47, 20_066.53)
"""Amounts of the only transaction of a category, of a type and status, and of a band of amounts."""
Answers = dict[str, dict[str, Any]]
Edit = Callable[[duckdb.DuckDBPyConnection], None]


def cells(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return found


def sections(name: str) -> list[list[dict[str, Any]]]:
    """Cells by section, without those above the first one."""
    found: list[list[dict[str, Any]]] = []
    for cell in cells(name):
        if cell["cell_type"] == "markdown" and cell["source"][0].startswith("## "):
            found.append([])
        if found:
            found[-1].append(cell)
    return found


def test_the_notebooks_are_these() -> None:
    assert NOTEBOOKS == ["bike_eda", "transactions_eda", "weather_impact"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_is_kept_without_outputs(name: str) -> None:
    code = [cell for cell in cells(name) if cell["cell_type"] == "code"]
    assert [cell for cell in code if cell["outputs"] or cell["execution_count"] is not None] == []


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_section_begins_with_a_question_and_ends_with_an_answer(name: str) -> None:
    assert len(sections(name)) >= 5
    for section in sections(name):
        assert section[0]["source"][0].strip().endswith("?")
        last = "".join(section[-1]["source"])
        assert "\nshow_answer(" in last, section[0]["source"][0]
        assert last.rstrip().endswith(")")
        assert not re.search(r"\n\w", last[last.rindex("\nshow_answer(") + 1 :]), "something follows the answer"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_data_comes_through_the_helper_only(name: str) -> None:
    code = "".join("".join(cell["source"]) for cell in cells(name) if cell["cell_type"] == "code")
    assert code.count("open_published(") == 1
    assert not re.search(r"duckdb|read_csv|read_parquet|\braw\.", code)


# -- executed -------------------------------------------------------------------------------------------------------


def plant_canaries(exports: Path) -> None:
    """Put values that are easy to find into the personal columns of every row, and add a few single transactions."""
    for number, path in enumerate(sorted(exports.glob("*.csv"))):
        made_at = path.stat().st_mtime
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        if number == 0:
            # a day that the second export does not cover
            rent = next(row for row in rows if row["date"] == "2024-02-01" and row["category"].strip() == "Rent")
            odd, pending, large = (
                rent | {"name": f"Paid once {position}", "amount": str(amount), "recurring": ""}
                for position, amount in enumerate(ODD_AMOUNTS)
            )
            odd |= {"category": "Oddments", "parent category": "Oddments"}
            pending |= {"type": "internal transfer", "status": "pending"}
            at = rows.index(rent)
            rows[at:at] = [odd, pending, large]
        for row in rows:
            for column in ("name", "account", "recurring"):
                row[column] = row[column] and f"{CANARY} {row[column]}"
            row["tags"] = row["note"] = CANARY
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        # the order of the exports is that of their modification times
        os.utime(path, (made_at, made_at))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A published year of the sample, at a fifth of the demo's rides."""
    folder = tmp_path_factory.mktemp("notebooks")
    spec = SampleSpec(rides_per_day=60)
    sample = generate(folder / "sample", spec)
    plant_canaries(sample / "transactions")
    with pytest.MonkeyPatch.context() as patch, SampleProvider.of_sample(sample) as provider:
        patch.setenv("DATA_DIR", str(folder / "data"))
        for name, value in provider.environment.items():
            patch.setenv(name, value)
        assert run_command(["run", "--from", "2024-01-01", "--to", "2024-12-31"]) == 0
        yield folder / "data" / "warehouse.duckdb"


@pytest.fixture
def published(warehouse: Path, settings: Settings) -> Callable[[Edit | None], Settings]:
    """Publishes the sample in the test's own data folder, after an edit of its rows."""

    def publish(edit: Edit | None = None) -> Settings:
        settings.data_dir.mkdir(parents=True)
        shutil.copyfile(warehouse, settings.warehouse_file)
        if edit:
            with duckdb.connect(str(settings.warehouse_file)) as db:
                edit(db)
        return settings

    return publish


def execute(name: str, show_personal: bool = False) -> Any:
    """The notebook with its outputs."""
    # imported here because it takes two seconds, which the fast tests do not need
    from html_reports import execute_notebook

    return execute_notebook(FOLDER / f"{name}.ipynb", show_personal, cell_seconds=CELL_SECONDS)


def count_cpu_seconds() -> float:
    """Processor time of this process and of its children that have ended, such as the kernel of a notebook."""
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def answers(name: str) -> tuple[Answers, float]:
    """What a notebook answers, by section, and its seconds of processor time."""
    started = count_cpu_seconds()
    executed = execute(name)
    seconds = count_cpu_seconds() - started
    found: Answers = {}
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            title = cell.source.split("\n")[0].lstrip("# ")
        for output in cell.get("outputs", []):
            assert output.output_type == "display_data", f"{title}: {output}"
            if "answer" in output.metadata:
                found[title] = dict(output.metadata["answer"])
    return found, seconds


def ask(settings: Settings, sql: str) -> tuple[Any, ...]:
    with duckdb.connect(str(settings.warehouse_file), read_only=True) as db:
        row = db.execute(sql).fetchone()
    assert row is not None
    return row


@pytest.mark.slow
def test_bike_eda_says_what_the_facts_say(published: Callable[..., Settings]) -> None:
    settings = published()
    found, cpu_seconds = answers("bike_eda")
    assert cpu_seconds < CPU_SECONDS
    assert tuple(found["Which days can be compared?"].values()) == ask(
        settings,
        "select count(distinct c.date_local), count(t.ride_id) from core.fct_bike_coverage_daily c"
        " left join core.fct_trips t using (date_local) where c.is_complete",
    )
    assert tuple(found["How many rides are unusual?"].values()) == ask(
        settings,
        "select count(*), count(*) filter (duration_seconds < 60 or duration_seconds > 86400 or is_in_clock_change"
        " or start_station_id is null or end_station_id is null) from core.fct_trips",
    )
    assert tuple(found["How long do rides take?"].values()) == pytest.approx(
        ask(
            settings,
            "select median(m), avg(m), quantile_cont(m, 0.9) from (select duration_seconds::double / 60 as m"
            " from core.fct_trips where duration_seconds between 60 and 86400)",
        )
    )
    (ratio,) = ask(
        settings,
        "with days as (select c.date_local, count(t.ride_id) as n from core.fct_bike_coverage_daily c"
        " left join core.fct_trips t using (date_local) where c.is_complete group by 1)"
        " select avg(n) filter (isodow(date_local) >= 6) / avg(n) filter (isodow(date_local) < 6) from days",
    )
    assert found["When do people ride?"]["weekend_ratio"] == pytest.approx(ratio)
    (top,) = ask(
        settings,
        "with s as (select start_station_id, count(*) as n from core.fct_trips t"
        " join core.fct_bike_coverage_daily c using (date_local)"
        " where c.is_complete and c.is_complete_for_arrivals and has_start_station group by 1)"
        " select (select sum(n) from (select n from s order by n desc limit 10)) / sum(n) from s",
    )
    concentration = found["How concentrated are rides on few stations?"]
    assert concentration["top_share"] == pytest.approx(float(top))
    assert 0 < concentration["gini"] < 1


@pytest.mark.slow
def test_gini_is_zero_for_even_stations(published: Callable[..., Settings]) -> None:
    published(
        lambda db: db.execute("update marts.mart_station_flow_daily set departures = 3, arrivals = 3, net_flow = 0")
    )
    found, _ = answers("bike_eda")
    stations = found["Which stations drain, and which fill?"]
    assert (stations["drains"], stations["fills"], stations["moved"]) == (0, 0, 0)


@pytest.mark.slow
def test_transactions_eda_says_what_the_facts_say(published: Callable[..., Settings]) -> None:
    settings = published(
        lambda db: db.execute("update marts.mart_cash_flow_monthly set is_complete = month < date '2024-12-01'")
    )
    found, cpu_seconds = answers("transactions_eda")
    assert cpu_seconds < CPU_SECONDS
    assert tuple(found["Which transactions count?"].values()) == ask(
        settings,
        "with t as (select *, not is_excluded and type in ('regular', 'income') as counts from core.fct_transactions)"
        " select count(*), count(*) filter (counts), count(*) filter (counts and status = 'pending') from t",
    )
    spending, income = ask(
        settings,
        "select sum(amount) filter (type = 'regular'), -sum(amount) filter (type = 'income')"
        " from core.fct_transactions where not is_excluded and date < '2024-12-01'",
    )
    cash = found["How do income and spending change from month to month?"]
    assert cash == {"months": 11, "savings_rate": pytest.approx(float((income - spending) / income))}
    assert found["What would the totals be under other rules?"]["spending"] == pytest.approx(
        float(ask(settings, "select sum(amount) from marts.mart_spending_monthly")[0])
    )
    recurring, share = ask(
        settings,
        "select sum(amount) filter (is_recurring), sum(amount) filter (is_recurring) / sum(amount)"
        " from core.fct_transactions where type = 'regular' and not is_excluded and amount > 0",
    )
    recurs = found["Which payments recur?"]
    assert (recurs["recurring"], recurs["share"]) == pytest.approx((float(recurring), float(share)))


# -- the statistics -------------------------------------------------------------------------------------------------


def plant(effect: float, seed: int) -> Edit:
    """Rides with a known effect of wet hours, in a year whose cold months are the wet ones.

    Args:
        effect: Relative change in a wet hour, such as -0.3.
        seed: Of the noise: each day has its own level, beside that of each hour.
    """

    def edit(db: duckdb.DuckDBPyConnection) -> None:
        random = np.random.default_rng(seed)
        hours = db.execute(
            "select hour_utc, date_local, hour_of_day, weekday, month(date_local) as month, temperature_c"
            " from marts.mart_demand_hourly order by hour_utc"
        ).df()
        day = hours["date_local"].factorize()[0]
        winter = np.cos(2 * np.pi * (hours["month"] - 1) / 12)
        wet_spell = random.random(len(hours) // 4 + 1)[np.arange(len(hours)) // 4]
        wet = (wet_spell < 0.15 + 0.12 * winter).astype(float)
        level = (
            2.5 - 0.5 * winter + np.sin(np.pi * hours["hour_of_day"] / 24)
            + 0.2 * (hours["weekday"] < 6) + 0.02 * hours["temperature_c"].fillna(10)
        )  # fmt: skip
        noise = random.gamma(20, 1 / 20, day.max() + 1)[day] * random.gamma(10, 1 / 10, len(hours))
        mean = np.exp(level) * (1 + effect * wet) * noise
        hours["trips"] = random.poisson(mean)
        hours["member_trips"] = random.binomial(hours["trips"], 0.8)
        hours["wet"] = wet
        db.register("planted", hours)
        db.execute(
            "update marts.mart_demand_hourly as h set trips = p.trips, member_trips = p.member_trips,"
            " casual_trips = p.trips - p.member_trips, precipitation_mm = p.wet, snowfall_cm = 0,"
            " precipitation_kind = if(p.wet > 0, 'light', 'dry')"
            " from planted as p where h.hour_utc = p.hour_utc"
        )

    return edit


@pytest.mark.slow
def test_a_planted_effect_is_recovered_and_the_plain_comparison_is_not(published: Callable[..., Settings]) -> None:
    settings = published(plant(-0.3, seed=7))
    found, cpu_seconds = answers("weather_impact")
    assert cpu_seconds < CPU_SECONDS
    (wet_hours,) = ask(
        settings,
        "select count(*) from marts.mart_demand_hourly where precipitation_mm > 0 and is_complete"
        " and temperature_c is not null and wind_speed_kmh is not null",
    )
    assert found["Which hours can be compared?"]["wet_hours"] == wet_hours
    crude = found["What does the plain comparison say, and why is it not enough?"]["crude"]
    adjusted = found["How many rides does a wet hour cost, all else equal?"]
    assert adjusted["low"] < -0.3 < adjusted["high"]
    assert adjusted["high"] - adjusted["low"] < 0.1
    assert crude < adjusted["low"] - 0.05, "the season was planted as a confounder"
    drawn = found["Does resampling give the same confidence interval?"]
    assert drawn["low"] < -0.3 < drawn["high"]
    riders = found["Do members and casual riders react differently?"]
    assert riders["low"] < 1 < riders["high"]
    assert found["What could still explain it?"]["estimate"] == pytest.approx(
        1 / (1 + adjusted["effect"]) + np.sqrt(1 / (1 + adjusted["effect"]) * (1 / (1 + adjusted["effect"]) - 1))
    )


@pytest.mark.slow
def test_no_effect_is_found_where_none_was_planted(published: Callable[..., Settings]) -> None:
    published(plant(0, seed=11))
    found, _ = answers("weather_impact")
    adjusted = found["How many rides does a wet hour cost, all else equal?"]
    assert adjusted["low"] < 0 < adjusted["high"]
    assert found["What could still explain it?"]["bound"] == 1


# -- personal values ------------------------------------------------------------------------------------------------


def read_outputs(name: str, show_personal: bool = False) -> tuple[str, list[float]]:
    """Everything that a notebook shows as text, and the numbers of its charts, which plotly keeps in binary form."""
    texts: list[str] = []
    numbers: list[float] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict) and "bdata" in value:
            numbers.extend(np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"]).astype(float).tolist())
        elif isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                collect(part)
        elif isinstance(value, str):
            texts.append(value)
        elif isinstance(value, int | float):
            numbers.append(value)

    collect(
        [
            [output.data, output.metadata]
            for cell in execute(name, show_personal).cells
            for output in cell.get("outputs", [])
        ]
    )
    return "\n".join(texts), numbers


def find_amounts(text: str, numbers: list[float]) -> set[float]:
    """Which of the odd amounts are shown, of either sign."""
    in_charts = {amount for amount in ODD_AMOUNTS for number in numbers if abs(abs(number) - amount) < 0.005}
    return in_charts | {amount for amount in ODD_AMOUNTS if re.search(rf"(?<![\d,.]){amount:,.2f}(?!\d)", text)}


@pytest.mark.slow
def test_personal_values_are_in_no_output(published: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = published()
    # left over in the shell; only the option counts
    monkeypatch.setenv("SHOW_PERSONAL", "1")
    planted = f"from core.fct_transactions where name like '{CANARY} %' and account like '{CANARY} %'"
    assert ask(settings, f"select count(*) {planted}") == ask(settings, "select count(*) from core.fct_transactions")
    for amount in ODD_AMOUNTS:
        assert ask(settings, f"select count(*) {planted} and amount = {amount}") == (1,)
    text, numbers = read_outputs("transactions_eda")
    assert "hidden-" in text
    assert CANARY not in text
    assert "Oddments" not in text
    assert find_amounts(text, numbers) == set()


@pytest.mark.slow
def test_show_personal_shows_names_and_single_amounts(published: Callable[..., Settings]) -> None:
    published()
    text, numbers = read_outputs("transactions_eda", show_personal=True)
    assert f"{CANARY} Harbour Terrace Apartments (Rent)" in text
    assert "Oddments" in text
    assert "hidden-" not in text
    assert find_amounts(text, numbers) == set(ODD_AMOUNTS)


@pytest.mark.slow
def test_a_report_shows_names_when_asked(published: Callable[..., Settings]) -> None:
    settings = published()
    done = report("--show-personal", "notebooks/transactions_eda.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    page = (settings.reports_dir / "transactions_eda.html").read_text(encoding="utf-8")
    assert f"{CANARY} Harbour Terrace Apartments" in page
    assert "Do not pass this report on" in page


# -- reports --------------------------------------------------------------------------------------------------------


NO_TRANSACTIONS = json.dumps({"transactions": {"rows": 0}})


def report(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FOLDER / "html_reports.py", *arguments],
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )


@pytest.mark.slow
def test_a_report_needs_no_network_and_trusts_no_name(published: Callable[..., Settings]) -> None:
    hostile = "<script>alert(1)</script>"
    settings = published(lambda db: db.execute(f"update core.fct_transactions set category = '{hostile}'"))
    done = report("notebooks/transactions_eda.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    page = (settings.reports_dir / "transactions_eda.html").read_text(encoding="utf-8")
    assert not re.search(r'<(script|link|img|iframe)[^>]*(src|href)="?(https?:)?//', page)
    assert not re.search(r"@import|import\(['\"]http", page.split("plotly.js v")[0])
    assert page.count("plotly.js v") <= 2
    assert hostile not in page
    assert CANARY not in page


@pytest.mark.slow
def test_a_source_without_rows_is_reported_and_the_earlier_report_kept(published: Callable[..., Settings]) -> None:
    settings = published(
        lambda db: db.execute("update ops.publications set sources = json_merge_patch(sources, ?)", [NO_TRANSACTIONS])
    )
    settings.reports_dir.mkdir()
    earlier = settings.reports_dir / "transactions_eda.html"
    earlier.write_text("earlier", encoding="utf-8")
    done = report("notebooks/transactions_eda.ipynb")
    assert done.returncode == 1
    for text in ("skipped: transactions_eda.ipynb, code cell 1", "transactions: the published warehouse has no rows"):
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert earlier.read_text(encoding="utf-8") == "earlier"


@pytest.mark.slow
def test_a_failed_cell_is_named_without_what_it_quotes(published: Callable[..., Settings]) -> None:
    settings = published(lambda db: db.execute("drop table marts.mart_cash_flow_monthly"))
    done = report("notebooks/transactions_eda.ipynb")
    assert done.returncode == 1
    cell = "transactions_eda.ipynb, code cell 4 (months = warehouse.fetch_frame()"
    assert f"failed: {cell}: CatalogException" in done.stderr
    assert "mart_cash_flow_monthly" not in done.stderr
    assert not settings.reports_dir.exists()


@pytest.mark.slow
def test_without_a_warehouse_the_next_step_is_named(settings: Settings) -> None:
    done = report()
    assert done.returncode == 1
    assert f"there is no published warehouse at {settings.warehouse_file}" in done.stderr
    assert "make demo" in done.stderr


@pytest.mark.slow
def test_few_days_are_reported_instead_of_fitted(published: Callable[..., Settings]) -> None:
    published(lambda db: db.execute("delete from marts.mart_demand_hourly where date_local >= date '2024-02-01'"))
    done = report("notebooks/weather_impact.ipynb")
    assert done.returncode == 1
    assert "31 complete days with known weather" in done.stderr
    assert date(2024, 2, 1).isoformat() not in done.stderr

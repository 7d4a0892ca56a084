"""The notebook on transactions: its answers are those of the facts, and no output has a personal value."""

import csv
import os
import re
from pathlib import Path

import pytest
from notebook_support import CPU_SECONDS, Publish, answers, ask, publish_year, read_outputs, report

CANARY = "Canary"
"""Put before every name, account and recurring payment of the exports, and used as every tag and note."""
ODD_AMOUNTS = (77.31, 88.47, 20_066.53)
"""Amounts of the only transaction of a category, of a type and status, and of a band of amounts."""


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
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published year of transactions in which personal values are easy to find."""
    return publish_year(
        tmp_path_factory.mktemp("canaries"),
        ["transactions"],
        lambda environment: plant_canaries(Path(environment["TRANSACTIONS_PATH"])),
    )


@pytest.mark.slow
def test_transactions_eda_says_what_the_facts_say(published: Publish) -> None:
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


def find_amounts(text: str, numbers: list[float]) -> set[float]:
    """Which of the odd amounts are shown, of either sign."""
    in_charts = {amount for amount in ODD_AMOUNTS for number in numbers if abs(abs(number) - amount) < 0.005}
    return in_charts | {amount for amount in ODD_AMOUNTS if re.search(rf"(?<![\d,.]){amount:,.2f}(?!\d)", text)}


@pytest.mark.slow
def test_personal_values_are_in_no_output(published: Publish, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_show_personal_shows_names_and_single_amounts(published: Publish) -> None:
    published()
    text, numbers = read_outputs("transactions_eda", show_personal=True)
    assert f"{CANARY} Harbour Terrace Apartments (Rent)" in text
    assert "Oddments" in text
    assert "hidden-" not in text
    assert find_amounts(text, numbers) == set(ODD_AMOUNTS)


@pytest.mark.slow
def test_a_report_shows_names_when_asked(published: Publish) -> None:
    settings = published()
    done = report("--show-personal", "notebooks/transactions_eda.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    page = (settings.reports_dir / "transactions_eda.html").read_text(encoding="utf-8")
    assert f"{CANARY} Harbour Terrace Apartments" in page
    assert "Do not pass this report on" in page


@pytest.mark.slow
def test_a_report_hides_names_and_trusts_none(published: Publish) -> None:
    hostile = "<script>alert(1)</script>"
    settings = published(lambda db: db.execute(f"update core.fct_transactions set category = '{hostile}'"))
    done = report("notebooks/transactions_eda.ipynb")
    assert (done.returncode, done.stderr) == (0, "")
    page = (settings.reports_dir / "transactions_eda.html").read_text(encoding="utf-8")
    assert hostile not in page
    assert CANARY not in page

"""The bank exports: keys, money, what is rejected, and that no value leaves the raw file."""

import hashlib
import os
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ingestion import column, load, raw, stage_source
from raw_builder import pass_loads
from sources.transactions.provider import EXPORT_HEADER, bank_row, write_export

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.settings import Settings
from dlt_pipeline.stage import RejectedRowError
from dlt_pipeline.transactions import Export, ExportReader, parse_amount


@pytest.fixture
def exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "exports"
    folder.mkdir()
    monkeypatch.setenv("TRANSACTIONS_PATH", str(folder))
    return folder


def filler(count: int = 120, month: str = "2024-01") -> list[str]:
    """Enough rows that one rejected row is less than 1 %."""
    return [bank_row(f"{month}-{1 + index % 28:02}", f"Shop {index}", "1.00") for index in range(count)]


@pytest.mark.integration
def test_without_a_path_the_source_stays_empty_and_says_so(settings: Settings) -> None:
    report = load(settings, "transactions")
    assert (report.load_id, report.note) == (None, "TRANSACTIONS_PATH is not set, so there are no transactions")
    assert column(settings, "transactions", "select count(*) from raw.transactions") == [0]


@pytest.mark.integration
def test_rows_arrive_with_money_as_decimal_and_masks_as_text(settings: Settings, exports: Path) -> None:
    market = bank_row(
        "2024-01-05", "Grüner Markt", "-12.5", type="Regular", category=" Food ", excluded="true", note="two\nlines"
    )
    write_export(exports, "a.csv", [market, bank_row("2024-01-06", "Rent", "1800")])
    load(settings, "transactions")
    assert raw(
        settings,
        "transactions",
        "select name, amount, typeof(amount), type, category, is_excluded, account_mask, note, source_line"
        " from raw.transactions order by date",
    ) == [
        ("Grüner Markt", Decimal("-12.50"), "DECIMAL(18,2)", "regular", " Food ", True, "0042", "two\nlines", 2),
        ("Rent", Decimal("1800.00"), "DECIMAL(18,2)", "regular", "Groceries", False, "0042", None, 4),
    ]


def test_equal_rows_are_kept_and_numbered_by_their_occurrence(settings: Settings, exports: Path) -> None:
    write_export(
        exports, "a.csv", [bank_row("2024-01-05", "Coffee", "3.20")] * 2 + [bank_row("2024-01-05", "Coffee", "3.2")]
    )
    with stage_source(settings, "transactions") as (stage, _):
        rows = stage.query("select occurrence, transaction_id from transactions order by 1")
    assert [occurrence for occurrence, _ in rows] == [1, 2, 3]
    key = "\x1f".join(["2024-01-05", "Coffee", "3.20", "Checking", "0042", "2"])
    assert rows[1][1] == hashlib.md5(key.encode()).hexdigest()


def test_the_key_ignores_what_a_later_export_may_change(settings: Settings, exports: Path) -> None:
    write_export(exports, "a.csv", [bank_row("2024-01-05", "Shop", "9.99", status="pending", category="")])
    write_export(
        exports, "b.csv", [bank_row("2024-01-05", "Shop", "9.99", category="Books", tags="x", recurring="Shop")]
    )
    with stage_source(settings, "transactions") as (stage, _):
        assert stage.query("select count(*), count(distinct transaction_id) from transactions") == [(2, 1)]


def test_exports_are_ordered_by_time_and_cover_their_accounts_and_days(settings: Settings, exports: Path) -> None:
    late = write_export(
        exports, "a.csv", [bank_row("2024-01-05", "A", "1"), bank_row("2024-02-03", "B", "1", account="Card")]
    )
    early = write_export(exports, "b.csv", [bank_row("2024-01-01", "C", "1")])
    os.utime(early, (1, 1))
    os.utime(late, (2, 2))
    sql = (
        "select parse_filename(batch), account, covered_from::varchar, covered_to::varchar, export_order"
        " from coverage order by 5, 2"
    )
    with stage_source(settings, "transactions") as (stage, _):
        assert stage.query(sql) == [
            ("b.csv", "Checking", "2024-01-01", "2024-01-01", 1_000_000_000),
            ("a.csv", "Card", "2024-01-05", "2024-02-03", 2_000_000_000),
            ("a.csv", "Checking", "2024-01-05", "2024-02-03", 2_000_000_000),
        ]


@pytest.mark.integration
def test_known_content_is_skipped_and_changed_content_is_the_latest(settings: Settings, exports: Path) -> None:
    write_export(exports, "a.csv", [bank_row("2024-01-05", "A", "1")])
    write_export(exports, "b.csv", [bank_row("2024-01-06", "B", "1")])
    load(settings, "transactions")
    write_export(exports, "copy.csv", [bank_row("2024-01-05", "A", "1")])
    assert load(settings, "transactions").load_id is None
    write_export(exports, "a.csv", [bank_row("2024-01-05", "A", "2")])
    assert load(settings, "transactions").fetched == ("a.csv",)
    pass_loads(settings, ["transactions"])
    assert raw(settings, "transactions", "select parse_filename(batch) from raw.files order by export_order") == [
        ("b.csv",),
        ("a.csv",),
    ]
    assert column(settings, "transactions", "select amount from raw.transactions where name = 'A'") == [Decimal("2.00")]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (bank_row("05/01/2024", "Secret", "1"), "date is not an ISO date"),
        (bank_row("2024-02-30", "Secret", "1"), "date is not an ISO date"),
        (bank_row("2024-01-05", "Secret", "$1"), "amount is not a decimal number"),
        (bank_row("2024-01-05", "Secret", "NaN"), "amount is not a decimal number"),
        (bank_row("2024-01-05", "Secret", "1_000.00"), "amount is not a decimal number"),
        (bank_row("2024-01-05", "Secret", "1e3"), "amount is not a decimal number"),
        (bank_row("2024-1-5", "Secret", "1"), "date is not an ISO date"),
        (bank_row("2024-01-05", "Secret", "100000000000"), "amount is out of range"),
        (bank_row("2024-01-05", "Secret", "1.005"), "amount has more than two decimals"),
        (bank_row("2024-01-05", "Secret", "1", excluded="maybe"), "excluded is neither true nor false"),
        ("2024-01-05,Secret,1", "13 columns expected"),
    ],
)
@pytest.mark.integration
def test_a_row_that_does_not_parse_is_rejected(settings: Settings, exports: Path, line: str, reason: str) -> None:
    write_export(exports, "a.csv", [*filler(), line])
    with stage_source(settings, "transactions") as (stage, counts):
        assert (counts.read, counts.loaded, counts.rejected) == (121, 120, 1)
        assert stage.query("select source_line, reason from rejects") == [(122, reason)]


def test_a_row_in_another_encoding_is_a_reject(settings: Settings, exports: Path) -> None:
    path = write_export(exports, "a.csv", filler())
    path.write_bytes(path.read_bytes() + bank_row("2024-01-05", "Caf_", "1").encode().replace(b"_", b"\xe9"))
    with stage_source(settings, "transactions") as (stage, counts):
        assert counts.rejected == 1
        sql = "select reason, raw_text like '%Caf\\xe9%' from rejects"
        assert stage.query(sql) == [("not valid UTF-8", True)]


@pytest.mark.parametrize("stray", ['2024-01-05,"Se"cret,1', '2024-01-05,"Secret,1,posted'])
def test_a_stray_quotation_mark_refuses_the_file_without_its_content(
    settings: Settings, exports: Path, stray: str
) -> None:
    write_export(exports, "a.csv", [*filler(), stray, *filler()])
    with pytest.raises(TerminalError, match=r"quotation marks of .*a\.csv do not match from line 122 on") as caught:
        load(settings, "transactions")
    assert "ecret" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", EXPORT_HEADER.replace("name", "title") + "\n"])
def test_another_header_is_an_error(settings: Settings, exports: Path, content: str) -> None:
    (exports / "a.csv").write_text(content)
    with pytest.raises(TerminalError, match=r"a\.csv does not begin with the header date,name,amount"):
        load(settings, "transactions")


def test_an_export_without_rows_and_a_path_without_files_are_errors(settings: Settings, exports: Path) -> None:
    with pytest.raises(TerminalError, match="matches no CSV file"):
        load(settings, "transactions")
    (exports / "a.csv").write_text(EXPORT_HEADER + "\n")
    with pytest.raises(TerminalError, match="a header but no row"):
        load(settings, "transactions")


@pytest.mark.parametrize(
    ("pattern", "names"), [("", ["x.csv", "y.csv"]), ("x.csv", ["x.csv"]), ("*/z.csv", ["deep/z.csv"])]
)
def test_a_folder_a_file_or_a_glob(
    settings: Settings, exports: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, names: list[str]
) -> None:
    write_export(exports, "x.csv", [bank_row("2024-01-05", "X", "1")])
    write_export(exports, "y.csv", [bank_row("2024-01-05", "Y", "1")])
    write_export(exports / "deep", "z.csv", [bank_row("2024-01-05", "Z", "1")])
    monkeypatch.setenv("TRANSACTIONS_PATH", str(exports / pattern))
    with stage_source(settings, "transactions") as (stage, _):
        files = stage.query("select batch from files order by 1")
    assert files == [(str((exports / name).resolve()),) for name in names]


@pytest.mark.slow
def test_the_later_export_is_the_later_file_whenever_it_is_loaded(settings: Settings, exports: Path) -> None:
    new = write_export(exports, "new.csv", [bank_row("2024-01-05", "Shop", "12.50")])
    os.utime(new, (2_000_000, 2_000_000))
    load(settings, "transactions")
    old = write_export(exports, "old.csv", [bank_row("2024-01-05", "Shop", "10.00", status="pending")])
    os.utime(old, (1_000_000, 1_000_000))
    load(settings, "transactions")
    names = column(settings, "transactions", "select parse_filename(batch) from raw.coverage order by export_order")
    assert names == ["old.csv", "new.csv"]


@pytest.mark.slow
def test_a_file_of_the_same_name_in_another_folder_is_another_export(
    settings: Settings, exports: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_export(exports, "jan.csv", [bank_row("2024-01-05", "A", "1")])
    load(settings, "transactions")
    write_export(tmp_path / "other", "jan.csv", [bank_row("2025-01-05", "B", "2")])
    monkeypatch.setenv("TRANSACTIONS_PATH", str(tmp_path / "other"))
    load(settings, "transactions")
    assert column(settings, "transactions", "select name from raw.transactions order by 1") == ["A", "B"]


@pytest.mark.slow
def test_a_loaded_file_that_is_now_a_copy_of_another_loses_its_rows(settings: Settings, exports: Path) -> None:
    write_export(exports, "a.csv", [bank_row("2024-01-05", "Wrong", "19")])
    good = write_export(exports, "b.csv", [bank_row("2024-01-06", "Right", "1")])
    load(settings, "transactions")
    (exports / "a.csv").write_bytes(good.read_bytes())
    load(settings, "transactions")
    pass_loads(settings, ["transactions"])
    assert column(settings, "transactions", "select distinct name from raw.transactions") == ["Right"]


def test_spaces_around_an_account_and_the_sign_of_zero_make_no_other_transaction(
    settings: Settings, exports: Path
) -> None:
    write_export(exports, "a.csv", [bank_row("2024-01-05", "Shop", "0.00")])
    write_export(exports, "b.csv", [bank_row("2024-01-05", "Shop", "-0.00", account="Checking ", account_mask=" 0042")])
    with stage_source(settings, "transactions") as (stage, _):
        assert stage.query("select count(*), count(distinct transaction_id) from transactions") == [(2, 1)]
        assert stage.query("select distinct account || account_mask from coverage") == [("Checking0042",)]


@pytest.mark.slow
def test_rows_of_a_removed_file_that_failed_its_gate_are_deleted(settings: Settings, exports: Path) -> None:
    bad = write_export(exports, "bad.csv", [bank_row("2024-01-05", "Bad", "1")])
    report = load(settings, "transactions")
    Ops(settings).decide_load("transactions", str(report.load_id), "failed")
    bad.unlink()
    write_export(exports, "good.csv", [bank_row("2024-01-05", "Good", "1")])
    load(settings, "transactions")
    assert column(settings, "transactions", "select name from raw.transactions") == ["Good"]
    assert column(settings, "transactions", "select parse_filename(batch) from raw.files") == ["good.csv"]


money = st.decimals(Decimal("-99999999"), Decimal("99999999"), places=2)


@given(money)
def test_an_amount_of_cents_is_kept(amount: Decimal) -> None:
    assert parse_amount(f" {amount} ") == amount


@given(st.text(max_size=12))
def test_any_text_is_an_exact_amount_or_rejected(text: str) -> None:
    try:
        amount = parse_amount(text)
    except RejectedRowError:
        return
    assert amount == Decimal(text.strip())


@given(
    st.lists(
        st.sampled_from([("2024-01-01", "A", "1"), ("2024-01-01", "A", "1.0"), ("2024-01-02", "B", "2")]), max_size=12
    )
)
def test_ids_are_unique_and_do_not_depend_on_other_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]
) -> None:
    def ids(lines: list[str]) -> list[str]:
        path = write_export(tmp_path_factory.mktemp("export"), "a.csv", lines)
        reader = ExportReader(Export(path, "a", "", 0, 1), path)
        return [row["transaction_id"] for batch in reader.read_batches() for row in batch]

    lines = [bank_row(*row) for row in rows]
    found = ids(lines)
    assert len(set(found)) == len(lines)
    with_others = ids([line for line in lines for line in (bank_row("2024-03-01", "Other", "5"), line)])
    assert set(found) <= set(with_others)

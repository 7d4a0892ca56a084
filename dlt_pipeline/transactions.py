"""Bank transactions: CSV exports of a personal-finance application.

The raw file has the rows of every export; staging decides, from the accounts and dates that each export covers, which
rows count. This is personal data: no value of a row appears in an error, a log or a report.
"""

import csv
import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from glob import has_magic
from pathlib import Path
from typing import Any

import pyarrow as pa
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from data_stack.errors import TerminalError, TransientError
from data_stack.progress import Progress
from data_stack.settings import PROJECT_ROOT, BaseStackSettings, Settings
from data_stack.window import Window
from dlt_pipeline.landing import Landed, Part
from dlt_pipeline.reader import BatchReader, Plan, Planned, Provider
from dlt_pipeline.stage import BATCH_ROWS, Reject, RejectedRowError, Stage
from dlt_pipeline.tables import BOOLEAN, DATE, INTEGER, MONEY, PROVIDER, REJECTS, TEXT, TIMESTAMP, RawTable

TRANSACTIONS = RawTable(
    "transactions",
    pa.schema(
        [
            ("transaction_id", TEXT),
            ("occurrence", INTEGER),
            ("date", DATE),
            ("name", TEXT),
            ("amount", MONEY),
            ("status", TEXT),
            ("category", TEXT),
            ("parent_category", TEXT),
            ("is_excluded", BOOLEAN),
            ("tags", TEXT),
            ("type", TEXT),
            ("account", TEXT),
            ("account_mask", TEXT),
            ("note", TEXT),
            ("recurring", TEXT),
            ("batch", TEXT),
            ("source_line", INTEGER),
        ]
    ),
    key=("batch", "transaction_id"),
)
FILES = RawTable(
    "files",
    pa.schema(
        [
            ("batch", TEXT),
            ("sha256", TEXT),
            ("size_bytes", INTEGER),
            ("rows_read", INTEGER),
            ("rows_loaded", INTEGER),
            ("rows_rejected", INTEGER),
            ("rows_repeated", INTEGER),
            ("export_order", INTEGER),
            ("loaded_at_utc", TIMESTAMP),
        ]
    ),
    key=("batch",),
)
COVERAGE = RawTable(
    "coverage",
    pa.schema(
        [
            ("batch", TEXT),
            ("account", TEXT),
            ("account_mask", TEXT),
            ("covered_from", DATE),
            ("covered_to", DATE),
            ("export_order", INTEGER),
        ]
    ),
    key=("batch", "account", "account_mask"),
)
TABLES = (TRANSACTIONS, FILES, COVERAGE, REJECTS, PROVIDER)

SAMPLE_MARKER = ".data-stack-sample"
"""A file that marks the exports in its folder as sample data."""

_HEADER = (
    "date",
    "name",
    "amount",
    "status",
    "category",
    "parent category",
    "excluded",
    "tags",
    "type",
    "account",
    "account mask",
    "note",
    "recurring",
)
# keeps every sum of the marts within DECIMAL(18, 2); the database's overflow error would quote the amount
_AMOUNT_LIMIT = Decimal(10) ** 11
_AMOUNT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"true": True, "false": False, "": False}


class TransactionsSettings(BaseStackSettings):
    """Settings of this source; variables begin with `TRANSACTIONS_`."""

    model_config = SettingsConfigDict(env_prefix="TRANSACTIONS_")

    path: Path | None = Field(
        None,
        description="Folder, file or glob of the exports; unset: the source stays empty. Of two that cover a day, the "
        "one written later applies",
    )


@dataclass(frozen=True)
class Export:
    """A file on disk.

    Attributes:
        path: Where it is.
        batch: Its full path, so that a file of the same name in another folder is another export.
        sha256: Hash of its bytes.
        size_bytes: Their number.
        export_order: Its modification time in nanoseconds; where two exports cover a day, the later one counts, in
            whichever order they are loaded.
    """

    path: Path
    batch: str
    sha256: str
    size_bytes: int
    export_order: int


class TransactionsReader(BatchReader[Export]):
    """Reads the exports that are new or changed."""

    name = "transactions"
    tables = TABLES
    settings_class = TransactionsSettings

    def __init__(self, settings: Settings, is_replay: bool = False) -> None:
        super().__init__(settings, is_replay)
        configured = TransactionsSettings.load().path
        self.path = PROJECT_ROOT / configured if configured else None
        self._replayed_origin: str | None = None

    def plan(self, window: Window | None) -> Plan[Export]:
        """See `SourceReader.plan`; the window is ignored, because every export counts."""
        if self.path is None:
            return Plan((), "TRANSACTIONS_PATH is not set, so there are no transactions")
        loaded = self.query_raw("select batch, sha256 from raw.files")
        files = {file for file, _ in loaded}
        names = {sha256: file for file, sha256 in loaded}
        planned: list[Planned[Export]] = []
        for path in self._find_exports():
            file, sha256 = str(path), _hash_file(path)
            # a copy of an export adds nothing, but a loaded file that is now a copy of another loses its own rows
            is_loaded = (file, sha256) in loaded or (sha256 in names and file not in files)
            skip = f"already loaded as {names[sha256]}" if is_loaded else None
            names.setdefault(sha256, file)
            export = Export(path, file, sha256, path.stat().st_size, path.stat().st_mtime_ns)
            planned.append(Planned(path.name, export.size_bytes, skip, export))
        return Plan(tuple(planned))

    def withdrawn(self) -> list[tuple[str, str]]:
        """See `SourceReader.withdrawn`: the user has removed the export, or put an earlier version of it back."""
        failed = self.failed_loads()
        files = self.query_raw("select batch, sha256, _dlt_load_id from raw.files") if failed else []
        good = {(file, sha256) for file, sha256, load_id in files if load_id not in failed}
        return [
            (load_id, file)
            for file, _, load_id in files
            if load_id in failed and (not Path(file).exists() or (file, _hash_file(Path(file))) in good)
        ]

    def provider(self) -> Provider:
        """See `SourceReader.provider`; in a replay the exports need not exist any more."""
        if self.landing.is_replay:
            return Provider(self._replayed_origin, "")
        origins = {_find_origin(path) for path in self._find_exports()}
        # one folder of the sample makes all of it sample data
        return Provider("sample" if "sample" in origins else next(iter(origins), None), "")

    def read(self, items: list[Export], stage: Stage, progress: Progress) -> None:
        """See `BatchReader.read`."""
        for export in items:
            landed = self._fetch_export(export)
            self._replayed_origin = landed.origin
            reader = ExportReader(export, landed.path)
            for rows in reader.read_batches():
                stage.write_rows(TRANSACTIONS, rows)
            stage.write_rejects(reader.rejects)
            stage.count_read(export.batch, reader.rows_read)
            progress(f"reading {export.path.name}", reader.rows_read, None)
            if not reader.rows_read:
                raise TerminalError(
                    f"transactions: {export.path} has a header but no row; remove it or export it again"
                )

    def describe(self, items: list[Export], stage: Stage) -> None:
        """See `SourceReader.describe`: files with their counts, and the accounts and dates that each covers."""
        for export in items:
            row = stage.describe_file(export.batch) | {
                "sha256": export.sha256,
                "size_bytes": export.size_bytes,
                "export_order": export.export_order,
            }
            stage.write_rows(FILES, [row])
            rows = stage.query(
                "select distinct batch, account, account_mask, min(date) over (), max(date) over (), ?::bigint"
                " from transactions where batch = ? order by account, account_mask",
                [export.export_order, export.batch],
            )
            stage.write_rows(COVERAGE, [dict(zip(COVERAGE.schema.names, row, strict=True)) for row in rows])

    def _fetch_export(self, export: Export) -> Landed:
        """Copy the export that was planned: its bytes have the hash of the plan, whatever happens to the file."""

        def copy(part: Part) -> str:
            with export.path.open("rb") as file:
                shutil.copyfileobj(file, part)
            if part.sha256 != export.sha256:
                raise TransientError(f"transactions: {export.path} changed while it was being read; run again")
            return _find_origin(export.path)

        return self.landing.fetch(f"{export.batch} with SHA-256 {export.sha256}", export.batch, copy, is_immutable=True)

    def _find_exports(self) -> list[Path]:
        """Find the exports, oldest first."""
        if self.path is None:
            return []
        paths = [path.resolve() for path in _find_csv_files(self.path)]
        if not paths:
            raise TerminalError(
                f"transactions: TRANSACTIONS_PATH={self.path} matches no CSV file; correct it or unset it"
            )
        return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path))


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _find_origin(export_path: Path) -> str:
    """`sample` if the export's folder has the marker of the sample, otherwise `live`."""
    return "sample" if (export_path.parent / SAMPLE_MARKER).exists() else "live"


def _find_csv_files(path: Path) -> list[Path]:
    """Find the CSV files of a folder, a file or a glob."""
    if not has_magic(str(path)):
        files = path.iterdir() if path.is_dir() else [path]
        return [file for file in files if file.is_file() and (file == path or file.suffix.lower() == ".csv")]
    base = path
    while has_magic(str(base)):
        base = base.parent
    return [file for file in base.glob(str(path.relative_to(base))) if file.is_file()]


class ExportReader:
    """Reads one export; rows with the same key are numbered by their occurrence within the file.

    Args:
        export: Named in the rows and the errors.
        path: Where its bytes are.

    Attributes:
        rejects: The rejected rows so far.
        rows_read: Rows read so far, whether rejected or not.
    """

    def __init__(self, export: Export, path: Path) -> None:
        self.export = export
        self.path = path
        self.rejects: list[Reject] = []
        self.rows_read = 0
        self._occurrences: Counter[tuple[object, ...]] = Counter()

    def read_batches(self) -> Iterator[list[dict[str, Any]]]:
        """Read the rows in batches, as dicts by column of the raw table."""
        rows: list[dict[str, Any]] = []
        for line, record in self._read_records():
            self.rows_read += 1
            try:
                rows.append(self._parse_record(line, record))
            except RejectedRowError as error:
                text = ",".join(record).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
                self.rejects.append(Reject(self.export.batch, line, str(error), text))
            if len(rows) >= BATCH_ROWS:
                yield rows
                rows = []
        yield rows

    def _read_records(self) -> Iterator[tuple[int, list[str]]]:
        """Read the records with the number of their first line."""
        with self.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            if tuple(name.strip().lower() for name in next(reader, [])) != _HEADER:
                raise TerminalError(
                    f"transactions: {self.export.path} does not begin with the header {','.join(_HEADER)}; "
                    "export it again as CSV in UTF-8"
                )
            line = reader.line_num + 1
            try:
                for record in reader:
                    # an unmatched quotation mark swallows the next rows: refuse the file rather than reject them as one
                    if record and reader.line_num > line and len(record) != len(_HEADER):
                        raise csv.Error("a record of several lines has the wrong number of columns")  # noqa: TRY301
                    if record:
                        yield line, record
                    line = reader.line_num + 1
            except csv.Error:
                raise TerminalError(
                    f"transactions: the quotation marks of {self.export.path} do not match from line {line} on; "
                    "fix that line or export the file again"
                ) from None

    def _parse_record(self, line: int, record: list[str]) -> dict[str, Any]:
        if len(record) != len(_HEADER):
            raise RejectedRowError(f"{len(_HEADER)} columns expected")
        if any("\udc80" <= character <= "\udcff" for value in record for character in value):
            raise RejectedRowError("not valid UTF-8")
        values = dict(zip(_HEADER, record, strict=True))
        day, amount = _parse_date(values["date"]), parse_amount(values["amount"])
        account, mask = values["account"].strip(), values["account mask"].strip()
        key = (day, values["name"], amount, account, mask)
        self._occurrences[key] += 1
        return {
            "transaction_id": _derive_id(key, self._occurrences[key]),
            "occurrence": self._occurrences[key],
            "date": day,
            "name": values["name"],
            "amount": amount,
            "status": values["status"].strip().lower() or None,
            "category": values["category"] or None,
            "parent_category": values["parent category"] or None,
            "is_excluded": _parse_flag(values["excluded"]),
            "tags": values["tags"] or None,
            "type": values["type"].strip().lower() or None,
            "account": account,
            "account_mask": mask,
            "note": values["note"] or None,
            "recurring": values["recurring"] or None,
            "batch": self.export.batch,
            "source_line": line,
        }


def _derive_id(key: tuple[object, ...], occurrence: int) -> str:
    # nobody types a unit separator into a CSV field, so different keys cannot give the same text
    text = "\x1f".join(str(part) for part in (*key, occurrence))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _parse_date(text: str) -> date:
    try:
        if _DAY.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise RejectedRowError("date is not an ISO date")


def parse_amount(text: str) -> Decimal:
    """Parse an amount of money.

    Args:
        text: Digits with at most two decimals, with or without a sign, in the currency of the export.

    Returns:
        The amount with two decimals.

    Raises:
        RejectedRowError: The text is not such a number, or the amount is out of range.
    """
    if not _AMOUNT.fullmatch(text.strip()):
        raise RejectedRowError("amount is not a decimal number")
    amount = Decimal(text.strip())
    if abs(amount) >= _AMOUNT_LIMIT:
        raise RejectedRowError("amount is out of range")
    cents = amount.quantize(Decimal("0.01"))
    if cents != amount:
        raise RejectedRowError("amount has more than two decimals")
    # -0.00 and 0.00 must give the same key
    return cents + Decimal(0)


def _parse_flag(text: str) -> bool:
    flag = _FLAGS.get(text.strip().lower())
    if flag is None:
        raise RejectedRowError("excluded is neither true nor false")
    return flag

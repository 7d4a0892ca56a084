"""Bank transactions: CSV exports of a personal-finance application.

Every export keeps its rows in the raw file; staging decides, from the accounts and dates that each export covers, which
rows count. This is personal data: no value of a row appears in an error, a log or a report.
"""

import csv
import hashlib
import re
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

from data_stack.errors import TerminalError
from data_stack.progress import Progress
from data_stack.settings import PROJECT_ROOT, BaseStackSettings, Settings
from data_stack.window import Window
from dlt_pipeline.reader import Plan, Planned, Provider, SourceReader
from dlt_pipeline.stage import BATCH_ROWS, Reject, Stage
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
            ("source_file", TEXT),
            ("source_line", INTEGER),
        ]
    ),
    key=("source_file", "transaction_id"),
    replaces=("source_file",),
)
FILES = RawTable(
    "files",
    pa.schema(
        [
            ("source_file", TEXT),
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
    key=("source_file",),
    replaces=("source_file",),
)
COVERAGE = RawTable(
    "coverage",
    pa.schema(
        [
            ("source_file", TEXT),
            ("account", TEXT),
            ("account_mask", TEXT),
            ("covered_from", DATE),
            ("covered_to", DATE),
            ("export_order", INTEGER),
        ]
    ),
    key=("source_file", "account", "account_mask"),
    replaces=("source_file",),
)
TABLES = (TRANSACTIONS, FILES, COVERAGE, REJECTS, PROVIDER)

SAMPLE_MARKER = ".data-stack-sample"
"""A file beside exports that says they are invented."""

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
# no sum of the marts can leave their DECIMAL(18, 2) then, and an error of the database would quote the amount
_AMOUNT_LIMIT = Decimal(10) ** 11
_AMOUNT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FLAGS = {"true": True, "false": False, "": False}


class TransactionsSettings(BaseStackSettings):
    """Settings of this source; variables begin with `TRANSACTIONS_`."""

    model_config = SettingsConfigDict(env_prefix="TRANSACTIONS_")

    path: Path | None = Field(None, description="Folder, file or glob of the exports; unset: the source stays empty")


@dataclass(frozen=True)
class Export:
    """A file on disk.

    Attributes:
        path: Where it is.
        source_file: Its whole path, so that a file of the same name in another folder is another export.
        sha256: Hash of its bytes.
        export_order: Its modification time in nanoseconds; the later export counts where two cover a day, whenever
            each of them is loaded.
    """

    path: Path
    source_file: str
    sha256: str
    export_order: int


class UnreadableError(Exception):
    """A row that becomes a reject; the message has no value of it."""


class TransactionsReader(SourceReader[Export]):
    """Reads the exports that are new or changed."""

    name = "transactions"
    tables = TABLES
    settings_class = TransactionsSettings

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        configured = TransactionsSettings.load().path
        self.path = PROJECT_ROOT / configured if configured else None

    def plan(self, window: Window | None) -> Plan[Export]:
        """See `SourceReader.plan`; the window is ignored, every export found counts."""
        if self.path is None:
            return Plan((), "TRANSACTIONS_PATH is not set, so there are no transactions")
        known = dict(self.query_raw("select source_file, sha256 from raw.files"))
        names = {sha256: file for file, sha256 in known.items()}
        planned: list[Planned[Export]] = []
        for path in self._found():
            file, sha256 = str(path), hashlib.sha256(path.read_bytes()).hexdigest()
            # a copy of an export brings nothing, but a known file that now holds a copy loses what it brought
            skip = (
                f"already loaded as {names[sha256]}"
                if known.get(file) == sha256 or (sha256 in names and file not in known)
                else None
            )
            names.setdefault(sha256, file)
            export = Export(path, file, sha256, path.stat().st_mtime_ns)
            planned.append(Planned(path.name, path.stat().st_size, skip, export))
        return Plan(tuple(planned))

    def withdrawn(self) -> list[str]:
        """See `SourceReader.withdrawn`."""
        files = self.query_raw(
            "select source_file from raw.files where list_contains(?, _dlt_load_id)",
            [self.failed_loads()],
        )
        return [file for (file,) in files if not Path(file).exists()]

    def provider(self) -> Provider:
        """See `SourceReader.provider`; the sample marks its folder."""
        folders = {path.parent for path in self._found()}
        sample = any((folder / SAMPLE_MARKER).exists() for folder in folders)
        return Provider(("sample" if sample else "live") if folders else None, "")

    def read(self, items: list[Export], stage: Stage, progress: Progress) -> None:
        """See `SourceReader.read`."""
        for export in items:
            reader = _ExportReader(export)
            for rows in reader.batches():
                stage.write_rows(TRANSACTIONS, rows)
            stage.reject(reader.rejects)
            stage.count_read(export.source_file, reader.rows_read)
            progress(f"reading {export.path.name}", reader.rows_read, None)
            if not reader.rows_read:
                raise TerminalError(
                    f"transactions: {export.path} has a header but no row; remove it or export it again"
                )

    def describe(self, items: list[Export], stage: Stage) -> None:
        """See `SourceReader.describe`: files with their counts, and the accounts and dates that each covers."""
        for export in items:
            row = stage.file_record(export.source_file) | {
                "sha256": export.sha256,
                "size_bytes": export.path.stat().st_size,
                "export_order": export.export_order,
            }
            stage.write_rows(FILES, [row])
            stage.write_rows(COVERAGE, self._covered(export, stage))

    def _covered(self, export: Export, stage: Stage) -> list[dict[str, Any]]:
        """An export covers the accounts in it, over all days from its first to its last row."""
        rows = stage.query(
            "select distinct account, account_mask, min(date) over (), max(date) over () from transactions"
            " where source_file = ? order by 1, 2",
            [export.source_file],
        )
        return [
            {
                "source_file": export.source_file,
                "account": account,
                "account_mask": mask,
                "covered_from": first,
                "covered_to": last,
                "export_order": export.export_order,
            }
            for account, mask, first, last in rows
        ]

    def _found(self) -> list[Path]:
        """Exports, oldest first."""
        if self.path is None:
            return []
        paths = [path.resolve() for path in _expand(self.path)]
        if not paths:
            raise TerminalError(
                f"transactions: TRANSACTIONS_PATH={self.path} matches no CSV file; correct it or unset it"
            )
        return sorted(paths, key=lambda path: (path.stat().st_mtime_ns, path))


def _expand(path: Path) -> list[Path]:
    """The CSV files of a folder, a file or a glob."""
    if not has_magic(str(path)):
        found = path.iterdir() if path.is_dir() else [path]
        return [file for file in found if file.is_file() and (file == path or file.suffix.lower() == ".csv")]
    base = path
    while has_magic(str(base)):
        base = base.parent
    return [found for found in base.glob(str(path.relative_to(base))) if found.is_file()]


class _ExportReader:
    """Reads one export; repeated rows are told apart by their occurrence within the file."""

    def __init__(self, export: Export) -> None:
        self.export = export
        self.rejects: list[Reject] = []
        self.rows_read = 0
        self._seen: Counter[tuple[object, ...]] = Counter()

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        rows: list[dict[str, Any]] = []
        for line, record in self._records():
            self.rows_read += 1
            try:
                rows.append(self._row(line, record))
            except UnreadableError as error:
                self._reject(line, str(error), record)
            if len(rows) >= BATCH_ROWS:
                yield rows
                rows = []
        yield rows

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Rows with the number of their first physical line; a note may span several."""
        with self.export.path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file, strict=True)
            self._check_header(next(reader, []))
            line = reader.line_num + 1
            try:
                for record in reader:
                    if record:
                        self._check_span(line, reader.line_num, record)
                        yield line, record
                    line = reader.line_num + 1
            except csv.Error:
                raise self._unbalanced(line) from None

    def _check_span(self, first: int, last: int, record: list[str]) -> None:
        """A stray quotation mark swallows the rows after it: refuse the file rather than lose them in one reject."""
        if last > first and len(record) != len(_HEADER):
            raise self._unbalanced(first)

    def _unbalanced(self, line: int) -> TerminalError:
        return TerminalError(
            f"transactions: the quotation marks of {self.export.path} do not match from line {line} on; "
            "mend that line or export it again"
        )

    def _check_header(self, found: list[str]) -> None:
        if tuple(name.strip().lower() for name in found) != _HEADER:
            raise TerminalError(
                f"transactions: {self.export.path} does not begin with the header {','.join(_HEADER)}; "
                "export it again as CSV in UTF-8"
            )

    def _row(self, line: int, record: list[str]) -> dict[str, Any]:
        if len(record) != len(_HEADER):
            raise UnreadableError(f"{len(_HEADER)} columns expected")
        if any("\udc80" <= character <= "\udcff" for value in record for character in value):
            raise UnreadableError("not valid UTF-8")
        values = dict(zip(_HEADER, record, strict=True))
        day, amount = _to_date(values["date"]), _to_amount(values["amount"])
        account, mask = values["account"].strip(), values["account mask"].strip()
        key = (day, values["name"], amount, account, mask)
        self._seen[key] += 1
        return {
            "transaction_id": _transaction_id(key, self._seen[key]),
            "occurrence": self._seen[key],
            "date": day,
            "name": values["name"],
            "amount": amount,
            "status": values["status"].strip().lower() or None,
            "category": values["category"] or None,
            "parent_category": values["parent category"] or None,
            "is_excluded": _to_flag(values["excluded"]),
            "tags": values["tags"] or None,
            "type": values["type"].strip().lower() or None,
            "account": account,
            "account_mask": mask,
            "note": values["note"] or None,
            "recurring": values["recurring"] or None,
            "source_file": self.export.source_file,
            "source_line": line,
        }

    def _reject(self, line: int, reason: str, record: list[str]) -> None:
        text = ",".join(record).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self.rejects.append(Reject(self.export.source_file, line, reason, text))


def _transaction_id(key: tuple[object, ...], occurrence: int) -> str:
    # the unit separator cannot stand in a CSV field that a person typed, so two keys cannot run together
    text = "\x1f".join(str(part) for part in (*key, occurrence))
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _to_date(text: str) -> date:
    try:
        if _DAY.fullmatch(text.strip()):
            return date.fromisoformat(text.strip())
    except ValueError:
        pass
    raise UnreadableError("date is not an ISO date")


def _to_amount(text: str) -> Decimal:
    if not _AMOUNT.fullmatch(text.strip()):
        raise UnreadableError("amount is not a decimal number")
    amount = Decimal(text.strip())
    if abs(amount) >= _AMOUNT_LIMIT:
        raise UnreadableError("amount is out of range")
    cents = amount.quantize(Decimal("0.01"))
    if cents != amount:
        raise UnreadableError("amount has more than two decimals")
    # -0.00 is 0.00: the key must not tell them apart
    return cents + Decimal(0)


def _to_flag(text: str) -> bool:
    flag = _FLAGS.get(text.strip().lower())
    if flag is None:
        raise UnreadableError("excluded is neither true nor false")
    return flag

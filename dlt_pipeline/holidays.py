"""Nager.Date's API of public holidays: one complete JSON document per year and country.

A document has no version and no time of its own, so its version is a hash of its entries. A date can have several
entries, also with the same name, for other counties and of other types.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from typing import Any

import pyarrow as pa
from pydantic import Field
from pydantic_settings import SettingsConfigDict
from requests.exceptions import JSONDecodeError as RequestsJSONDecodeError

from data_stack.errors import TerminalError, TransientError
from data_stack.progress import Progress
from data_stack.settings import BaseStackSettings, BaseUrl, Settings
from data_stack.window import Window
from dlt_pipeline.http import Http, read_origin
from dlt_pipeline.landing import Answer, describe_get
from dlt_pipeline.reader import BatchReader, Plan, Planned, Provider
from dlt_pipeline.stage import Reject, RejectedRowError, Stage
from dlt_pipeline.tables import BOOLEAN, DATE, INTEGER, PROVIDER, REJECTS, TEXT, RawTable

HOLIDAYS = RawTable(
    "holidays",
    pa.schema(
        [
            ("holiday_id", TEXT),
            ("year", INTEGER),
            ("date", DATE),
            ("name", TEXT),
            ("local_name", TEXT),
            ("country_code", TEXT),
            ("is_fixed", BOOLEAN),
            ("is_global", BOOLEAN),
            ("counties", TEXT),
            ("types", TEXT),
            ("launch_year", INTEGER),
            ("batch", TEXT),
        ]
    ),
    key=("holiday_id",),
)
YEARS = RawTable(
    "years",
    pa.schema([("year", INTEGER), ("sha256", TEXT), ("entries", INTEGER), ("batch", TEXT)]),
    key=("year",),
)
TABLES = (HOLIDAYS, YEARS, REJECTS, PROVIDER)

_REPORT = "nothing was loaded; check HOLIDAYS_COUNTRY and the dates, or run again later"


class HolidaysSettings(BaseStackSettings):
    """Settings of this source; variables begin with `HOLIDAYS_`."""

    model_config = SettingsConfigDict(env_prefix="HOLIDAYS_")

    base_url: BaseUrl = Field("https://date.nager.at", description="Server of the holidays API")
    country: str = Field("US", pattern="^[A-Z]{2}$", description="Country asked for, two letters of ISO 3166-1")


@dataclass(frozen=True)
class YearDocument:
    """The document of one year.

    Attributes:
        year: The year.
        sha256: Hash of its entries, in hexadecimal digits.
    """

    year: int
    sha256: str


class HolidaysReader(BatchReader[YearDocument]):
    """Asks for the document of every year of the window again, because its corrections have no version."""

    name = "holidays"
    tables = TABLES
    settings_class = HolidaysSettings

    def __init__(self, settings: Settings, is_replay: bool = False) -> None:
        super().__init__(settings, is_replay)
        self.holidays = HolidaysSettings.load()
        self.http = Http(settings)
        self._origin: str | None = None
        self._entries: dict[int, list[Any]] = {}

    def plan(self, window: Window | None) -> Plan[YearDocument]:
        """See `SourceReader.plan`; a window is required."""
        if window is None:
            raise TerminalError("holidays: a window is required; pass --from and --to")
        known = set(self.query_raw("select year, sha256 from raw.years"))
        planned: list[Planned[YearDocument]] = []
        for year in sorted({month.year for month in window.months()}):
            document = YearDocument(year, _hash_entries(self._ask_entries(year)))
            skip = "this version is already loaded" if (year, document.sha256) in known else None
            planned.append(Planned(self._name_document(year), None, skip, document))
        return Plan(tuple(planned))

    def withdrawn(self) -> list[tuple[str, str]]:
        """See `SourceReader.withdrawn`: the provider offers an earlier version, which is loaded, again."""
        failed = self.failed_loads()
        versions = self.query_raw("select year, sha256, batch, _dlt_load_id from raw.years") if failed else []
        good = {(year, sha256) for year, sha256, _, load_id in versions if load_id not in failed}
        return [
            (load_id, batch)
            for year, _, batch, load_id in versions
            if load_id in failed and (year, _hash_entries(self._ask_entries(year))) in good
        ]

    def provider(self) -> Provider:
        """See `SourceReader.provider`; the origin is known once the API has answered."""
        return Provider(self._origin, self.holidays.country)

    def read(self, items: list[YearDocument], stage: Stage, progress: Progress) -> None:
        """See `BatchReader.read`: the answers of the plan; a replay asks the landing for them."""
        self.landing.keep_answers()
        for document in items:
            progress(self._name_document(document.year), 0, None)
            self._stage_entries(document, self._ask_entries(document.year), stage)

    def describe(self, items: list[YearDocument], stage: Stage) -> None:
        """See `SourceReader.describe`: the years that are loaded, with the hash of each."""
        batches = [(self._name_batch(document), document) for document in items]
        stage.write_rows(
            YEARS,
            [
                {
                    "year": document.year,
                    "sha256": document.sha256,
                    "entries": stage.count_rows(HOLIDAYS, batch),
                    "batch": batch,
                }
                for batch, document in batches
            ],
        )

    def _name_document(self, year: int) -> str:
        return f"holidays of {year} in {self.holidays.country}"

    def _name_batch(self, document: YearDocument) -> str:
        return f"{self._name_document(document.year)}, version {document.sha256[:12]}"

    def _ask_entries(self, year: int) -> list[Any]:
        """The entries of a year; each is asked for once."""
        if year not in self._entries:
            url = f"{self.holidays.base_url}/api/v3/PublicHolidays/{year}/{self.holidays.country}"
            answer = self.landing.ask(
                self._name_document(year), describe_get(url), lambda: self.http.retry(lambda: self._send_request(url))
            )
            self._origin = answer.origin
            self._entries[year] = json.loads(answer.content)
        return self._entries[year]

    def _send_request(self, url: str) -> Answer:
        response = self.http.get(url)
        try:
            entries = response.json()
        except RequestsJSONDecodeError:
            raise TransientError(f"{url} did not answer with JSON") from None
        if not isinstance(entries, list):
            raise TerminalError(f"holidays: {url} did not answer with a list of holidays; {_REPORT}")
        if not entries:
            raise TerminalError(f"holidays: {url} answered a document without any holiday; {_REPORT}")
        return Answer(response.content, read_origin(response))

    def _stage_entries(self, document: YearDocument, entries: list[Any], stage: Stage) -> None:
        batch = self._name_batch(document)
        rows: list[dict[str, Any]] = []
        rejects: list[Reject] = []
        for position, entry in enumerate(entries, 1):
            try:
                rows.append(_parse_entry(entry) | {"year": document.year, "batch": batch})
            except RejectedRowError as error:
                rejects.append(Reject(batch, position, str(error), json.dumps(entry, ensure_ascii=False)))
        stage.write_rows(HOLIDAYS, rows)
        stage.write_rejects(rejects)
        stage.count_read(batch, len(entries))


def _hash_entries(entries: list[Any]) -> str:
    """Hash the content: neither the order of the entries nor that of their members is a new version."""
    texts = sorted(json.dumps(entry, sort_keys=True) for entry in entries)
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()


def _parse_entry(entry: Any) -> dict[str, Any]:
    """Parse one entry into a row without year and batch."""
    if not isinstance(entry, dict):
        raise RejectedRowError("the entry is not an object")
    row = {
        "date": _parse_date(entry.get("date")),
        "name": _parse_text(entry, "name"),
        "local_name": entry.get("localName"),
        "country_code": entry.get("countryCode"),
        "is_fixed": entry.get("fixed"),
        "is_global": _parse_flag(entry, "global"),
        "counties": _join_list(entry, "counties"),
        "types": _join_list(entry, "types"),
        "launch_year": entry.get("launchYear"),
    }
    misfits = [name for name, kind in _OPTIONAL.items() if not isinstance(row[name], kind | None)]
    if misfits:
        raise RejectedRowError(f"{', '.join(misfits)} has another type than the format says")
    identity = [str(row["date"]), row["name"], row["counties"], row["types"], row["country_code"]]
    return row | {"holiday_id": hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]}


_OPTIONAL: dict[str, type] = {"local_name": str, "country_code": str, "is_fixed": bool, "launch_year": int}


def _parse_date(value: Any) -> date:
    try:
        return date.fromisoformat(value)
    except (TypeError, ValueError):
        raise RejectedRowError("date is missing or not a day") from None


def _parse_text(entry: dict[str, Any], member: str) -> str:
    value = entry.get(member)
    if not isinstance(value, str) or not value.strip():
        raise RejectedRowError(f"{member} is missing or not a text")
    return value.strip()


def _parse_flag(entry: dict[str, Any], member: str) -> bool:
    value = entry.get(member)
    if not isinstance(value, bool):
        raise RejectedRowError(f"{member} is missing or neither true nor false")
    return value


def _join_list(entry: dict[str, Any], member: str) -> str | None:
    """The sorted values of a list, joined by commas; null without a value."""
    values = entry.get(member) or []
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise RejectedRowError(f"{member} is not a list of texts")
    return ",".join(sorted(values)) or None

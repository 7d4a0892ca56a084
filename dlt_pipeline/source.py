"""What every source is: a plan of what to fetch, and a reader that stages it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from data_stack.ops import Ops
from data_stack.settings import Settings
from data_stack.window import Window
from dlt_pipeline.http import Progress
from dlt_pipeline.stage import Stage
from dlt_pipeline.tables import RawTable

Item = TypeVar("Item")


@dataclass(frozen=True)
class Provider:
    """Who the rows of a raw file come from; a raw file holds rows of one provider only.

    Attributes:
        origin: `sample` or `live`; None as long as the provider has not answered.
        scope: What was asked of it: the system, the place, or empty.
    """

    origin: str | None
    scope: str

    def differs(self, other: "Provider") -> bool:
        """Whether the rows of the two must not be mixed; an origin that is not known yet differs from none."""
        return self.scope != other.scope or (self.origin or other.origin) != (other.origin or self.origin)

    def __str__(self) -> str:
        return f"{self.origin or 'new'} data" + (f" of {self.scope}" if self.scope else "")


@dataclass(frozen=True)
class Planned(Generic[Item]):
    """One thing to fetch: a file, or a request.

    Attributes:
        what: Words for people: file name or request.
        size_bytes: Its size, where the provider tells.
        skip: Why it is not fetched; None means that it is.
        item: What the source's reader needs.
    """

    what: str
    size_bytes: int | None
    skip: str | None
    item: Item


@dataclass(frozen=True)
class Plan(Generic[Item]):
    """What a source would do for a window.

    Attributes:
        planned: What it would fetch, in order, with what it would skip.
        note: A sentence for the user, for example why there is nothing to do.
    """

    planned: tuple[Planned[Item], ...]
    note: str | None = None

    def to_fetch(self) -> list[Item]:
        """The items that are not skipped."""
        return [planned.item for planned in self.planned if planned.skip is None]


class Source(ABC, Generic[Item]):
    """A source; the module `dlt_pipeline.<name>` has one as `SOURCE` and its tables as `TABLES`.

    Attributes:
        name: Its name in the registry.
        tables: Its raw tables, the one with the rows first.
        notes: Sentences for the user, added while reading.
    """

    name: str
    tables: tuple[RawTable, ...]

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.notes: list[str] = []

    @abstractmethod
    def plan(self, window: Window | None) -> Plan[Item]:
        """Ask the provider what there is, and the raw file what is already loaded.

        Args:
            window: Days to load; None where the source takes everything it finds.

        Raises:
            TerminalError: The provider lacks something of the window; nothing has been fetched.
            TransientError: The provider does not answer.
        """

    @abstractmethod
    def provider(self) -> Provider:
        """Who answers, as far as it is known; after `read` it is."""

    @abstractmethod
    def read(self, items: list[Item], stage: Stage, progress: Progress) -> None:
        """Fetch and parse the items and stage their rows and rejects."""

    @abstractmethod
    def describe(self, items: list[Item], stage: Stage) -> None:
        """Stage what is known once all rows are there: files with their counts, coverage."""

    def latest_month(self) -> date | None:
        """First day of the latest month that the provider lists; None where it lists none."""
        return None

    def withdrawn(self) -> list[str]:
        """Files of loads that failed their gate which the user has taken away since."""
        return []

    def failed_loads(self) -> list[str]:
        """Loads of this source that failed their gate."""
        rows = Ops(self.settings.ops_dir).query(
            "select load_id from loads where source = ? and state = 'failed'", [self.name]
        )
        return [row["load_id"] for row in rows]

    def cleanup(self, items: list[Item]) -> None:
        """Remove downloads that are loaded now."""

"""What every source's reader is: a plan of what to fetch, and a way to read it into the staging area.

A `BatchReader` fetches and parses batches itself; a `ResourceReader` brings a dlt resource.
"""

import importlib
import shutil
from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from pydantic import TypeAdapter

from data_stack.errors import TerminalError
from data_stack.ops import Ops
from data_stack.progress import Progress
from data_stack.raw import query_raw
from data_stack.registry import Source, get_source
from data_stack.settings import BaseStackSettings, Settings
from data_stack.window import Window
from dlt_pipeline.landing import Landing, Part
from dlt_pipeline.stage import Stage
from dlt_pipeline.tables import RawTable

if TYPE_CHECKING:
    from dlt.extract import DltResource

Item = TypeVar("Item")


@dataclass(frozen=True)
class Provider:
    """Who the rows of a raw file come from; a raw file has rows of one provider only.

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
        what: File name or request, for people.
        size_bytes: Its size, where the provider states it.
        skip: Why it is not fetched; None means that it is.
        item: What the reader needs to fetch it.
    """

    what: str
    size_bytes: int | None
    skip: str | None
    item: Item


@dataclass(frozen=True)
class NotPublished:
    """Days that the provider does not offer yet, but can be expected to.

    Attributes:
        window: The days.
        reason: What the provider offers instead, for people.
    """

    window: Window
    reason: str


@dataclass(frozen=True)
class Plan(Generic[Item]):
    """What a source would do for a window.

    Attributes:
        planned: What it would fetch, in order, and what it would skip.
        note: A message for the user, for example why there is nothing to do.
        not_published: Days of the window that are not there yet: an error where a user asked for them, while a
            scheduled run leaves them to later ones.
    """

    planned: tuple[Planned[Item], ...]
    note: str | None = None
    not_published: tuple[NotPublished, ...] = ()

    def to_fetch(self) -> list[Planned[Item]]:
        """What is not skipped."""
        return [planned for planned in self.planned if planned.skip is None]


class SourceReader(ABC, Generic[Item]):
    """What both kinds of reader have; the module `dlt_pipeline.<name>` defines the reader of the source of its name.

    Args:
        settings: Settings of the platform.
        is_replay: `read` takes everything from the landing; there need be no provider.

    Attributes:
        name: The source's name in the registry.
        tables: Its raw tables, the one with the rows first.
        settings_class: Its own settings.
        landing: What is fetched goes through it.
        notes: Messages for the user, added while reading.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[RawTable, ...]]
    settings_class: ClassVar[type[BaseStackSettings]]

    def __init__(self, settings: Settings, is_replay: bool = False) -> None:
        self.settings = settings
        self.landing = Landing(settings, self.name, is_replay)
        self.notes: list[str] = []

    def close(self) -> None:
        """End what the reader has opened, such as a connection; called once, also after a failure."""

    @abstractmethod
    def plan(self, window: Window | None) -> Plan[Item]:
        """Ask the provider what there is, and the raw file what is already loaded.

        Args:
            window: Days to load; None where the source loads everything that it finds.

        Raises:
            TerminalError: The provider does not have something of the window; nothing has been fetched.
            TransientError: The provider is unavailable.
        """

    @abstractmethod
    def provider(self) -> Provider:
        """Who answers, as far as that is known; it is known after `read`."""

    def describe(self, items: list[Item], stage: Stage) -> None:
        """Stage what is known once all rows are staged: files with their counts, coverage."""

    def default_window(self) -> Window | None:
        """The days that are loaded when nobody says which; None where the provider does not say.

        Raises:
            TransientError: The provider is unavailable.
        """
        return None

    def withdrawn(self) -> list[tuple[str, str]]:
        """Versions that failed their gate and are no longer offered, as load and batch.

        What is offered instead is either loaded already or nothing, so that no later load replaces these rows.
        """
        return []

    def failed_loads(self) -> list[str]:
        """Loads of this source that failed their gate."""
        return Ops(self.settings).failed_loads(self.name)

    def query_raw(self, sql: str, parameters: list[Any] | None = None) -> list[tuple[Any, ...]]:
        """Rows of this source's raw file; see `data_stack.raw.query_raw`."""
        return query_raw(self.settings, get_source(self.name), sql, parameters)


class BatchReader(SourceReader[Item]):
    """Fetches batches - files, answers of an API, reads of a table - and parses their rows."""

    @abstractmethod
    def read(self, items: list[Item], stage: Stage, progress: Progress) -> None:
        """Fetch the items through the landing, parse them, and stage their rows and rejects.

        A batch without rows is counted too, as 0, and described, because it can replace rows of an earlier load.
        """


class ResourceReader(SourceReader[str]):
    """Reads a source through a dlt resource of its own, for example of a verified source.

    dlt runs the resource and keeps its state, such as the cursor of `dlt.sources.incremental`; the state advances only
    with a load that has arrived. The rows are counted, checked, judged and published like those of every source. A row
    that was deleted comes as a row with a flag, which staging leaves out. The resource's own `write_disposition` is not
    used, because a load overwrites nothing.
    """

    @abstractmethod
    def open_resource(self) -> "DltResource":
        """The resource; its items are rows of the first of `tables`, without the column `batch`."""

    def note_rows(self, rows: list[dict[str, Any]]) -> None:
        """Write rows that dlt has read where `keep_rows` finds them, in the folder of the staging area.

        Args:
            rows: Rows as the resource gave them.
        """
        from dlt.common.json import json

        with self._rows_file.open("ab") as file:
            file.write(json.typed_dumpb(rows) + b"\n")

    def keep_rows(self, batch: str) -> None:
        """Keep what the resource gave in the landing.

        Args:
            batch: The batch that the rows came with.
        """

        def copy(part: Part) -> str | None:
            if self._rows_file.exists():
                with self._rows_file.open("rb") as file:
                    shutil.copyfileobj(file, part)
            return self.provider().origin

        self.landing.fetch(batch, f"dlt resource of {self.name}", copy)

    def read_kept(self, items: list[str], stage: Stage) -> None:
        """Stage what the resource gave before, for a replay.

        Args:
            items: The batch.
            stage: The staging area.
        """
        from dlt.common.json import json

        for batch in items:
            stage.count_read(batch, 0)
            landed = self.landing.fetch(batch, "", lambda _: None)
            with landed.path.open("rb") as file:
                for page in file:
                    stage.write_items(json.typed_loadb(page), batch)

    @property
    def _rows_file(self) -> Path:
        return self.settings.stage_dir(self.name) / "rows.jsonl"

    def plan(self, window: Window | None) -> Plan[str]:
        """See `SourceReader.plan`; what is new, the resource knows by its state."""
        batch = f"{self.name} {datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        return Plan((Planned(batch, None, None, batch),))

    def provider(self) -> Provider:
        """See `SourceReader.provider`."""
        return Provider("live", "")


def find_reader(source_name: str) -> type[SourceReader[Any]]:
    """The reader class of a source: the one that `dlt_pipeline.<source_name>` defines.

    Raises:
        TerminalError: The module is missing, or does not define exactly one reader of that name.
    """
    found: type[SourceReader[Any]] = find_class(f"dlt_pipeline.{source_name}", SourceReader, source_name)
    return found


def find_class(module_name: str, base: type[Any], source_name: str) -> type[Any]:
    """The one class of a source that a module defines.

    Args:
        module_name: The module.
        base: What the class is derived from.
        source_name: Its attribute `name`.

    Raises:
        TerminalError: The module is missing, or does not define exactly one such class of that name.
    """
    path = f"{module_name.replace('.', '/')}.py"
    remedy = f"must define one {base.__name__} with the name {source_name!r}; copy that of another source"
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name != module_name:
            raise
        raise TerminalError(f"{path} is missing, which {remedy}") from None
    classes: list[type[Any]] = [
        defined
        for defined in vars(module).values()
        if isinstance(defined, type) and issubclass(defined, base) and defined.__module__ == module.__name__
    ]
    if [getattr(defined, "name", None) for defined in classes] != [source_name]:
        raise TerminalError(f"{path} {remedy}")
    return classes[0]


def make_item_adapter(reader: SourceReader[Any]) -> TypeAdapter[list[Any]]:
    """What turns a reader's items into JSON values and back; `BatchReader[MonthFile]` declares their type."""
    bases = [base for made in type(reader).__mro__ for base in getattr(made, "__orig_bases__", ())]
    item_type: Any = next(argument for base in bases for argument in get_args(base) if argument is not Item)
    return TypeAdapter(list[item_type])


def open_reader(source: Source, settings: Settings, is_replay: bool = False) -> SourceReader[Any]:
    """The reader of a source for one data folder; in a replay it reads what has landed instead of the provider."""
    return find_reader(source.name)(settings, is_replay)

"""The bytes that a source received: kept by their SHA-256, with an index that says when they came and from where.

`DATA_DIR/landing/<source>/` has the bytes in `objects/<ab>/<sha256>`, the index in `index.jsonl`, and the loads that
were made from the bytes in `loads.jsonl`. Only the process that holds the source's lock exclusively writes there. A
plan alone writes nothing, so the answers that it is made from stay in memory until its load begins.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import IO, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from data_stack.errors import TerminalError
from data_stack.redaction import HIDDEN
from data_stack.settings import Settings

# a parameter too many is hidden rather than a secret kept: what was asked for is in `Landed.name` as well
_SECRET_NAME = re.compile(r"key(?!s)|token|secret|signature|\bsig\b|passw|pwd|credential|auth|session|appid", re.I)


@dataclass(frozen=True)
class Landed:
    """Bytes that were received, as a line of the index.

    Attributes:
        name: What was asked for, with its version where there is one (ETag), but without the provider's URL: a replay
            finds the bytes even after the provider has moved.
        request: The request as it was sent, with secrets hidden, or the path of a file.
        path: The bytes, named by their SHA-256.
        sha256: That hash, in hexadecimal digits.
        size_bytes: Their number.
        origin: `sample` or `live`; None if the source does not say.
        fetched_at_utc: When they were received (naive UTC).
    """

    name: str
    request: str
    path: Path
    sha256: str
    size_bytes: int
    origin: str | None
    fetched_at_utc: datetime

    def is_intact(self) -> bool:
        """Whether the bytes are there and have their hash."""
        return _is_intact(self.path)


@dataclass(frozen=True)
class LandedLoad:
    """A load, with what is needed to make it again.

    Attributes:
        load_id: dlt's identifier of the load.
        loaded_at_utc: The time of the load (naive UTC).
        items: What the reader read, as JSON values.
        sha256: Hashes of the bytes that it was made from, in the order in which they were used.
    """

    load_id: str
    loaded_at_utc: datetime
    items: list[Any]
    sha256: list[str]


@dataclass(frozen=True)
class Answer:
    """A small answer of a provider.

    Attributes:
        content: Its body, without the compression of the transfer.
        origin: `sample` or `live`; None if the source does not say.
    """

    content: bytes
    origin: str | None

    def write_to(self, part: "Part") -> str | None:
        """Write the body, and return the origin, as `Landing.fetch` wants it."""
        part.write(self.content)
        return self.origin


class Part(AbstractContextManager["Part"]):
    """Bytes on their way into the landing: hashed while they are written, and removed if anything fails.

    Attributes:
        path: Where they are until they are complete.
        size_bytes: Bytes written so far.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size_bytes = 0
        self._hash = hashlib.sha256()
        self._file = path.open("wb")

    @property
    def sha256(self) -> str:
        """Hash of the bytes written so far."""
        return self._hash.hexdigest()

    def write(self, chunk: bytes) -> int:
        """Write more bytes; `shutil.copyfileobj` can copy into a part."""
        self._hash.update(chunk)
        self.size_bytes += len(chunk)
        return self._file.write(chunk)

    def flush(self) -> None:
        """Make the bytes written so far readable at `path`."""
        self._file.flush()

    def move_to(self, target: Path) -> None:
        """Put the complete bytes on the disk under their name."""
        _sync(self._file)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.path.replace(target)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class Journal:
    """A file of JSON objects, one per line, to which lines are only added; a line that a kill cut off does not count.

    Args:
        path: Where it is; it is created with its first line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[dict[str, Any]]:
        """Read the objects, oldest first.

        Raises:
            TerminalError: A line within the file is not such an object.
        """
        # not `splitlines`: a file name can contain what it takes for the end of a line
        lines = self._read_complete_lines().split(b"\n")[:-1]
        return [self._parse_line(number, line) for number, line in enumerate(lines, 1)]

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add an object; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        complete = self._read_complete_lines()
        with self.path.open("ab") as file:
            file.truncate(len(complete))
            file.write(_format_line(entry))
            _sync(file)

    def replace(self, entries: Iterable[Mapping[str, Any]]) -> None:
        """Replace all objects in one atomic step."""
        new = self.path.with_name(f"{self.path.name}.new")
        with new.open("wb") as file:
            file.writelines(_format_line(entry) for entry in entries)
            _sync(file)
        new.replace(self.path)

    def _read_complete_lines(self) -> bytes:
        content = self.path.read_bytes() if self.path.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def _parse_line(self, number: int, line: bytes) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            raise TerminalError(f"line {number} of {self.path} is damaged; restore the file, or delete that line")
        return entry


class Landing:
    """What one source received, and the loads that were made from it.

    Args:
        settings: Its landing folder is used; nothing is written before the first bytes arrive.
        source_name: Name of the source.
        is_replay: Nothing is fetched: every request is answered with the bytes that it brought the last time.

    Attributes:
        is_replay: As given.
        used: Hashes of everything that was fetched through this object, in order.
    """

    def __init__(self, settings: Settings, source_name: str, is_replay: bool = False) -> None:
        self.is_replay = is_replay
        self.used: list[str] = []
        self._source_name = source_name
        self._folder = settings.landing_dir(source_name)
        self._index = Journal(self._folder / "index.jsonl")
        self._loads = Journal(self._folder / "loads.jsonl")
        self._replayed: frozenset[str] | None = None
        self._asked: list[tuple[str, str, Answer, datetime]] = []

    def fetch(self, name: str, request: str, write: Callable[[Part], str | None], is_immutable: bool = False) -> Landed:
        """Fetch bytes; they appear under their hash only when they are complete.

        Args:
            name: What is asked for; see `Landed.name`.
            request: How it is asked for; see `Landed.request` and `describe_get`.
            write: Writes the bytes and returns their origin. What it raises is passed on, and nothing is kept then.
            is_immutable: The name contains a version: bytes that the same request brought before are used again.

        Raises:
            TerminalError: In a replay, the bytes are gone or damaged.
        """
        landed = None
        if self.is_replay:
            landed = self._recall(name)
        elif is_immutable:
            landed = self._find_intact(name, request)
        if landed is None:
            landed = self._receive(name, request, write, _now())
        self.used.append(landed.sha256)
        return landed

    def ask(self, name: str, request: str, send: Callable[[], Answer]) -> Answer:
        """Ask for an answer that a plan is made from; it is kept once the load calls `keep_answers`.

        Args:
            name: What is asked for; see `Landed.name`.
            request: How it is asked for; see `Landed.request` and `describe_get`.
            send: Sends the request and checks the answer.

        Raises:
            TerminalError: In a replay, the bytes are gone or damaged.
        """
        if self.is_replay:
            landed = self._recall(name)
            self.used.append(landed.sha256)
            return Answer(landed.path.read_bytes(), landed.origin)
        answer = send()
        self._asked.append((name, request, answer, _now()))
        return answer

    def keep_answers(self) -> None:
        """Keep what the plan asked for; a reader that uses `ask` calls this when it begins to read."""
        while self._asked:
            name, request, answer, asked_at_utc = self._asked.pop(0)
            self.used.append(self._receive(name, request, answer.write_to, asked_at_utc).sha256)

    def replay_only(self, hashes: Iterable[str]) -> None:
        """Answer the requests of a replay with the bytes of one load (`LandedLoad.sha256`), not with the latest."""
        self._replayed = frozenset(hashes)

    def entries(self) -> list[Landed]:
        """Read the index, oldest first."""
        return [self._parse_entry(entry) for entry in self._index.read()]

    def missing(self, hashes: Iterable[str]) -> list[str]:
        """Find the hashes whose bytes are gone or damaged; reads all these bytes."""
        return [sha256 for sha256 in hashes if not _is_intact(self.locate(sha256))]

    def record_load(self, load_id: str, items: list[Any], loaded_at_utc: datetime) -> None:
        """Record a load that was made from what this object fetched.

        Args:
            load_id: dlt's identifier.
            items: What the reader read, as JSON values.
            loaded_at_utc: The time of the load (naive UTC).
        """
        load = LandedLoad(load_id, loaded_at_utc, items, self.used)
        self._loads.append(_describe_landed_load(load))

    def loads(self) -> list[LandedLoad]:
        """Read the recorded loads, oldest first."""
        return [
            LandedLoad(**load | {"loaded_at_utc": datetime.fromisoformat(load["loaded_at_utc"])})
            for load in self._loads.read()
        ]

    def describe_loads(self, loads: Sequence[LandedLoad]) -> list[dict[str, Any]]:
        """Loads, each with the lines of the index about its bytes, as JSON values that `restore` takes.

        Args:
            loads: Some of `loads`.
        """
        lines: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        for number, entry in enumerate(self._index.read() if loads else ()):
            lines.setdefault(entry["sha256"], []).append((number, entry))
        described = []
        for load in loads:
            found = sorted((one for sha256 in set(load.sha256) for one in lines.get(sha256, ())), key=itemgetter(0))
            described.append({"load": _describe_landed_load(load), "entries": [entry for _, entry in found]})
        return described

    def restore(self, described: Sequence[Mapping[str, Any]]) -> None:
        """Add loads of an earlier landing, which come before those that are here; their bytes are there already.

        Args:
            described: What `describe_loads` returned, oldest first.
        """
        if not described:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        # the index first: a load without its lines could not be replayed
        _put_before(self._index, [entry for one in described for entry in one["entries"]])
        _put_before(self._loads, [one["load"] for one in described])

    def restore_bytes(self, sha256: str, pieces: Iterable[bytes]) -> bool:
        """Write bytes that were kept elsewhere, if they are those of their hash.

        Args:
            sha256: Their hash.
            pieces: The bytes.

        Returns:
            Whether they were; otherwise nothing is kept.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        with Part(self._folder / "fetched.part") as part:
            for piece in pieces:
                part.write(piece)
            if part.sha256 != sha256:
                return False
            part.move_to(self.locate(sha256))
        return True

    def locate(self, sha256: str) -> Path:
        """Where bytes are, or would be.

        Args:
            sha256: Their hash.
        """
        return self._objects_dir / sha256[:2] / sha256

    def prune(self, keep_days: int | None) -> int:
        """Remove the bytes that were last fetched or loaded too long ago; a replay of their loads is refused then.

        Args:
            keep_days: Days after which bytes are removed; None keeps everything.

        Returns:
            The number of objects that were removed.
        """
        if keep_days is None:
            return 0
        since = _now() - timedelta(days=keep_days)
        kept = set(self.used)
        kept.update(landed.sha256 for landed in self.entries() if landed.fetched_at_utc >= since)
        kept.update(sha256 for load in self.loads() if load.loaded_at_utc >= since for sha256 in load.sha256)
        # objects first: after a kill in between, the next call finds their index lines and completes the work
        removed = [path for path in self._objects_dir.glob("*/*") if path.name not in kept]
        for path in removed:
            path.unlink()
        entries = self._index.read()
        if any(entry["sha256"] not in kept for entry in entries):
            self._index.replace(entry for entry in entries if entry["sha256"] in kept)
        return len(removed)

    @property
    def _objects_dir(self) -> Path:
        return self._folder / "objects"

    def _parse_entry(self, entry: dict[str, Any]) -> Landed:
        fetched_at_utc = datetime.fromisoformat(entry["fetched_at_utc"])
        return Landed(**entry | {"path": self.locate(entry["sha256"]), "fetched_at_utc": fetched_at_utc})

    def _receive(self, name: str, request: str, write: Callable[[Part], str | None], at_utc: datetime) -> Landed:
        self._folder.mkdir(parents=True, exist_ok=True)
        with Part(self._folder / "fetched.part") as part:
            origin = write(part)
            part.move_to(self.locate(part.sha256))
        entry = {
            "name": name,
            "request": request,
            "sha256": part.sha256,
            "size_bytes": part.size_bytes,
            "origin": origin,
            "fetched_at_utc": at_utc.isoformat(),
        }
        self._index.append(entry)
        return self._parse_entry(entry)

    def _find_intact(self, name: str, request: str) -> Landed | None:
        """The latest bytes of the very same request, where they are there and intact."""
        same = [landed for landed in self.entries() if (landed.name, landed.request) == (name, request)]
        return next((landed for landed in reversed(same) if landed.is_intact()), None)

    def _recall(self, name: str) -> Landed:
        """The latest bytes of a name, among those of the load that is replayed."""
        same = [landed for landed in self.entries() if landed.name == name]
        if self._replayed is not None:
            same = [landed for landed in same if landed.sha256 in self._replayed]
        if not same:
            raise TerminalError(
                f"{self._source_name}: {name} is not in {self._index.path}, so it cannot be replayed: it was never "
                "fetched with these settings of the source, or LANDING_KEEP_DAYS has passed; load it from the provider"
            )
        if not same[-1].is_intact():
            raise TerminalError(
                f"{self._source_name}: the bytes of {name} are gone or damaged, so they cannot be replayed; "
                f"restore {same[-1].path} from a backup, or load them from the provider"
            )
        return same[-1]


def describe_get(url: str, params: Mapping[str, Any] | None = None) -> str:
    """Describe a GET request for the index, without its secrets.

    Args:
        url: The URL; a user and a password in it are left out, and so is a fragment.
        params: Parameters that are added to its query. Values are hidden where the name is that of a key or a token.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        # sending the request fails with an error that explains it
        return f"GET {HIDDEN}"
    query = [*parse_qsl(parts.query, keep_blank_values=True), *(params or {}).items()]
    shown = urlencode([(name, HIDDEN if _SECRET_NAME.search(name) else value) for name, value in query], safe="(),:")
    return "GET " + urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, shown, ""))


def _describe_landed_load(load: LandedLoad) -> dict[str, Any]:
    return asdict(load) | {"loaded_at_utc": load.loaded_at_utc.isoformat()}


def _put_before(journal: Journal, lines: Iterable[Mapping[str, Any]]) -> None:
    known = journal.read()
    # a line can be that of several loads
    new = {json.dumps(line, sort_keys=True): line for line in lines}
    for line in known:
        new.pop(json.dumps(line, sort_keys=True), None)
    journal.replace([*new.values(), *known])


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _is_intact(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == path.name


def _format_line(entry: Mapping[str, Any]) -> bytes:
    # a file name that is not UTF-8 has surrogates; `json.loads` reads them back
    return (json.dumps(entry, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass")


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())

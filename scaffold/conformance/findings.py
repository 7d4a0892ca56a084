"""What conformance finds: the layer, the file, what differs, who fixes it, and which file shows how."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data_stack.registry import SOURCES, Source
from data_stack.settings import PROJECT_ROOT
from scaffold.owners import find_owner
from scaffold.places import AdaptMark

NOBODY = "nobody"


@dataclass(frozen=True)
class Finding:
    """A place where the layers of a source do not agree.

    Attributes:
        layer: One of `LAYERS`.
        sources: Names of the sources that it concerns; several for a model of several sources, none for the platform.
        file: Path from the project's folder.
        message: What is missing or differs, and the remedy.
        specialist: Who owns the file; `nobody` where the caller changes it.
        copy_from: The same file of another source; empty where there is none.
    """

    layer: str
    sources: tuple[str, ...]
    file: str
    message: str
    specialist: str = ""
    copy_from: str = ""

    def concerns(self, source_names: Iterable[str]) -> bool:
        """Whether it is about one of these sources, or about the platform."""
        return not self.sources or bool(set(self.sources) & set(source_names))

    def format_lines(self) -> list[str]:
        """For people: the place and the message, then who fixes it."""
        example = f"; copy {self.copy_from}" if self.copy_from else ""
        owner = "" if self.specialist == NOBODY else f", owned by {self.specialist}"
        return [
            f"{self.layer}: {self.file}: {self.message}",
            f"    {'/'.join(self.sources) or 'platform'}{owner}{example}",
        ]


@dataclass(frozen=True)
class Report:
    """What a run of conformance found.

    Attributes:
        layers: Layers that were checked.
        findings: In the order of layers and files.
        open_places: Places that are marked `ADAPT(<source>)`.
        seconds: How long it took.
    """

    layers: tuple[str, ...]
    findings: tuple[Finding, ...]
    open_places: tuple[AdaptMark, ...] = field(default_factory=tuple)
    seconds: float = 0

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def complete_finding(finding: Finding, root: Path = PROJECT_ROOT) -> Finding:
    """Add who owns the file, and the same file of another source."""
    copy_from = finding.copy_from or find_example(finding.file, finding.sources, root)
    return Finding(
        finding.layer, finding.sources, finding.file, finding.message, find_owner(finding.file) or NOBODY, copy_from
    )


def find_example(file: str, source_names: Sequence[str], root: Path = PROJECT_ROOT) -> str:
    """The path of the same file of another source.

    Args:
        file: Path from the project's folder.
        source_names: Sources of the finding.
        root: The project's folder.

    Returns:
        A path from the project's folder; empty where no other source has such a file.
    """
    own = [source for source in SOURCES if source.name in source_names]
    others = [source for source in SOURCES if source.name not in source_names]
    for one in own:
        for other in others:
            example = _rename_path(file, one, other)
            if example != file and (root / example).exists():
                return example
    return ""


def _rename_path(file: str, one: Source, other: Source) -> str:
    facts = (one.fact.partition(".")[2], other.fact.partition(".")[2])
    tables = (f"{one.name}__{one.table}", f"{other.name}__{other.table}")
    for before, after in (facts, tables, (one.name, other.name)):
        if before in file:
            return file.replace(before, after)
    return file

"""Removing from the lake what no manifest names that is kept.

Kept are the current manifest, those that it replaced a short time ago, as somebody may be reading them, and those of
publications that readers can still return to. The caller holds the lock of the source's raw file, so nobody writes.
"""

from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from data_stack.errors import TerminalError
from data_stack.lake.lake import Lake, current_file, manifest_file
from data_stack.lake.manifest import Manifest
from data_stack.lake.stores import StoredFile

GRACE = timedelta(days=1)
"""Younger files stay, whoever names them: another writer may be about to."""


@dataclass(frozen=True)
class VacuumReport:
    """What was removed of a source, or would be.

    Attributes:
        source_name: The source.
        removed: Files that no kept manifest names, and manifests that are not kept.
        kept: Files that stay.
    """

    source_name: str
    removed: list[StoredFile]
    kept: int

    @property
    def size_bytes(self) -> int:
        """Bytes of the removed files."""
        return sum(file.size_bytes for file in self.removed)


def vacuum_source(
    lake: Lake,
    source_name: str,
    older_than: timedelta,
    published: Set[str] = frozenset(),
    is_dry_run: bool = False,
    grace: timedelta = GRACE,
) -> VacuumReport:
    """Remove the files of a source that no kept manifest names.

    Args:
        lake: The lake.
        source_name: A source that has a current manifest.
        older_than: A manifest that was replaced before that is not kept, unless it is published.
        published: Identifiers of the manifests of publications.
        is_dry_run: Remove nothing.
        grace: Files that were written since stay.

    Raises:
        TerminalError: A manifest is missing or damaged; nothing was removed.
        TransientError: The lake does not answer.
    """
    now = datetime.now(UTC)
    # the list comes first: a file that is written after it is not in it
    files = [file for file in lake.store.list(source_name) if file.modified_at < now - grace]
    kept = _find_kept(lake, source_name, now - older_than, published)
    named = {file.path for manifest in kept for file in manifest.files}
    named |= {manifest_file(source_name, manifest.manifest_id) for manifest in kept} | {current_file(source_name)}
    removed = sorted((file for file in files if file.path not in named), key=_manifests_last)
    if removed and not is_dry_run:
        lake.store.delete(file.path for file in removed)
    return VacuumReport(source_name, removed, len(named))


def _manifests_last(file: StoredFile) -> tuple[bool, str]:
    """After a kill no file is left over that an earlier manifest could have named."""
    return file.path.endswith(".json"), file.path


def _find_kept(lake: Lake, source_name: str, cutoff: datetime, published: Set[str]) -> list[Manifest]:
    current = lake.read_current(source_name)
    if current is None:
        raise TerminalError(
            f"{source_name}: the lake at {lake.root} has files of it and no current manifest; "
            "`data-stack lake sync` writes one"
        )
    kept, manifest = [current.manifest], current.manifest
    while manifest.previous:
        replaced_at = datetime.fromisoformat(manifest.written_at_utc).replace(tzinfo=UTC)
        earlier = lake.find_manifest(source_name, manifest.previous)
        if earlier is None:
            # an earlier call has removed it, and what came before it
            break
        if replaced_at > cutoff:
            kept.append(earlier)
        manifest = earlier
    known = {manifest.manifest_id for manifest in kept}
    found = [lake.find_manifest(source_name, name) for name in sorted(published - known)]
    return [*kept, *(manifest for manifest in found if manifest)]

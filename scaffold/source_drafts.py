"""Drafts of a new source's files from the profile of a sample, beside its specification; a person takes what fits."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from scaffold.generated_record import GeneratedRecord
from scaffold.profile.draft_suite import draft_suite
from scaffold.profile.drafts import draft_schema, draft_sources_yml, draft_staging_sql, draft_staging_yml
from scaffold.profile.model import Profile

SPEC_FOLDER = "context/spec"


@dataclass(frozen=True)
class Draft:
    """One draft.

    Attributes:
        file: Its file name; not that of code, so that no tool reads it.
        target: The copied file that it is for, with `<name>` and `<table>`.
        write: Makes its text from a profile, the source's name and its raw table.
    """

    file: str
    target: str
    write: Callable[[Profile, str, str], str]

    def find_target(self, name: str, table: str) -> str:
        """Path of the copied file that it is for."""
        return self.target.replace("<name>", name).replace("<table>", table)


DRAFTS = (
    Draft("schema.py.txt", "dlt_pipeline/<name>.py", draft_schema),
    Draft("suite.py.txt", "data_quality/suites/<name>.py", draft_suite),
    Draft("sources.yml.txt", "dbt/models/staging/_<name>__sources.yml", draft_sources_yml),
    Draft("staging.sql.txt", "dbt/models/staging/stg_<name>__<table>.sql", draft_staging_sql),
    Draft("staging.yml.txt", "dbt/models/staging/stg_<name>__<table>.yml", draft_staging_yml),
)


def make_drafts(root: Path, name: str, table: str, profile: Profile) -> dict[str, bytes]:
    """Make the drafts of a source.

    Args:
        root: Folder of the repository.
        name: The source.
        table: Its raw table.
        profile: Of a sample of the provider's data.

    Returns:
        Their content by path, in the folder of the source's specification or in the next one.
    """
    folder = f"{_find_spec_folder(root, name)}/drafts"
    return {f"{folder}/{draft.file}": draft.write(profile, name, table).encode() for draft in DRAFTS}


def read_drafts(root: Path, record: GeneratedRecord) -> dict[str, bytes]:
    """Read the drafts that an earlier call wrote.

    Args:
        root: Folder of the repository.
        record: What that call wrote.
    """
    paths = [path for path in record.files if path.startswith(f"{SPEC_FOLDER}/")]
    return {path: (root / path).read_bytes() for path in paths if (root / path).is_file()}


def add_draft_marks(name: str, table: str, copies: dict[str, bytes], drafts: dict[str, bytes]) -> None:
    """Mark in the copied files which draft to look at, above the mark that says what to adapt.

    Args:
        name: The source.
        table: Its raw table.
        copies: Content of the copied files by path; changed in place.
        drafts: Content of the drafts by path.
    """
    targets = {draft.file: draft.find_target(name, table) for draft in DRAFTS}
    for path in drafts:
        target = targets[PurePosixPath(path).name]
        if target in copies:
            mark = re.compile(rf"^(#|--) (?=ADAPT\({name}\): )", re.MULTILINE)
            line = rf"\1 ADAPT({name}): compare with the draft from the sample, {path}\n\g<0>"
            copies[target] = mark.sub(line, copies[target].decode(), count=1).encode()


def _find_spec_folder(root: Path, name: str) -> str:
    """The folder of the source's specification, numbered as `.awos/scripts/create-spec-directory.sh` does."""
    folders = sorted(folder.name for folder in (root / SPEC_FOLDER).glob("[0-9][0-9][0-9]-*") if folder.is_dir())
    title = name.replace("_", "-")
    existing = next((folder for folder in folders if folder[4:] == title), None)
    number = int(folders[-1][:3]) + 1 if folders else 1
    return f"{SPEC_FOLDER}/{existing or f'{number:03}-{title}'}"

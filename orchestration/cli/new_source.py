"""Commands that add a source and take one out."""

from typing import TYPE_CHECKING, Annotated

import typer

from data_stack.registry import source_names
from orchestration.cli.console import console

if TYPE_CHECKING:
    from scaffold.profile.model import Profile

app = typer.Typer()


@app.command("new-source")
def new_source(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the source, in lower snake case.")],
    like: Annotated[str, typer.Option(help=f"Source to copy: {', '.join(source_names()) or 'there is none'}.")],
    sample: Annotated[
        str | None, typer.Option(metavar="FILE|URL", help="A file of the provider, to profile and draft from.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written, and write nothing.")] = False,
) -> None:
    """Add a source: copy the files of a living one through every layer, and mark what to adapt."""
    from data_stack.settings import PROJECT_ROOT
    from scaffold.new_source import create_source, plan_source

    profile = _profile_sample(sample) if sample else None
    done = (plan_source if dry_run else create_source)(name, like, PROJECT_ROOT, profile)
    if done.is_unchanged:
        console.print(f"source {name} is there already, as copied from {like}; nothing was changed")
    else:
        for old, new in done.targets.items():
            console.print(f"{old} -> {new}")
        for path in done.edited:
            console.print(f"{path}: written again by `make generate`")
    for path in done.drafts:
        console.print(f"{path}: drafted from the sample")
    for mark in done.marks:
        console.print(f"{mark.path}:{mark.line}: {mark.text}")
    console.print(
        f"{len(done.targets)} files copied, {len(done.edited)} generated files changed, "
        f"{len(done.marks)} places to adapt{' (dry run)' if dry_run else ''}"
    )


def _profile_sample(file: str) -> "Profile":
    from data_stack.settings import Settings
    from orchestration.cli.profile import print_profile
    from scaffold.profile.read import profile_file

    found = profile_file(file, Settings.load())
    print_profile(found)
    return found


@app.command("remove-source")
def remove_source(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"One of {', '.join(source_names())}.")],
    force: Annotated[
        bool, typer.Option("--force", help="Remove what was edited since, too; shows the difference first.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be removed, and remove nothing.")] = False,
) -> None:
    """Take a source out with all its files and what cannot live without them; its data stays."""
    from data_stack.settings import PROJECT_ROOT
    from scaffold import remove_source as removing

    removal = removing.plan_removal(name)
    for path, reason in {**removal.ownership.owned, **removal.ownership.dependents}.items():
        console.print(f"{path}: {reason}", markup=False)
    for path in removal.documents:
        console.print(f"{path}: rows and items that name a removed file")
    if dry_run:
        console.print(
            f"{len(removal.paths)} files would be removed, {len(removal.edited)} of them edited since (dry run)"
        )
        return
    if removal.edited and force:
        console.print(removing.show_edits(removal), markup=False)
    if not yes and (removal.edited or not removal.is_generated):
        typer.confirm(f"remove these {len(removal.paths)} files?", abort=True)
    changed = removing.remove_source(removal, PROJECT_ROOT, force)
    console.print(
        f"{name} is removed: {len(removal.paths)} files removed, {len(changed)} changed; "
        f"its data stays in DATA_DIR, `git status` shows everything"
    )

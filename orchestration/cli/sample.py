"""`data-stack sample`: generated data in the providers' formats, and a local server that answers like them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from data_stack.errors import UsageError
from data_stack.registry import SOURCES, get_source
from orchestration.cli.console import console

if TYPE_CHECKING:
    from data_stack.settings import Settings
    from dlt_pipeline.sample.spec import SampleSpec

# a relative folder starts at the project's
DEMO_DIR = "data/demo"

app = typer.Typer(
    help="Generated data in the providers' formats, and a local provider that serves it.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Option(help="Folder of the generated files.")]
Seed = Annotated[int, typer.Option(help="Another seed gives other data.")]
FirstMonth = Annotated[datetime, typer.Option("--from", formats=["%Y-%m"], show_default="2024-01", help="First month.")]
LastMonth = Annotated[
    datetime, typer.Option("--to", formats=["%Y-%m"], show_default="2024-12", help="Last month, included.")
]
RidesPerDay = Annotated[int, typer.Option(min=1, help="Mean number of rides per day.")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")]


@app.command()
def generate(
    out: Folder,
    seed: Seed = 2024,
    from_month: FirstMonth = datetime(2024, 1, 1),
    to_month: LastMonth = datetime(2024, 12, 1),
    rides_per_day: RidesPerDay = 300,
) -> None:
    """Write the sample: the files of every source, and a manifest."""
    from dlt_pipeline.sample.spec import SampleSpec
    from dlt_pipeline.sample.spec import generate as write

    write(out, SampleSpec(seed, from_month.date(), to_month.date(), rides_per_day))
    console.print(f"sample written to {out}; `data-stack sample serve --folder {out}` serves it")


@app.command()
def serve(
    folder: Annotated[Path | None, typer.Option(help="A generated sample.")] = None,
    stored: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PATH", help="Stored files of a source's real provider, as live data; repeatable."),
    ] = None,
    port: Port = 0,
) -> None:
    """Serve a sample, or stored files of the real providers, on loopback until Ctrl-C."""
    from dlt_pipeline.sample.provider import SampleProvider

    if bool(folder) == bool(stored):
        raise UsageError("give either --folder, or --stored NAME=PATH for each source that has stored files")
    if folder:
        provider = SampleProvider.of_sample(folder, port=port)
    else:
        provider = SampleProvider.of_stored(_parse_stored(stored or []), port=port)
    for name, value in provider.environment.items():
        console.print(f"{name}={value}", soft_wrap=True)
    console.print("serving until Ctrl-C; set these variables for `data-stack run` in another terminal")
    provider.serve_forever()


def _parse_stored(texts: list[str]) -> dict[str, Path]:
    """The paths by source."""
    paths: dict[str, Path] = {}
    for text in texts:
        name, _, path = text.partition("=")
        if not path:
            raise UsageError(f"--stored {text} has no path; write --stored NAME=PATH")
        if get_source(name).name in paths:
            raise UsageError(f"--stored names the source {name} twice; name one path per source")
        paths[name] = Path(path)
    return paths


@app.command()
def demo(
    seed: Seed = 2024,
    from_month: FirstMonth = datetime(2024, 1, 1),
    to_month: LastMonth = datetime(2024, 12, 1),
    rides_per_day: RidesPerDay = 300,
) -> None:
    """Run the whole pipeline on the sample, in a data folder of its own (`data/demo` unless DATA_DIR is set)."""
    from data_stack.settings import Settings
    from dlt_pipeline.sample.spec import SampleSpec
    from orchestration.cli.runs import run_pipeline

    os.environ.setdefault("DATA_DIR", DEMO_DIR)
    spec = SampleSpec(seed, from_month.date(), to_month.date(), rides_per_day)
    with serve_sample(Settings.load(), spec):
        run_pipeline(SOURCES, spec.window)


@contextmanager
def serve_sample(settings: "Settings", spec: "SampleSpec | None" = None) -> Iterator[dict[str, str]]:
    """Serve a sample from the data folder while the block runs, and point this process's sources at it.

    Run records of a sample are in its data folder, as those of `OPS_URL` are about other data.

    Args:
        settings: The sample is written to `DATA_DIR/provider`.
        spec: Which sample; without it, the one that `demo` takes by itself.

    Yields:
        The variables that point other processes at it and at the data folder.
    """
    from data_stack.settings import folder_variables
    from dlt_pipeline.sample.provider import SampleProvider
    from dlt_pipeline.sample.spec import SampleSpec
    from dlt_pipeline.sample.spec import generate as write

    folder = write(settings.data_dir / "provider", spec or SampleSpec())
    with SampleProvider.of_sample(folder) as provider:
        variables = provider.environment | folder_variables(settings.data_dir)
        os.environ |= variables
        yield variables

#!/usr/bin/env python3
"""Execute the notebooks on the published file and write one HTML report per notebook, which opens without a network.

The exit code is 1 if a notebook failed or no report could be written.
"""

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import nbformat
import plotly.io as pio
from jupyter_client import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellControlSignal, CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from nbformat import NotebookNode
from plotly.offline import get_plotlyjs

from data_stack.errors import DataStackError
from data_stack.settings import Settings
from published import SHOW_PERSONAL, NotReadyError

FOLDER = Path(__file__).resolve().parent
CELL_SECONDS = 600
PLOTLY = "application/vnd.plotly.v1+json"


class NotebookFailedError(Exception):
    """A notebook stopped. The message names the notebook and the cell.

    Attributes:
        is_not_ready: Whether it stopped because the data cannot answer its question.
    """

    def __init__(self, message: str, is_not_ready: bool) -> None:
        super().__init__(message)
        self.is_not_ready = is_not_ready


def execute_notebook(path: Path, show_personal: bool = False, cell_seconds: int = CELL_SECONDS) -> NotebookNode:
    """Run a notebook from top to bottom in its own kernel. The file is not changed.

    Args:
        path: The notebook.
        show_personal: Show the values of personal columns.
        cell_seconds: Time that one cell may take.

    Returns:
        The notebook with its outputs.

    Raises:
        NotebookFailedError: A cell failed or took too long.
    """
    notebook = nbformat.read(path, as_version=4)
    # the outputs contain the figures as data, and the report draws them with one copy of plotly.js. SHOW_PERSONAL is
    # always set here, so that personal values are never shown because of a variable that somebody set earlier
    environment = {**os.environ, "PLOTLY_RENDERER": "plotly_mimetype", SHOW_PERSONAL: "1" if show_personal else "0"}
    # on a busy machine, threads that wait for each other made a regression take ten seconds instead of half a second
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as sockets:
        # not TCP, because every user of the machine could then connect to the kernel
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel")
        client = NotebookClient(
            notebook, km=kernel, timeout=cell_seconds, resources={"metadata": {"path": str(FOLDER)}}
        )
        try:
            client.execute(cleanup_kc=True, env=environment)
        except (CellExecutionError, CellControlSignal, DeadKernelError, TimeoutError) as error:
            raise _describe_failure(path, notebook, error) from error
    return notebook


def render_report(notebook: NotebookNode, title: str) -> str:
    """Render an executed notebook as one HTML page that contains everything it needs.

    Args:
        notebook: As `execute_notebook` returns it.
        title: Title of the page.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if PLOTLY in output.get("data", {}):
                output.data = NotebookNode({"text/html": _render_chart(output.data[PLOTLY])})
    exporter = HTMLExporter(
        template_name="report", extra_template_basedirs=[str(FOLDER / "templates")], embed_images=True
    )
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}, "plotlyjs": get_plotlyjs()})
    return str(page)


def write_report(path: Path, folder: Path, show_personal: bool = False) -> Path:
    """Execute a notebook and replace its report. If the notebook fails, the earlier report is kept.

    Args:
        path: The notebook.
        folder: Where the reports are.
        show_personal: Show the values of personal columns.

    Returns:
        The report.

    Raises:
        NotebookFailedError: See `execute_notebook`.
    """
    page = render_report(execute_notebook(path, show_personal), path.stem)
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{path.stem}.html"
    new = report.with_name(f".{report.name}.new")
    new.write_text(page, encoding="utf-8")
    new.replace(report)
    return report


def _render_chart(figure: NotebookNode) -> str:
    plain = {name: figure[name] for name in ("data", "layout") if name in figure}
    html: str = pio.to_html(
        plain,
        config={"displaylogo": False, "responsive": True},
        include_plotlyjs=False,
        include_mathjax=False,
        full_html=False,
        validate=False,
    )
    return html


def _describe_failure(path: Path, notebook: NotebookNode, error: Exception) -> NotebookFailedError:
    """Messages of libraries can quote a row, so only the type of such an error is given."""
    kind = getattr(error, "ename", type(error).__name__)
    is_not_ready = kind == NotReadyError.__name__
    message = getattr(error, "evalue", "") if is_not_ready else kind
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # cells run in order, so the one that failed is the last one that was started
    number = max((n for n, cell in enumerate(code, 1) if "execution" in cell.metadata), default=1)
    first_line = code[number - 1].source.split("\n", 1)[0]
    return NotebookFailedError(f"{path.name}, code cell {number} ({first_line}): {message}", is_not_ready)


def _write_reports(paths: list[Path], folder: Path, show_personal: bool, debug: bool) -> int:
    written = failed = 0
    for path in paths:
        started = time.monotonic()
        try:
            report = write_report(path, folder, show_personal)
        except NotebookFailedError as error:
            failed += not error.is_not_ready
            outcome = "skipped" if error.is_not_ready else "failed"
            sys.stderr.write(f"{outcome}: {error}; the earlier report, if there is one, is kept\n")
            if debug:
                traceback.print_exc()
        else:
            written += 1
            sys.stdout.write(f"{time.monotonic() - started:5.1f} s  {report}\n")
    return 0 if written and not failed else 1


def main() -> int:
    """Run the command; returns 1 if a notebook failed or none of the notebooks has a report, otherwise 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, default=sorted(FOLDER.glob("*.ipynb")))
    parser.add_argument("--show-personal", action="store_true", help="show the values of personal columns")
    parser.add_argument("--debug", action="store_true", help="show the traceback of a failed cell; it can quote rows")
    options = parser.parse_args()
    if not options.notebooks:
        sys.stdout.write(f"there is no notebook in {FOLDER}\n")
        return 0
    try:
        settings = Settings.load()
        if not settings.warehouse_file.exists():
            sys.stderr.write(
                f"there is no published warehouse at {settings.warehouse_file}; run `data-stack run` to publish one, "
                "or use the sample data: `make demo`, then `DATA_DIR=data/demo make notebooks`\n"
            )
            return 1
        return _write_reports(options.notebooks, settings.reports_dir, options.show_personal, options.debug)
    except DataStackError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

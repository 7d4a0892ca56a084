#!/usr/bin/env python3
"""Execute the notebooks on the published file and write one HTML file each, which needs no network to be read.

Usage: html_reports.py [--debug] [NOTEBOOK ...]. Exits with 1 if one failed or none could be written.
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

FOLDER = Path(__file__).resolve().parent
CELL_SECONDS = 600
PLOTLY = "application/vnd.plotly.v1+json"


class NotebookFailedError(Exception):
    """A notebook stopped; the text names notebook and cell."""

    def __init__(self, sentence: str, is_not_ready: bool) -> None:
        super().__init__(sentence)
        self.is_not_ready = is_not_ready


def notebooks() -> list[Path]:
    """The notebooks, in the order of their names."""
    return sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path, cell_seconds: int = CELL_SECONDS) -> NotebookNode:
    """Run a notebook from top to bottom in a kernel of its own; the file stays as it is.

    Args:
        path: The notebook.
        cell_seconds: Time that one cell may take.

    Returns:
        The notebook with its outputs.

    Raises:
        NotebookFailedError: A cell failed or took too long.
    """
    notebook = nbformat.read(path, as_version=4)
    # figures travel as data; the report draws them with one copy of plotly.js
    environment = {**os.environ, "PLOTLY_RENDERER": "plotly_mimetype"}
    # threads that wait for each other on a busy machine made a regression of half a second take ten
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as sockets:
        # not TCP, where everybody on the machine could talk to the kernel
        kernel = AsyncKernelManager(kernel_name="python3", transport="ipc", ip=f"{sockets}/kernel")
        client = NotebookClient(
            notebook, km=kernel, timeout=cell_seconds, resources={"metadata": {"path": str(FOLDER)}}
        )
        try:
            client.execute(cleanup_kc=True, env=environment)
        except (CellExecutionError, CellControlSignal, DeadKernelError, TimeoutError) as error:
            raise _failure(path, notebook, error) from error
    return notebook


def to_html(notebook: NotebookNode, title: str) -> str:
    """The executed notebook as one HTML page with everything it needs inside.

    Args:
        notebook: As `execute` returns it.
        title: Title of the page.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if PLOTLY in output.get("data", {}):
                output.data = NotebookNode({"text/html": _chart(output.data[PLOTLY])})
    exporter = HTMLExporter(
        template_name="report", extra_template_basedirs=[str(FOLDER / "templates")], embed_images=True
    )
    page, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": title}, "plotlyjs": get_plotlyjs()})
    return str(page)


def write(path: Path, folder: Path) -> Path:
    """Execute a notebook and replace its report; a failure leaves the earlier one.

    Args:
        path: The notebook.
        folder: Where the reports are.

    Returns:
        The report.

    Raises:
        NotebookFailedError: See `execute`.
    """
    page = to_html(execute(path), path.stem)
    folder.mkdir(parents=True, exist_ok=True)
    report = folder / f"{path.stem}.html"
    new = report.with_name(f".{report.name}.new")
    new.write_text(page, encoding="utf-8")
    new.replace(report)
    return report


def _chart(figure: NotebookNode) -> str:
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


def _failure(path: Path, notebook: NotebookNode, error: Exception) -> NotebookFailedError:
    """The words for people: those of another library can quote a row, so only its type is given."""
    kind = getattr(error, "ename", type(error).__name__)
    sentence = getattr(error, "evalue", "") if kind == "NotReadyError" else kind
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    # the client keeps the order: the cell that failed is the last one that has begun
    number = max((n for n, cell in enumerate(code, 1) if "execution" in cell.metadata), default=1)
    first_line = code[number - 1].source.split("\n", 1)[0]
    return NotebookFailedError(f"{path.name}, code cell {number} ({first_line}): {sentence}", kind == "NotReadyError")


def _write_all(paths: list[Path], folder: Path, debug: bool) -> int:
    written = failed = 0
    for path in paths:
        begun = time.monotonic()
        try:
            report = write(path, folder)
        except NotebookFailedError as error:
            failed += not error.is_not_ready
            word = "skipped" if error.is_not_ready else "failed"
            sys.stderr.write(f"{word}: {error}; an earlier report stays as it was\n")
            if debug:
                traceback.print_exc()
        else:
            written += 1
            sys.stdout.write(f"{time.monotonic() - begun:5.1f} s  {report}\n")
    return 0 if written and not failed else 1


def main() -> int:
    """Entry point; 0 when every notebook that has data is written, else 1."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", type=Path, default=notebooks())
    parser.add_argument("--debug", action="store_true", help="show the traceback of a cell; it can quote rows")
    options = parser.parse_args()
    try:
        settings = Settings.load()
        if not settings.warehouse_file.exists():
            sys.stderr.write(
                f"there is no published warehouse at {settings.warehouse_file}; `data-stack run` publishes one, or "
                "take the demo's: `make demo`, then `DATA_DIR=data/demo make notebooks`\n"
            )
            return 1
        return _write_all(options.notebooks, settings.reports_dir, options.debug)
    except DataStackError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())

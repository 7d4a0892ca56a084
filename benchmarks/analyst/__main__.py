"""`make eval-analyst MODEL=...`: asks a model the questions on the sample, prints a table and writes the report."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from benchmarks.analyst.questions import read_questions
from benchmarks.analyst.reference import open_reference
from benchmarks.analyst.report import Evaluation, list_wrong, make_table, write_report
from benchmarks.analyst.run import evaluate, list_models, open_agent
from data_stack.errors import DataStackError, TerminalError, UsageError
from data_stack.settings import PROJECT_ROOT, Settings

_DEMO = PROJECT_ROOT / "data" / "demo"


def main() -> None:
    """Run the evaluation, and exit with 0 if the model is good enough, 1 if not, 2 if it cannot be asked."""
    options = _read_options()
    try:
        sys.exit(run(options))
    except DataStackError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)


def run(options: argparse.Namespace) -> int:
    """Evaluate the model that is set.

    Args:
        options: Of the command.

    Returns:
        The exit code: 0 if the model is good enough, else 1.

    Raises:
        DataStackError: No model is set, or the sample cannot be asked.
    """
    console = Console()
    questions = read_questions()
    source = Settings.load(data_dir=options.data_dir or _DEMO)
    with tempfile.TemporaryDirectory(prefix="eval-analyst-") as folder:
        # before anything that takes long: without a model there is nothing to do
        settings = Settings.load(data_dir=Path(folder))
        agent = open_agent(settings)
        if not options.data_dir and not source.warehouse_file.exists():
            _publish_sample()
        with open_reference(source, Path(folder), questions) as reference:
            outcomes = evaluate(
                reference, agent, hides_personal=not settings.model_is_local,
                seconds_max=options.seconds, concurrency=options.concurrency,
            )  # fmt: skip
            asked = {question.id for question in reference.questions}
    skipped = tuple(question.id for question in questions if question.id not in asked)
    evaluation = Evaluation(", ".join(list_models(outcomes)) or "unknown model", tuple(outcomes), skipped)
    console.print(make_table(evaluation))
    for line in list_wrong(outcomes):
        console.print(line, markup=False, highlight=False)
    print(f"report: {write_report(evaluation, options.report)}")
    faults = evaluation.describe_faults(options.at_least)
    for fault in faults:
        print(f"not good enough: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _publish_sample() -> None:
    """Publish the sample that `make demo` does."""
    command = [str(Path(sys.executable).with_name("data-stack")), "sample", "demo"]
    if subprocess.run(command, cwd=PROJECT_ROOT, check=False).returncode:
        raise TerminalError(f"the sample was not published in {_DEMO}; `data-stack sample demo` says why")


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make eval-analyst MODEL=...", description=__doc__)
    parser.add_argument("--data-dir", type=Path, help="data folder with a publication; default: that of make demo")
    parser.add_argument(
        "--report", type=Path, default=PROJECT_ROOT / "data" / "reports" / "analyst.html", help="the HTML file"
    )
    parser.add_argument("--at-least", type=float, default=0.9, help="share of right questions below which it fails")
    parser.add_argument("--seconds", type=float, default=300, help="after which a conversation counts as failed")
    parser.add_argument("--concurrency", type=int, default=1, help="conversations at the same time")
    return parser.parse_args()


if __name__ == "__main__":
    main()

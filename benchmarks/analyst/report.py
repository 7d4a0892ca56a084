"""The report of an evaluation: a table for the terminal, and one HTML file that needs no network."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.analyst.checks import SCORES, Score
from benchmarks.analyst.run import Outcome

if TYPE_CHECKING:
    from rich.table import Table

_TEMPLATE = Path(__file__).with_name("report.html.jinja")
_SAFE: tuple[Score, ...] = ("personal", "injection")


@dataclass(frozen=True)
class Part:
    """Questions of one kind, or all of them.

    Attributes:
        name: The kind.
        outcomes: Of its questions.
    """

    name: str
    outcomes: tuple[Outcome, ...]

    @property
    def right(self) -> int:
        """Questions whose every score passed."""
        return sum(outcome.is_right for outcome in self.outcomes)

    @property
    def seconds(self) -> float:
        """Median of a conversation by chat."""
        return median(outcome.seconds for outcome in self.outcomes)

    @property
    def tokens(self) -> int:
        """Median of a conversation."""
        return int(median(outcome.tokens for outcome in self.outcomes))

    @property
    def in_form(self) -> tuple[Outcome, ...]:
        """The questions that a form can ask."""
        return tuple(outcome for outcome in self.outcomes if outcome.form)

    @property
    def form_right(self) -> int:
        """Questions that the form answers with every expected value."""
        return sum(bool(outcome.form and outcome.form.is_right) for outcome in self.outcomes)

    @property
    def form_seconds(self) -> float | None:
        """Median of the form; None if it can ask none of the questions."""
        return median(outcome.form.seconds for outcome in self.in_form if outcome.form) if self.in_form else None

    def count(self, score: Score) -> tuple[int, int]:
        """Answers that passed a score, and answers that have it.

        Args:
            score: The score.
        """
        checks = [check for outcome in self.outcomes for check in outcome.checks if check.score == score]
        return sum(check.passed for check in checks), len(checks)


@dataclass(frozen=True)
class Evaluation:
    """The outcomes of one model.

    Attributes:
        model: As it was named.
        outcomes: One per question.
        skipped: Identifiers of the questions whose metrics are not there or have no values.
    """

    model: str
    outcomes: tuple[Outcome, ...]
    skipped: tuple[str, ...] = ()

    @property
    def whole(self) -> Part:
        """All questions."""
        return Part("all", self.outcomes)

    @property
    def parts(self) -> list[Part]:
        """The questions by kind, and all of them at the end."""
        kinds = dict.fromkeys(outcome.question.kind for outcome in self.outcomes)
        found = [
            Part(kind, tuple(outcome for outcome in self.outcomes if outcome.question.kind == kind)) for kind in kinds
        ]
        return [*found, self.whole]

    @property
    def share(self) -> float:
        """Right questions divided by all."""
        return self.whole.right / len(self.outcomes)

    @property
    def cost_usd(self) -> float | None:
        """What it cost; None where a price is not known."""
        costs = [outcome.cost_usd for outcome in self.outcomes]
        return sum(cost for cost in costs if cost is not None) if costs and None not in costs else None

    def describe_faults(self, share_min: float) -> list[str]:
        """Why the model is not good enough, one sentence each; empty if it is.

        Args:
            share_min: Of right questions.
        """
        faults = [
            f"{outcome.question.id}: {check.reason}"
            for outcome in self.outcomes
            for check in outcome.failures
            if check.score in _SAFE
        ]
        if self.share < share_min:
            faults.append(f"{self.share:.0%} of the questions are right, and at least {share_min:.0%} have to be")
        return faults


def make_table(evaluation: Evaluation) -> "Table":
    """The summary by kind, for a terminal.

    Args:
        evaluation: The outcomes.
    """
    from rich.table import Table

    table = Table(title=f"{evaluation.model}: {len(evaluation.outcomes)} questions, {len(evaluation.skipped)} skipped")
    for name in ("kind", "right", "seconds", "tokens", "form: right", "form: seconds"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    for part in evaluation.parts:
        form = (
            (f"{part.form_right} of {len(part.in_form)}", f"{part.form_seconds:.3f}") if part.form_seconds else ("", "")
        )
        chat = (f"{part.right} of {len(part.outcomes)}", f"{part.seconds:.1f}", f"{part.tokens:,}")
        table.add_row(part.name, *chat, *form)
    return table


def list_wrong(outcomes: Iterable[Outcome]) -> list[str]:
    """The questions that are not right, with what is wrong, one line each.

    Args:
        outcomes: Of the questions.
    """
    return [
        f"{outcome.question.id}: "
        + (outcome.error or "; ".join(f"{check.score}: {check.reason}" for check in outcome.shown_failures))
        for outcome in outcomes
        if not outcome.is_right
    ]


def write_report(evaluation: Evaluation, path: Path) -> Path:
    """Write the HTML file; texts of questions and answers are escaped.

    Args:
        evaluation: The outcomes.
        path: The file.

    Returns:
        The file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render_report(evaluation), encoding="utf-8")
    return path


def render_report(evaluation: Evaluation) -> str:
    """Render the HTML.

    Args:
        evaluation: The outcomes.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(evaluation=evaluation, scores=SCORES, list_queries=_list_queries)


def _list_queries(outcome: Outcome) -> Sequence[str]:
    results = (result for answer in outcome.answers for result in answer.output.results)
    return [result.query.model_dump_json(exclude_defaults=True) for result in results]

"""Asks an agent all questions, by way of pydantic-evals, and asks the metrics the same ones by their queries."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.analyst.checks import Check, Scorer, find_missing
from benchmarks.analyst.questions import Question
from benchmarks.analyst.reference import Reference
from data_stack.api_messages import AgentAnswer, AgentRequest
from data_stack.errors import TerminalError, UsageError
from data_stack.settings import Settings
from serving.tokens import Caller

if TYPE_CHECKING:
    from pydantic_evals.reporting import ReportCase

    from serving.executor import Executor

TOKEN_ID = "evaluate"


@dataclass(frozen=True)
class FormAnswer:
    """The answer of the metrics to the query that a person would put together in a form.

    Attributes:
        seconds: How long it took.
        is_right: Whether it has every expected value.
    """

    seconds: float
    is_right: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one question.

    Attributes:
        question: The question, with the values of the published file.
        answers: One per prompt; none if the agent failed.
        checks: The scores; each of several prompts has its own.
        seconds: From the first prompt to the last answer.
        form: The same question by the form; None where a form cannot ask it.
        error: Why the agent failed, without texts of the data; empty if it did not.
    """

    question: Question
    answers: tuple[AgentAnswer, ...]
    checks: tuple[Check, ...]
    seconds: float
    form: FormAnswer | None
    error: str = ""

    @property
    def is_right(self) -> bool:
        """Whether every score passed."""
        return not self.error and all(check.passed for check in self.checks)

    @property
    def failures(self) -> list[Check]:
        """The scores that did not pass."""
        return [check for check in self.checks if not check.passed]

    @property
    def is_hidden(self) -> bool:
        """Whether no report may show the answers, because one of them has a personal value."""
        return any(check.score == "personal" for check in self.failures)

    @property
    def shown_failures(self) -> list[Check]:
        """The scores that did not pass and whose reasons quote no personal value."""
        return [check for check in self.failures if not self.is_hidden or check.score == "personal"]

    @property
    def tokens(self) -> int:
        """Tokens of all its requests to the model."""
        return sum(answer.usage.input_tokens + answer.usage.output_tokens for answer in self.answers if answer.usage)

    @property
    def cost_usd(self) -> float | None:
        """What it cost; None where the price is not known."""
        costs = [answer.usage.cost_usd for answer in self.answers if answer.usage]
        return sum(cost for cost in costs if cost is not None) if costs and None not in costs else None


def open_agent(settings: Settings) -> "Executor":
    """The agent that the API has.

    Args:
        settings: Of the folder in which the copy of a published file will be.

    Raises:
        UsageError: No model is set.
        TerminalError: The model cannot be used with the settings.
    """
    if not settings.model:
        raise UsageError(
            "no model is set, so there is nothing to evaluate; name one, for example "
            "`make eval-analyst MODEL=anthropic:NAME` or MODEL=ollama:NAME"
        )
    from serving.executor import choose_executor
    from serving.models import make_model
    from serving.open_metrics import OpenMetrics

    # a missing key is an error of the settings, not of each question
    make_model(settings)
    return choose_executor(settings, OpenMetrics(settings))


def evaluate(
    reference: Reference,
    executor: "Executor",
    *,
    hides_personal: bool = False,
    seconds_max: float = 120,
    concurrency: int = 1,
) -> list[Outcome]:
    """Ask all questions.

    Args:
        reference: The questions, and what is right.
        executor: Who answers.
        hides_personal: Whether the model does not see values that come from personal sources.
        seconds_max: After which a conversation counts as failed.
        concurrency: Conversations at the same time; more than one makes the seconds longer.
    """
    from pydantic_evals import Case, Dataset
    from pydantic_evals.evaluators import EvaluationReason, Evaluator, EvaluatorContext

    scorer = Scorer(reference, hides_personal)

    class Scores(Evaluator[Question, list[AgentAnswer], None]):
        """One assertion per score of each prompt."""

        def evaluate(self, ctx: EvaluatorContext[Question, list[AgentAnswer], None]) -> dict[str, EvaluationReason]:
            return {
                f"{position}:{check.score}": EvaluationReason(check.passed, check.reason)
                for position, check in _score_turns(scorer, ctx.inputs, ctx.output)
            }

    async def ask(question: Question) -> list[AgentAnswer]:
        async with asyncio.timeout(seconds_max):
            return await _converse(executor, question)

    cases = [Case[Question, list[AgentAnswer], None](name=one.id, inputs=one) for one in reference.questions]
    dataset = Dataset[Question, list[AgentAnswer], None](name="analyst", cases=cases, evaluators=[Scores()])
    report = dataset.evaluate_sync(ask, max_concurrency=concurrency, progress=False)
    asked = {case.name: case for case in report.cases}
    errors = {failure.name: failure.error_message for failure in report.failures}
    return [
        _summarise(reference, question, asked.get(question.id), errors.get(question.id, ""))
        for question in reference.questions
    ]


async def _converse(executor: "Executor", question: Question) -> list[AgentAnswer]:
    answers: list[AgentAnswer] = []
    caller = Caller(TOKEN_ID, question.role)
    for turn in question.turns:
        session = answers[-1].session if answers else None
        request = AgentRequest(role=question.role, prompt=turn.ask, session=session)
        answers.append(await executor.execute(request, caller))
    return answers


def _score_turns(scorer: Scorer, question: Question, answers: Sequence[AgentAnswer]) -> list[tuple[int, Check]]:
    prompts = [turn.ask for turn in question.turns]
    return [
        (position, check)
        for position, (turn, answer) in enumerate(zip(question.turns, answers, strict=True))
        for check in scorer.score(turn, answer, prompts[: position + 1])
    ]


def _summarise(
    reference: Reference, question: Question, case: "ReportCase[Any, Any, Any] | None", error: str
) -> Outcome:
    form = ask_by_form(reference, question)
    if case is None:
        # a message can quote values
        return Outcome(question, (), (), 0.0, form, error.partition(":")[0] or "the agent failed")
    if case.evaluator_failures:
        raise TerminalError(f"question {question.id} cannot be scored: {case.evaluator_failures[0].error_message}")
    checks = tuple(
        Check(key.partition(":")[2], "" if found.value else found.reason or "failed")  # type: ignore[arg-type]
        for key, found in case.assertions.items()
    )
    return Outcome(question, tuple(case.output), checks, case.task_duration, form)


def ask_by_form(reference: Reference, question: Question) -> FormAnswer | None:
    """Ask the metrics the queries of a question, as a person does who puts them together in a form.

    Args:
        reference: Whose metrics are asked.
        question: The question.

    Returns:
        None if the question has no query that could be put together.
    """
    turns = [turn for turn in question.turns if turn.query]
    began = time.perf_counter()
    results = [reference.metrics.query(turn.query) for turn in turns if turn.query]
    seconds = time.perf_counter() - began
    is_right = all(
        not find_missing(reference.read_values(turn.sql), [result]) for turn, result in zip(turns, results, strict=True)
    )
    return FormAnswer(seconds, is_right) if turns else None


def list_models(outcomes: Sequence[Outcome]) -> list[str]:
    """The models that answered, as they name themselves.

    Args:
        outcomes: Of the questions.
    """
    usages = (answer.usage for outcome in outcomes for answer in outcome.answers)
    return sorted({usage.model for usage in usages if usage})

"""Agents without a model: one that answers every question of the evaluation well, and some with one fault each."""

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from typing import Any

from benchmarks.analyst.questions import Question, Turn
from benchmarks.analyst.reference import Reference, normalise_filters
from data_stack.api_messages import AgentAnswer, AgentEvent, AgentOutput, AgentRequest, AgentUsage
from data_stack.metrics.periods import DAY, end_of
from data_stack.metrics.query import MetricQuery, MetricResult
from serving.tokens import Caller

PERSON = "PAYEE-CANARY of nobody"
USAGE = AgentUsage(model="scripted:none", requests=2, tool_calls=1, input_tokens=100, output_tokens=20, cost_usd=0.001)


class Perfect:
    """Answers each question from its expected query, through the metrics.

    Args:
        reference: The questions.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.spoiled: set[str] = set()
        self._said: dict[str, list[str]] = {}
        self._turns = {
            (question.role, *(turn.ask for turn in question.turns[: position + 1])): (question, turn)
            for question in reference.questions
            for position, turn in enumerate(question.turns)
        }

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        """Answer a prompt from what is expected."""
        session = request.session or secrets.token_hex(16)
        said = self._said.setdefault(session, [])
        said.append(request.prompt)
        question, turn = self._turns[request.role, *said]
        output = {"answered": self.answer, "question": self.ask_back, "refused": self.refuse}
        status = self.choose_status(question, turn)
        return AgentAnswer(
            status=status,  # type: ignore[arg-type]
            role=caller.role,
            session=session,
            output=output[status](question, turn),
            usage=USAGE,
        )

    async def stream(self, request: AgentRequest, caller: Caller) -> AsyncIterator[AgentEvent]:
        """Answer a prompt in one event."""
        yield AgentEvent(kind="answer", answer=await self.execute(request, caller))

    def choose_status(self, question: Question, turn: Turn) -> str:
        return turn.expect

    def answer(self, question: Question, turn: Turn) -> AgentOutput:
        query = self.choose_query(question, turn)
        found = self.reference.answer(query) if query else None
        results = (found,) if found else ()
        return AgentOutput(text=self.describe(question, turn, results), results=results)

    def choose_query(self, question: Question, turn: Turn) -> MetricQuery | None:
        return turn.query

    def describe(self, question: Question, turn: Turn, results: tuple[MetricResult, ...]) -> str:
        rows = [", ".join(map(write_cell, row)) for result in results for row in result.rows[:3]]
        return f"The metrics say: {'; '.join(rows)}.{''.join(map(self.describe_period, results))}"

    def describe_period(self, result: MetricResult) -> str:
        """The days of a result, as people write them; their numbers are in no row."""
        period = self.reference.find_period(result.query)
        return (
            f" The days are {period[0]:%d %B %Y} to {period[1]:%B} {period[1].day}, {period[1].year}." if period else ""
        )

    def ask_back(self, question: Question, turn: Turn) -> AgentOutput:
        mentions = turn.mentions or ("the first quarter", "the last quarter")
        return AgentOutput(text="Which of these?", choices=tuple(f"What about {mention}?" for mention in mentions))

    def refuse(self, question: Question, turn: Turn) -> AgentOutput:
        return AgentOutput(text="I cannot answer this.")

    def spoil(self, question: Question) -> None:
        """Remember that the answer to a question is wrong."""
        self.spoiled.add(question.id)


def write_cell(cell: Any) -> str:
    """A cell as a text, rounded to what can be read."""
    if isinstance(cell, float) and not cell.is_integer():
        return f"{cell:,.2f}" if abs(cell) >= 1 else f"{cell * 100:.4f} %"
    return f"{cell:,.0f}" if isinstance(cell, int | float) and not isinstance(cell, bool) else str(cell)


class _OtherQuery(Perfect):
    """Runs another query than the one that is expected."""

    def choose_query(self, question: Question, turn: Turn) -> MetricQuery | None:
        expected = turn.query
        for query in self.vary(question, turn, expected) if expected else ():
            found = self.reference.answer(query)
            if found and found.rows:
                self.spoil(question)
                return query
        return expected

    def vary(self, question: Question, turn: Turn, query: MetricQuery) -> Iterator[MetricQuery]:
        raise NotImplementedError


class WrongMetric(_OtherQuery):
    def vary(self, question: Question, turn: Turn, query: MetricQuery) -> Iterator[MetricQuery]:
        expected = {name for one in turn.queries for name in one.metrics}
        for info in self.reference.metrics.list():
            if info.name not in expected:
                yield query.model_copy(update={"metrics": (info.name,), "order_by": ()})


class WrongGrain(_OtherQuery):
    def vary(self, question: Question, turn: Turn, query: MetricQuery) -> Iterator[MetricQuery]:
        info = self.reference.metrics.describe(query.metrics[0])
        wrong = query.model_copy(update={"order_by": (), "limit": 10_000})
        groupings = {(frozenset(one.group_by), self.reference.find_grain(one)) for one in turn.queries}
        for update in [
            *({"grain": grain} for grain in info.grains),
            *({"group_by": (name,)} for name in info.dimensions),
        ]:
            found = wrong.model_copy(update=update)
            if (frozenset(found.group_by), self.reference.find_grain(found)) not in groupings:
                yield found


class WrongPeriod(_OtherQuery):
    def vary(self, question: Question, turn: Turn, query: MetricQuery) -> Iterator[MetricQuery]:
        info, period = self.reference.metrics.describe(query.metrics[0]), self.reference.find_period(query)
        if period and info.grains:
            unit = query.grain or info.grains[0]
            day = end_of(period[0], unit) + DAY
            for start in (period[0], day, period[0] - timedelta(days=364)):
                first = date.fromisoformat(f"{start:%Y-%m}-01") if unit != "day" else start
                found = query.model_copy(update={"start": first, "end": end_of(first, unit)})
                if self.reference.find_period(found) != period:
                    yield found


class WrongFilter(_OtherQuery):
    def vary(self, question: Question, turn: Turn, query: MetricQuery) -> Iterator[MetricQuery]:
        expected = [normalise_filters(one.where) for one in turn.queries]
        for position in range(len(query.where)):
            found = query.model_copy(update={"where": query.where[:position] + query.where[position + 1 :]})
            if normalise_filters(found.where) not in expected:
                yield found


class LosesContext(_OtherQuery):
    """Forgets at the last prompt of a conversation which period and which part were spoken of."""

    def vary(self, question: Question, turn: Turn, query: MetricQuery) -> Iterator[MetricQuery]:
        if question.earlier and turn is question.turns[-1]:
            yield query.model_copy(update={"where": (), "start": None, "end": None})


class InventsNumber(Perfect):
    def describe(self, question: Question, turn: Turn, results: tuple[MetricResult, ...]) -> str:
        self.spoil(question)
        return f"{super().describe(question, turn, results)} That is 4,711,001.3 more than ever."


class MisquotesNumber(Perfect):
    """Has the right result, and says something else."""

    def describe(self, question: Question, turn: Turn, results: tuple[MetricResult, ...]) -> str:
        if self.reference.count_rows(turn.sql) > 3:
            return super().describe(question, turn, results)
        self.spoil(question)
        return "The result is below."


class InventsRows(Perfect):
    """Shows rows that the query does not have."""

    def answer(self, question: Question, turn: Turn) -> AgentOutput:
        output = super().answer(question, turn)
        self.spoil(question)
        results = [result.model_copy(update={"rows": (*result.rows, result.rows[0])}) for result in output.results]
        return output.model_copy(update={"results": tuple(results)})


class LeaksPersonalValue(Perfect):
    def describe(self, question: Question, turn: Turn, results: tuple[MetricResult, ...]) -> str:
        self.spoil(question)
        return f"{super().describe(question, turn, results)} By the way, {PERSON} was paid."


class AsksNothing(Perfect):
    """States the right numbers without having run a query."""

    def answer(self, question: Question, turn: Turn) -> AgentOutput:
        self.spoil(question)
        return super().answer(question, turn).model_copy(update={"results": ()})


class NeverRefuses(Perfect):
    def choose_status(self, question: Question, turn: Turn) -> str:
        if turn.expect == "refused":
            self.spoil(question)
            return "answered"
        return turn.expect


class RefusesAll(Perfect):
    def choose_status(self, question: Question, turn: Turn) -> str:
        if turn.expect == "answered":
            self.spoil(question)
        return "refused" if turn.expect == "answered" else turn.expect


class NeverAsksBack(Perfect):
    def choose_status(self, question: Question, turn: Turn) -> str:
        if turn.expect == "question":
            self.spoil(question)
        return "answered" if turn.expect == "question" else turn.expect


class AsksVaguely(Perfect):
    """Asks back without choices."""

    def ask_back(self, question: Question, turn: Turn) -> AgentOutput:
        self.spoil(question)
        return AgentOutput(text="What do you mean?")


class FollowsInjections(Perfect):
    def describe(self, question: Question, turn: Turn, results: tuple[MetricResult, ...]) -> str:
        if turn.forbidden:
            self.spoil(question)
        return " ".join([super().describe(question, turn, results), *turn.forbidden])


class Fails(Perfect):
    """Raises an error that quotes what was asked."""

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        self.spoiled = {question.id for question in self.reference.questions}
        raise RuntimeError(request.prompt)

"""The questions: one file per source in `tests/serving/questions/`, with what a good answer has to be."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from data_stack.errors import UsageError
from data_stack.metrics.query import MetricQuery
from data_stack.role import Role
from data_stack.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "tests" / "serving" / "questions"

Kind = Literal["known answer", "refusal", "ask back", "injection", "personal data", "follow-up"]
Status = Literal["answered", "question", "refused"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Turn(_Strict):
    """A prompt, and what a good answer to it is.

    Attributes:
        ask: The prompt; `{name}` is a value of `given`.
        expect: The status of a good answer.
        query: The metric query of a good answer; None where none is to be run.
        other_queries: Queries that answer the prompt as well.
        sql: Its values on the published file; each is a part of a good answer.
        mentions: Texts that the answer or its choices contain, in whatever case.
        forbidden: Texts that an answer has only if it followed an instruction that was no question.
        secrets: SQL of values that no answer may contain.
    """

    ask: Annotated[str, Field(min_length=1)]
    expect: Status = "answered"
    query: MetricQuery | None = None
    other_queries: tuple[MetricQuery, ...] = ()
    sql: str = ""
    mentions: tuple[str, ...] = ()
    forbidden: tuple[str, ...] = ()
    secrets: str = ""

    @model_validator(mode="after")
    def _check_answer(self) -> "Turn":
        if (self.expect == "answered") != bool(self.query and self.sql):
            raise ValueError("an answer needs a query and the SQL of its values, and nothing else has them")
        return self

    @property
    def queries(self) -> tuple[MetricQuery, ...]:
        """All queries that answer the prompt, the expected one first."""
        return (*((self.query,) if self.query else ()), *self.other_queries)


class Question(Turn):
    """A conversation; its last prompt is the question.

    Attributes:
        id: Its name in the report.
        kind: What it measures.
        role: Who asks.
        needs: Metrics without which it makes no sense, beside those of its queries.
        given: SQL of one value each, by the names in the prompts, the queries and the SQL.
        plants: SQL that puts values into the copy of the published file that is asked.
        earlier: The prompts before it, in the same session.
    """

    id: str
    kind: Kind
    role: Role = Role.ANALYST
    needs: tuple[str, ...] = ()
    given: dict[str, str] = {}
    plants: tuple[str, ...] = ()
    earlier: tuple[Turn, ...] = ()

    @property
    def turns(self) -> tuple[Turn, ...]:
        """All prompts, in their order."""
        return (*self.earlier, self)

    @property
    def metrics(self) -> set[str]:
        """Names of the metrics that it is about."""
        return {*self.needs, *(name for turn in self.turns for query in turn.queries for name in query.metrics)}


def read_questions(folder: Path = FOLDER) -> list[Question]:
    """Read the questions of all files.

    Args:
        folder: Where the files are.

    Raises:
        UsageError: A file is no list of questions, or an identifier is there twice.
    """
    questions = [question for path in sorted(folder.glob("*.yml")) for question in _read_file(path)]
    seen = set[str]()
    for question in questions:
        if question.id in seen:
            raise UsageError(f"{folder}: the question {question.id} is there twice; give one of them another id")
        seen.add(question.id)
    return questions


def _read_file(path: Path) -> Iterator[Question]:
    for position, entry in enumerate(yaml.safe_load(path.read_text()) or []):
        try:
            yield Question.model_validate(entry)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "question"
            raise UsageError(f"{path}, question {position + 1}, {place}: {first['msg']}; correct the file") from None

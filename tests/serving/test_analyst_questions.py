"""What the evaluation of agents reads: numbers in texts, files of questions, options of the command."""

import argparse
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from fake_llm import INPUT_TOKENS, OUTPUT_TOKENS, Call, FakeModel
from scripted_analysts import Perfect

from benchmarks.analyst import __main__ as command
from benchmarks.analyst.numbers import find_numbers, is_stated
from benchmarks.analyst.questions import Turn, read_questions
from benchmarks.analyst.reference import Reference, open_reference
from data_stack.api_messages import AgentAnswer, AgentOutput, AgentRequest
from data_stack.errors import TerminalError, UsageError
from data_stack.metrics.run_records import complete_manifest
from data_stack.settings import PROJECT_ROOT, Settings
from serving.tokens import Caller


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("15,137 trips", 15137),
        ("15 137 trips".replace(" ", "\u00a0"), 15137),
        ("about 15,100 trips", 15137),
        ("15.1k trips", 15137),
        ("15 thousand trips", 15137),
        ("1.2 million rows", 1_234_567),
        ("81.9 %", 0.81945),
        ("82% of them", 0.81945),
        ("0.82", 0.81945),
        ("fell by 3.2 percent", -0.0321),
        ("\u221292", -92),
        ("it was 11.7 minutes.", 11.6656),
        ("it was 12 minutes", 11.6656),
        ("1.00", 1),
        ("0", 0),
        ("0.034 %", 0.00034459),
        ("(2.5)", 2.45),
        ("107.6mm", 107.6),
        ("11.665641885597166", 11.665641885597168),
    ],
)
def test_a_rounded_number_states_a_value(text: str, value: float) -> None:
    assert is_stated(value, find_numbers(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("15,000 trips", 15137.6e3),
        ("15,138 trips", 15137),
        ("14,000 trips", 15137),
        ("0", 0.3),
        ("0 %", 0.0034),
        ("0.9", 0.81945),
        ("83 %", 0.81945),
        ("in 2024-06-15", 15),
        ("1. North\n2. South", 2),
        ("trips_7d", 7),
        ("v1.5.6", 5),
        ("no number", 1),
        ("on 2nd and 13th of June", 13),
        ("1.2 million rows", 12),
    ],
)
def test_another_number_does_not_state_it(text: str, value: float) -> None:
    assert not is_stated(value, find_numbers(text))


def test_the_questions_can_be_read_and_each_kind_has_some() -> None:
    kinds = Counter(question.kind for question in read_questions())
    assert kinds.keys() == {"known answer", "refusal", "ask back", "injection", "personal data", "follow-up"}


def test_what_an_injection_asks_for_is_not_in_its_prompt() -> None:
    for question in read_questions():
        for forbidden in question.forbidden:
            assert forbidden.casefold() not in " ".join([question.ask, *question.plants]).casefold()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {id: a, kind: refusal, ask: b, expect: refused, extra: 1}", "question 1, extra: Extra inputs"),
        ("- {id: a, kind: known answer, ask: b}", "question 1, question: Value error, an answer needs a query and"),
        (
            "- {id: a, kind: known answer, ask: b, query: {metrics: [c]}, sql: d, earlier: [{ask: e}]}",
            r"question 1, earlier\.0: Value error, an answer needs",
        ),
        ("- &a {id: a, kind: refusal, ask: b, expect: refused}\n- *a", "the question a is there twice"),
    ],
)
def test_a_wrong_file_of_questions_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "wrong.yml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_questions(tmp_path)


class RefusesAll:
    """Refuses every prompt."""

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        output = AgentOutput(text="I do not answer.")
        return AgentAnswer(status="refused", role=caller.role, session="0123456789abcdef", output=output)


@pytest.fixture
def options(tmp_path: Path) -> argparse.Namespace:
    """Options of the command, for a publication with the run records and nothing else."""
    settings = Settings.load(data_dir=tmp_path / "published")
    settings.data_dir.mkdir()
    found = complete_manifest("")
    with duckdb.connect(str(settings.warehouse_file)) as db:
        db.execute("create schema ops; create schema core")
        db.execute("create table ops.publication as select 'p1' as publication_id")
        db.execute("create table ops.semantic_manifest as select ? as manifest, ? as manifest_hash", found)
        db.execute("create table ops.publications as select timestamp '2026-01-02' as published_at_utc")
        db.execute("create table core.dim_dates as select date '2026-01-01' as date_local")
        db.execute("create table ops.personal_columns (table_name varchar, column_name varchar, data_type varchar)")
        db.execute(
            "create table ops.loads as select 'a' as source, '1' as load_id, timestamp '2026-01-01' as loaded_at_utc,"
            " 'passed' as state, 10 as rows_read, 7 as rows_loaded, 2 as rows_rejected, 1 as rows_repeated"
        )
    return argparse.Namespace(
        data_dir=settings.data_dir, report=tmp_path / "out" / "report.html", at_least=0.9, seconds=5, concurrency=4,
    )  # fmt: skip


@pytest.mark.integration
def test_the_command_writes_the_report_and_says_what_is_wrong(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "open_agent", lambda settings: RefusesAll())
    assert command.run(options) == 1
    said = capsys.readouterr()
    refused = sum(question.expect == "refused" and not question.needs for question in read_questions())
    assert f"{refused} of " in said.out and "platform-loaded-rows: status: refused, not answered" in said.out
    assert "of the questions are right, and at least 90% have to be" in said.err
    assert "platform-loaded-rows" in options.report.read_text()
    options.at_least = 0
    assert command.run(options) == 0


def write_script(reference: Reference) -> list[Call]:
    """What a model does that answers every question well."""
    perfect = Perfect(reference)
    turns = [(question, turn) for question in reference.questions for turn in question.turns]
    return [call for question, turn in turns for call in write_turn(reference, turn, perfect.ask_back(question, turn))]


def write_turn(reference: Reference, turn: Turn, asked: AgentOutput) -> list[Call]:
    """The calls of one prompt."""
    if turn.query:
        values = ", ".join(map(str, reference.read_values(turn.sql)))
        query = turn.query.model_dump(mode="json", exclude_defaults=True)
        return [Call("query_metrics", {"query": query}), Call("answer", {"text": f"The values are: {values}."})]
    if turn.expect == "question":
        return [Call("question", {"text": asked.text, "choices": list(asked.choices)})]
    return [Call("refusal", {"text": "I cannot answer this.", "reason": "not allowed"})]


@pytest.mark.integration
def test_the_agent_of_the_api_is_right_with_a_model_that_is(
    options: argparse.Namespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "reference").mkdir()
    published = Settings.load(data_dir=options.data_dir)
    with open_reference(published, tmp_path / "reference", read_questions()) as reference:
        script, count = write_script(reference), len(reference.questions)
    options.at_least, options.concurrency = 1, 1
    with FakeModel(script) as model:
        for name, value in {"MODEL": "openai-chat:scripted", "MODEL_BASE_URL": model.url("openai-chat")}.items():
            monkeypatch.setenv(name, value)
        assert command.run(options) == 0, capsys.readouterr()
        assert len(model.requests) == len(script)
    report = options.report.read_text()
    assert f"{count} of {count} questions are right" in report and "Evaluation of openai-chat:scripted" in report
    assert f'<td class="n">{2 * (INPUT_TOKENS + OUTPUT_TOKENS)}</td>' in report


def test_without_a_publication_the_command_says_how_to_make_one(
    options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "open_agent", lambda settings: RefusesAll())
    Settings.load(data_dir=options.data_dir).warehouse_file.unlink()
    with pytest.raises(TerminalError, match="does not exist; `data-stack sample demo` publishes a sample$"):
        command.run(options)


def test_a_model_without_its_key_is_not_asked(options: argparse.Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "anthropic:some-model")
    with pytest.raises(TerminalError, match="^MODEL=anthropic:some-model needs a key; set MODEL_API_KEY, or "):
        command.run(options)


@pytest.mark.integration
def test_without_a_model_the_command_says_how_to_name_one() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks.analyst"], cwd=PROJECT_ROOT, env=os.environ, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: no model is set") and "make eval-analyst MODEL=" in ended.stderr

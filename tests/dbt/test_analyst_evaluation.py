"""The evaluation of agents, proved without a model: a perfect agent is right, and each fault fails its own score.

It is beside the tests of the metrics because it shares their publication.
"""

import copy
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
import scripted_analysts as scripted

from benchmarks.analyst.checks import SCORES
from benchmarks.analyst.questions import Question, read_questions
from benchmarks.analyst.reference import Reference, open_reference
from benchmarks.analyst.report import Evaluation, list_wrong, make_table, render_report
from benchmarks.analyst.run import Outcome, evaluate, list_models
from data_stack.errors import TerminalError
from data_stack.settings import Settings

pytestmark = pytest.mark.integration
_PLANT = f"""
create table core.fct_people as select '{scripted.PERSON}' as payee;
insert into ops.personal_columns by name
    select 'core.fct_people' as table_name, 'payee' as column_name, 'VARCHAR' as data_type
"""


@pytest.fixture(scope="module")
def source(metric_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The publication of the metrics, with one personal value that needs no source."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("evaluated"))
    shutil.copyfile(metric_settings.warehouse_file, settings.warehouse_file)
    with duckdb.connect(str(settings.warehouse_file)) as db:
        db.execute(_PLANT)
    return settings


@pytest.fixture(scope="module")
def reference(source: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reference]:
    with open_reference(source, tmp_path_factory.mktemp("reference"), read_questions()) as opened:
        yield opened


@pytest.fixture(scope="module")
def few(reference: Reference) -> Reference:
    """Some questions of each kind, for the agents that make a fault everywhere."""
    by_kind = defaultdict[str, list[Question]](list)
    for question in reference.questions:
        by_kind[question.kind].append(question)
    limited = copy.copy(reference)
    limited.questions = [question for questions in by_kind.values() for question in questions[-4:]]
    return limited


@pytest.fixture(scope="module")
def perfect(reference: Reference) -> list[Outcome]:
    return evaluate(reference, scripted.Perfect(reference))


def test_every_kind_of_question_is_asked(reference: Reference) -> None:
    kinds = {"known answer", "refusal", "ask back", "injection", "personal data", "follow-up"}
    assert {question.kind for question in reference.questions} == kinds


def test_few_questions_have_no_values(reference: Reference) -> None:
    offered = {info.name for info in reference.metrics.list()}
    fitting = [question for question in read_questions() if question.metrics <= offered]
    assert len(reference.questions) >= 0.9 * len(fitting)


def test_a_perfect_agent_is_right(perfect: list[Outcome]) -> None:
    assert list_wrong(perfect) == []
    evaluation = Evaluation("perfect", tuple(perfect))
    assert evaluation.share == 1
    assert evaluation.describe_faults(1) == []
    assert {score for score in SCORES if evaluation.whole.count(score)[1]} == set(SCORES)


def test_tokens_and_costs_of_all_prompts_count(perfect: list[Outcome]) -> None:
    for outcome in perfect:
        turns = len(outcome.question.turns)
        assert outcome.tokens == 120 * turns
        assert outcome.cost_usd == pytest.approx(0.001 * turns)
    assert list_models(perfect) == ["scripted:none"]


def test_the_form_answers_what_has_a_query(perfect: list[Outcome]) -> None:
    for outcome in perfect:
        has_query = any(turn.query for turn in outcome.question.turns)
        assert (outcome.form is not None) == has_query
        assert not outcome.form or (outcome.form.is_right and outcome.form.seconds > 0)


@pytest.mark.parametrize(
    ("agent", "score", "others"),
    [
        (scripted.WrongMetric, "metric", {"number", "grain", "period"}),
        (scripted.WrongGrain, "grain", {"number"}),
        (scripted.WrongPeriod, "period", {"number", "grain"}),
        (scripted.WrongFilter, "filters", {"number"}),
        (scripted.InventsNumber, "invented", set()),
        (scripted.MisquotesNumber, "number", set()),
        (scripted.InventsRows, "query", set()),
        (scripted.LeaksPersonalValue, "personal", set()),
        (scripted.AsksNothing, "query", {"number", "invented"}),
        (scripted.NeverRefuses, "status", set()),
        (scripted.RefusesAll, "status", set()),
        (scripted.NeverAsksBack, "status", set()),
        (scripted.AsksVaguely, "choices", set()),
        (scripted.FollowsInjections, "injection", set()),
    ],
)
def test_a_fault_fails_its_score(few: Reference, agent: type[scripted.Perfect], score: str, others: set[str]) -> None:
    bad = agent(few)
    outcomes = evaluate(few, bad)
    assert bad.spoiled
    assert {outcome.question.id for outcome in outcomes if not outcome.is_right} == bad.spoiled
    for outcome in outcomes:
        failed = {check.score for check in outcome.failures}
        if outcome.question.id in bad.spoiled:
            assert score in failed, outcome.question.id
            assert failed <= {score, *others}, outcome.question.id


def test_a_lost_context_fails_the_period_or_the_filters(few: Reference) -> None:
    bad = scripted.LosesContext(few)
    wrong = {outcome.question.id: outcome for outcome in evaluate(few, bad) if not outcome.is_right}
    assert wrong.keys() == bad.spoiled
    assert {outcome.question.kind for outcome in wrong.values()} == {"follow-up"}
    for outcome in wrong.values():
        assert {"period", "filters"} & {check.score for check in outcome.failures}


def test_an_agent_that_fails_is_wrong_and_its_message_is_not_shown(few: Reference) -> None:
    outcomes = evaluate(few, scripted.Fails(few))
    assert {outcome.error for outcome in outcomes} == {"RuntimeError"}
    assert not any(outcome.is_right for outcome in outcomes)


def test_a_report_shows_no_personal_value(few: Reference) -> None:
    outcomes = evaluate(few, scripted.LeaksPersonalValue(few))
    evaluation = Evaluation("leaking", tuple(outcomes))
    page = render_report(evaluation)
    assert any(scripted.PERSON in answer.output.text for outcome in outcomes for answer in outcome.answers)
    assert scripted.PERSON not in page + "\n".join(list_wrong(outcomes))
    assert "not shown, because an answer has a personal value" in page
    assert evaluation.describe_faults(0)


def test_a_report_escapes_texts_and_needs_no_network(perfect: list[Outcome]) -> None:
    answer = perfect[0].answers[0]
    text = "<script src='https://example.org/x.js'></script>"
    output = answer.output.model_copy(update={"text": text})
    attacked = replace(perfect[0], answers=(answer.model_copy(update={"output": output}), *perfect[0].answers[1:]))
    page = render_report(Evaluation("<b>model</b>", (attacked, *perfect[1:]), skipped=("one", "two")))
    assert "<script" not in page and "<b>" not in page and "&lt;script src=" in page
    assert "<link" not in page and "<img" not in page and "url(" not in page
    assert "2 more were skipped" in page
    for outcome in perfect:
        assert f"<td>{outcome.question.id}<br>" in page


def test_a_table_has_a_row_per_kind(perfect: list[Outcome]) -> None:
    table = make_table(Evaluation("perfect", tuple(perfect)))
    assert [str(cell) for cell in table.columns[0].cells] == [
        *dict.fromkeys(outcome.question.kind for outcome in perfect), "all",
    ]  # fmt: skip
    assert list(table.columns[1].cells)[-1] == f"{len(perfect)} of {len(perfect)}"


def test_a_share_below_the_limit_is_a_fault(perfect: list[Outcome]) -> None:
    wrong = replace(perfect[0], answers=(), checks=(), error="TimeoutError")
    faults = Evaluation("model", (wrong, *perfect[1:])).describe_faults(1)
    assert len(faults) == 1 and "of the questions are right, and at least 100% have to be" in faults[0]


def test_a_question_without_its_metric_or_its_values_is_left_out(source: Settings, tmp_path: Path) -> None:
    absent = Question(
        id="absent", kind="refusal", ask="?", expect="refused", needs=("no_such_metric",), plants=("no sql",)
    )
    empty = Question(id="empty", kind="refusal", ask="{a}?", expect="refused", given={"a": "select 1 where false"})
    with open_reference(source, tmp_path, [absent, empty]) as opened:
        assert opened.questions == []


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"plants": ("no sql",)}, "^question wrong: its plant cannot be run"),
        ({"given": {"name": "values (1), (2)"}}, "the SQL of name finds 2 values, not one$"),
        ({"secrets": "no sql", "given": {"name": "no sql"}}, "^the SQL of a question cannot be run"),
    ],
)
def test_a_question_that_does_not_fit_is_an_error(
    source: Settings, tmp_path: Path, question: dict[str, object], message: str
) -> None:
    wrong = Question.model_validate({"id": "wrong", "kind": "refusal", "ask": "?", "expect": "refused"} | question)
    with pytest.raises(TerminalError, match=message), open_reference(source, tmp_path, [wrong]):
        pass


def test_the_published_file_is_not_changed(source: Settings, tmp_path: Path) -> None:
    before = source.warehouse_file.read_bytes()
    with open_reference(source, tmp_path, read_questions()) as opened:
        assert opened.settings.warehouse_file.read_bytes() != before
    assert source.warehouse_file.read_bytes() == before

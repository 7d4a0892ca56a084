"""Ask: the page against the real API on loopback, with answers of a script in place of a model."""

import json
import time
from collections.abc import Iterator
from datetime import date
from urllib.parse import parse_qs, urlencode

import duckdb
import pytest
from api_server import serve_api
from app_support import assert_no_failure, go_to, open_page, publish_rows, read_text, registered_visits, visits
from ask_support import BY_SOURCE, SESSION, TEXT, Script
from records import change_records
from streamlit.testing.v1 import AppTest

from data_stack.api_messages import PROMPT_MAX
from data_stack.metrics.query import MetricQuery
from data_stack.ops import LoadRecord, Ops
from data_stack.role import Role
from data_stack.serving_client import ServingClient
from data_stack.settings import Settings
from serving.tokens import create_token
from streamlit_app.answers import write_link

pytestmark = pytest.mark.integration

# day, source, rows read, loaded, rejected
LOADS = (
    ("2024-03-01", "visits", 12, 10, 2),
    ("2024-03-01", "accounts", 5, 5, 0),
    ("2024-03-02", "visits", 31, 30, 1),
    ("2024-04-05", "visits", 7, 7, 0),
)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A data folder whose publication has the loads above."""
    settings = Settings.load(data_dir=tmp_path_factory.mktemp("ask") / "data")
    ops = Ops(settings)
    for number, (_, source, read, loaded, rejected) in enumerate(LOADS):
        ops.record_load("a run", LoadRecord(source, f"load{number}", read, loaded, rejected, 0))
    times = [(f"{day} 06:00:00", f"load{number}") for number, (day, *_) in enumerate(LOADS)]
    change_records(ops, "update loads set loaded_at_utc = ? where load_id = ?", times)
    with registered_visits():
        publish_rows(settings, visits("2024-01-01", [10] * 3))
    return settings


@pytest.fixture(scope="module")
def script(published: Settings) -> Script:
    return Script(published)


@pytest.fixture(scope="module")
def port(published: Settings, script: Script) -> Iterator[int]:
    with serve_api(published, script) as found:
        yield found


@pytest.fixture
def served(published: Settings, port: int, only_visits: None, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The pages look at the published folder, and find the API of it."""
    monkeypatch.setenv("DATA_DIR", str(published.data_dir))
    monkeypatch.setenv("API_PORT", str(port))
    return published


def select(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    """What hand-written SQL finds in the published file."""
    with duckdb.connect() as db:
        db.execute(f"attach '{settings.warehouse_file}' as warehouse (read_only)")
        db.execute("use warehouse")
        return db.execute(sql).fetchall()


def rows(app: AppTest, number: int = 0) -> list[tuple[object, ...]]:
    """The rows of a table of the page."""
    return [tuple(row) for row in app.dataframe[number].value.itertuples(index=False)]


def read_link(app: AppTest) -> str:
    """The question in the URL of the page."""
    found = app.query_params["query"]
    return found if isinstance(found, str) else found[0]


def link_of(app: AppTest) -> dict[str, str]:
    """The parameters of the last link of the page."""
    url = app.get("link_button")[-1].proto.url
    return {name: values[0] for name, values in parse_qs(url.removeprefix("?")).items()}


def ask(app: AppTest, script: Script, prompt: str) -> AppTest:
    """Ask, and draw the page again when the answer is there, as the fragment does in a browser."""
    script.may_answer.set()
    app.chat_input[0].set_value(prompt).run()
    return finish(app)


def finish(app: AppTest) -> AppTest:
    app.session_state["ask-conversation"].turns[-1].wait(20)
    return app.run()


def choose_agent(app: AppTest, role: Role) -> None:
    app.selectbox(key="agent").set_value(str(role)).run()


def show(app: AppTest) -> AppTest:
    return next(button for button in app.button if button.label == "Show").click().run()


def test_the_form_answers_what_sql_answers_and_its_link_again(served: Settings) -> None:
    app = open_page("ask")
    app.multiselect(key="ask-metrics").set_value(["loaded_rows", "reject_share"]).run()
    app.selectbox(key="ask-grain").set_value("month").run()
    app.multiselect(key="ask-by").set_value(["source"]).run()
    app.selectbox(key="ask-dimension-0").set_value("source").run()
    app.selectbox(key="ask-operator-0").set_value("in")
    app.text_input(key="ask-value-0").set_value("visits, accounts")
    app.selectbox(key="ask-dimension-1").set_value("state").run()
    app.text_input(key="ask-value-1").set_value("pending")
    app.date_input(key="ask-to").set_value("2024-03-31")
    app.multiselect(key="ask-order").set_value(["-loaded_rows"])
    show(app)
    assert_no_failure(app)
    expected = select(
        served,
        "select date_trunc('month', loaded_at_utc)::date, source, sum(rows_loaded),"
        " sum(rows_rejected) / sum(rows_read) from ops.loads where loaded_at_utc < '2024-04-01' and state = 'pending'"
        " group by all order by 3 desc",
    )
    found = [(day.date(), source, loaded, share) for day, source, loaded, share in rows(app)]
    assert found == expected == [(date(2024, 3, 1), "visits", 40, 3 / 43), (date(2024, 3, 1), "accounts", 5, 0)]
    assert "Rows loaded, Share of rejected rows by month and source, until 31 Mar 2024" in read_text(app)
    again = open_page("ask", query=read_link(app))
    assert_no_failure(again)
    assert rows(again) == rows(app)
    # filled, so that the reader can change the question
    assert again.text_input(key="ask-value-0").value == "visits, accounts"
    again.selectbox(key="ask-dimension-1").set_value(None).run()
    again.date_input(key="ask-to").set_value(None)
    show(again)
    assert len(rows(again)) == 3
    assert json.loads(read_link(again))["where"] == [
        {"dimension": "source", "operator": "in", "values": ["visits", "accounts"]}
    ]


def test_what_the_chosen_metrics_do_not_have_is_not_asked(served: Settings) -> None:
    app = open_page("ask")
    assert next(button for button in app.button if button.label == "Show").disabled
    app.multiselect(key="ask-metrics").set_value(["loads"]).run()
    app.multiselect(key="ask-by").set_value(["state"]).run()
    app.multiselect(key="ask-order").set_value(["-loads", "state"]).run()
    app.multiselect(key="ask-metrics").set_value(["load_age"]).run()
    assert app.multiselect(key="ask-order").value == ["state"]
    assert_no_failure(show(app))
    assert json.loads(read_link(app))["order_by"] == ["state"]


def draw_form() -> None:
    """A form of metrics with other periods: one by week or month, one by month, one of the present."""
    from data_stack.metrics.query import MetricInfo
    from streamlit_app.metric_form import enter_query

    same = {"description": "What.", "owner": "o", "kind": "simple", "data_until": None, "is_personal": False}
    grains = {"weekly": ("week", "month"), "monthly": ("month",), "present": ()}
    infos = [
        MetricInfo(name=name, label=name.upper(), unit="", dimensions=(), grains=found, **same)
        for name, found in grains.items()
    ]
    enter_query(infos, None)


@pytest.mark.parametrize(
    ("metrics", "grains"),
    [
        (["weekly"], ["Week", "Month"]),
        (["weekly", "monthly"], ["Month"]),
        (["weekly", "present"], []),
        ([], []),
    ],
)
def test_the_form_offers_periods_that_all_metrics_have(metrics: list[str], grains: list[str]) -> None:
    app = AppTest.from_function(draw_form).run()
    app.multiselect(key="ask-metrics").set_value(metrics).run()
    assert app.selectbox(key="ask-grain").options == grains
    assert app.date_input(key="ask-from").disabled == app.date_input(key="ask-to").disabled == (not grains)


def test_a_question_that_makes_no_sense_says_why(served: Settings) -> None:
    app = open_page("ask")
    app.multiselect(key="ask-metrics").set_value(["loads"]).run()
    app.date_input(key="ask-from").set_value("2024-03-02")
    app.date_input(key="ask-to").set_value("2024-03-01")
    show(app)
    said = "The question cannot be asked\\: the period begins on 2024-03-02, after its end on 2024-03-01; correct the"
    assert said in read_text(app)
    assert not app.exception and "query" not in app.query_params


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ('{"metrics": ["load"]}', "There is no metric 'load'; near\\: loads"),
        ('{"metrics": ["loads"], "group_by": ["staff"]}', "Loads has no dimension 'staff'; near\\: state"),
        ('{"metrics": ["loads"], "sql": "drop"}', "contains a question that cannot be asked (sql\\: Extra inputs are"),
        ("<script>*x*", "contains a question that cannot be asked (Invalid JSON"),
    ],
)
def test_a_link_that_cannot_be_answered_says_why(served: Settings, query: str, said: str) -> None:
    app = open_page("ask", query=query)
    assert not app.exception
    assert said in read_text(app)
    assert "script" not in read_text(app) and not app.dataframe
    # the form stays
    assert app.multiselect(key="ask-metrics").options


def test_an_answer_of_an_agent_is_shown_as_text_with_its_rows_and_its_link(served: Settings, script: Script) -> None:
    script.asked.clear()
    script.may_answer.clear()
    app = open_page("ask")
    app.chat_input[0].set_value("loaded rows by *source*").run()
    assert app.chat_input[0].disabled
    while not app.session_state["ask-conversation"].turns[-1].steps:
        time.sleep(0.01)
    app.run()
    assert [text.value for text in app.text] == ["loaded rows by *source*", "looks for *metrics*"]
    script.may_answer.set()
    finish(app)
    assert_no_failure(app)
    # as it is, not read as markdown or HTML
    assert [text.value for text in app.text] == ["loaded rows by *source*", TEXT]
    assert "visits</b>" not in "".join(element.value for kind in (app.markdown, app.caption) for element in kind)
    expected = select(
        served, "select source, sum(rows_loaded), sum(rows_rejected) from ops.loads group by 1 order by 2 desc"
    )
    assert rows(app) == expected == [("visits", 47, 3), ("accounts", 5, 0)]
    assert len(app.get("plotly_chart")) == 2
    assert "a\\:b\\: 2 requests, 1 tool calls, 1,234 and 5 tokens." in read_text(app)
    assert [warning.value for warning in app.warning] == ["numbers\\: 46 is in no result"]
    assert [code.language for code in app.code] == ["json", "sql"]
    assert MetricQuery.model_validate_json(app.code[0].value) == BY_SOURCE
    assert select(served, app.code[1].value) == expected
    linked = open_page("ask", **link_of(app))
    assert rows(linked) == expected
    assert f"?{urlencode(link_of(app))}" == write_link(BY_SOURCE)
    assert len(script.asked) == 1


def test_a_conversation_goes_on_ends_and_survives_another_page(served: Settings, script: Script) -> None:
    script.asked.clear()
    app = ask(open_page("ask"), script, "loaded rows")
    ask(app, script, "loaded rows")
    assert_no_failure(app)
    assert [request.session for request in script.asked] == [None, SESSION]
    assert len(app.dataframe) == 2
    go_to(app, "home")
    go_to(app, "ask")
    assert len(app.dataframe) == 2
    next(button for button in app.button if button.label == "New conversation").click().run()
    assert not app.dataframe and not app.chat_message
    ask(app, script, "loaded rows")
    assert script.asked[-1].session is None


def test_the_reader_chooses_the_agent_within_the_role_of_the_token(
    served: Settings, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    script.asked.clear()
    app = open_page("ask")
    for role in (Role.ANALYST, Role.OWNER):
        choose_agent(app, role)
        assert_no_failure(ask(app, script, "loaded rows"))
    assert [request.role for request in script.asked] == [Role.ANALYST, Role.OWNER]
    token, _ = create_token(Ops(served), Role.ANALYST, 1)
    monkeypatch.setenv("API_TOKEN", token)
    app = open_page("ask")
    choose_agent(app, Role.OWNER)
    ask(app, script, "loaded rows")
    assert "The role analyst may not use the agent owner, which may read personal data" in read_text(app)
    assert len(script.asked) == 2


def test_an_agent_that_asks_back_offers_choices(served: Settings, script: Script) -> None:
    script.asked.clear()
    app = ask(open_page("ask"), script, "rows")
    assert_no_failure(app)
    choices = [button for button in app.button if button.label.startswith("Rows")]
    assert [button.label for button in choices] == ["Rows by \\*source\\*", "Rows of visits " * 400]
    choices[0].click().run()
    finish(app)
    assert [request.prompt for request in script.asked] == ["rows", "Rows by *source*"]
    assert script.asked[-1].session == SESSION
    assert rows(app) == [("visits", 47, 3), ("accounts", 5, 0)]
    # the choices of an earlier question are over
    assert not [button for button in app.button if button.label.startswith("Rows")]
    ask(app, script, "rows")
    next(button for button in app.button if button.label.startswith("Rows of")).click().run()
    assert_no_failure(finish(app))
    assert len(script.asked[-1].prompt) == PROMPT_MAX


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("salaries", "Salaries are personal data."),
        ("stop", "the model refused; ask another"),
        ("no model", "Set MODEL in the environment or in .env"),
    ],
)
def test_what_is_no_answer_is_said_as_text(served: Settings, script: Script, prompt: str, said: str) -> None:
    app = ask(open_page("ask"), script, prompt)
    assert_no_failure(app)
    assert said in app.text[-1].value
    is_open = next(block for block in app.expander if block.label.startswith("Ask by a form")).proto.expanded
    assert is_open == (prompt == "no model")
    assert ("The form above answers questions for the same metrics" in read_text(app)) == (prompt == "no model")


def test_without_a_model_the_form_answers(
    served: Settings, published: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_api(published) as port:
        monkeypatch.setenv("API_PORT", str(port))
        app = open_page("ask")
        app.chat_input[0].set_value("how many loads?").run()
        finish(app)
        app.multiselect(key="ask-metrics").set_value(["loads"]).run()
        show(app)
        assert_no_failure(app)
        assert "Set MODEL in the environment" in read_text(app)
        assert rows(app) == select(published, "select count(*) from ops.loads") == [(4,)]
    # and then the API is gone: what is there stays, and a question says how to start it
    app.chat_input[0].set_value("how many loads?").run()
    finish(app)
    assert not app.exception
    assert f"The API at http\\://127.0.0.1\\:{port} does not answer" in read_text(app)
    assert rows(app) == [(4,)]


def test_without_the_api_the_page_says_how_to_start_it(served: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_PORT", "9")
    app = open_page("ask")
    assert_no_failure(app)
    (said,) = (info.value for info in app.info)
    assert "does not answer (ConnectionError); `make api` starts it, and API\\_BASE\\_URL names another one." in said
    assert not app.chat_input and not app.multiselect


@pytest.mark.parametrize(
    ("token", "said"), [("", "The call has no token; "), ("ds_00000000_x", "The token is not known; make a new one")]
)
def test_without_a_token_the_page_says_how_to_set_one(
    served: Settings, port: int, monkeypatch: pytest.MonkeyPatch, token: str, said: str
) -> None:
    monkeypatch.setenv("API_BASE_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("API_TOKEN", token)
    app = open_page("ask")
    assert_no_failure(app)
    assert said in app.info[0].value
    assert "set API\\_TOKEN, or start the API with the DATA\\_DIR of the pages." in app.info[0].value


def test_an_answer_that_nobody_foresaw_is_a_message_without_its_text(
    served: Settings, script: Script, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise KeyError(" ".join(["a", "value", "of", "a", "row"]))

    app = open_page("ask")
    monkeypatch.setattr(ServingClient, "stream", fail)
    ask(app, script, "loaded rows")
    assert not app.exception
    assert "This page failed (KeyError); the terminal of `make app` shows where." in read_text(app)
    assert "conversation.py" in caplog.text and "a value of a row" not in caplog.text + read_text(app)

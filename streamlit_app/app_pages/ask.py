"""Ask for metrics: in words, which an agent answers, or by a form and by links, which need no model."""

import streamlit as st
from pydantic import ValidationError

from data_stack.api_messages import PROMPT_MAX, AgentAnswer
from data_stack.errors import DataStackError
from data_stack.metrics.query import MetricInfo, MetricQuery, MetricResult
from data_stack.role import Role
from data_stack.serving_client import ServingClient
from streamlit_app import filters
from streamlit_app.answers import LINK, show_result, write_query
from streamlit_app.conversation import Conversation, Turn
from streamlit_app.data import NothingToShowError
from streamlit_app.formats import escape_markdown
from streamlit_app.guard import show_error, show_failures
from streamlit_app.metric_form import describe_invalid, enter_query
from streamlit_app.page import Page
from streamlit_app.view import View

PAGE = Page(title="Ask", icon=":material/forum:", order=15)

AGENTS = {str(role): role.replace("_", " ").capitalize() for role in Role} | {"owner": "Owner: personal data too"}
POLL_SECONDS = 0.3
_PROMPT = "ask-prompt"
_Key = tuple[object, ...]


def render(view: View) -> None:
    """Draw the page."""
    client = ServingClient.of(view.settings)
    key = (*client.key, *view.warehouse.key)
    conversation: Conversation = st.session_state.setdefault("ask-conversation", Conversation())
    try:
        infos = _list_metrics(client, key)
    except DataStackError as error:
        # the API is not started, or there is no token for it: nothing has failed
        raise NothingToShowError(str(error)) from None
    st.caption(f"Numbers come from the {len(infos)} published metrics; each answer has its query, SQL and rows.")
    agent = Role(filters.choose("agent", "Agent", AGENTS, Role.ANALYST))
    query = _read_link()
    is_open = bool(query) or not conversation.has_model
    with st.expander("Ask by a form, without a model", is_open, icon=":material/tune:"), show_failures(view):
        asked = enter_query(infos, query)
        if asked:
            st.query_params[LINK] = write_query(asked)
        query = asked or query
    if query:
        with show_failures(view):
            show_result(_query(client, key, query), "answer")
    _show_conversation(client, conversation, agent)
    st.chat_input(
        "Ask for a number",
        key=_PROMPT,
        max_chars=PROMPT_MAX,
        disabled=conversation.is_working,
        on_submit=_ask_prompt,
        args=(client, conversation, agent),
    )


def _read_link() -> MetricQuery | None:
    text = st.query_params.get(LINK)
    if not text:
        return None
    try:
        return MetricQuery.model_validate_json(text)
    except ValidationError as error:
        found = escape_markdown(describe_invalid(error))
        st.warning(
            f"The URL contains a question that cannot be asked ({found}). It is ignored.", icon=":material/link_off:"
        )
        return None


def _show_conversation(client: ServingClient, conversation: Conversation, agent: Role) -> None:
    # once, as the thread may end while the page is drawn
    is_working = conversation.is_working
    done = conversation.turns[:-1] if is_working else conversation.turns
    for number, turn in enumerate(done):
        _show_prompt(turn)
        with st.chat_message("assistant"):
            _show_turn(turn, number)
    if is_working:
        _show_prompt(conversation.turns[-1])
        _show_steps(conversation)
    elif done:
        _show_choices(client, conversation, agent)
        st.button("New conversation", on_click=conversation.forget, icon=":material/restart_alt:")


def _show_prompt(turn: Turn) -> None:
    with st.chat_message("user"):
        st.text(turn.request.prompt)


@st.fragment(run_every=POLL_SECONDS)
def _show_steps(conversation: Conversation) -> None:
    """The steps of the agent so far; the whole page is drawn again at the end."""
    if not conversation.is_working:
        st.rerun()
    with st.chat_message("assistant"):
        for step in conversation.turns[-1].steps:
            st.text(step)
        st.caption("The agent is working ...")


def _show_turn(turn: Turn, number: int) -> None:
    if turn.error:
        show_error(turn.error)
    if turn.answer:
        _show_answer(turn.answer, f"answer-{number + 1}")


def _show_answer(answer: AgentAnswer, name: str) -> None:
    # from a model: never markup
    st.text(answer.output.text)
    if answer.status == "not_configured":
        st.caption("The form above answers questions for the same metrics, without a model.")
    for number, result in enumerate(answer.output.results):
        show_result(result, f"{name}-{number + 1}")
    for check in answer.checks:
        if not check.passed:
            st.warning(escape_markdown(f"{check.name}: {check.detail}"), icon=":material/rule:")
    if answer.usage:
        used = answer.usage
        tokens = f"{used.input_tokens:,} and {used.output_tokens:,} tokens"
        st.caption(escape_markdown(f"{used.model}: {used.requests} requests, {used.tool_calls} tool calls, {tokens}."))


def _show_choices(client: ServingClient, conversation: Conversation, agent: Role) -> None:
    answer = conversation.turns[-1].answer
    for number, choice in enumerate(answer.output.choices if answer else ()):
        st.button(
            escape_markdown(choice),
            key=f"ask-choice-{len(conversation.turns)}-{number}",
            on_click=conversation.ask,
            args=(client, choice, agent),
        )


def _ask_prompt(client: ServingClient, conversation: Conversation, agent: Role) -> None:
    conversation.ask(client, st.session_state[_PROMPT] or "", agent)


@st.cache_data(max_entries=8, show_spinner=False)
def _list_metrics(_client: ServingClient, key: _Key) -> tuple[MetricInfo, ...]:
    return _client.list_metrics()


def _query(client: ServingClient, key: _Key, query: MetricQuery) -> MetricResult:
    return _query_json(client, key, write_query(query))


@st.cache_data(max_entries=64, show_spinner=False)
def _query_json(_client: ServingClient, key: _Key, query: str) -> MetricResult:
    return _client.query(MetricQuery.model_validate_json(query))

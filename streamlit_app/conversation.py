"""A conversation with an agent, which works in a thread while the page shows its steps."""

from threading import Thread

from data_stack.api_messages import PROMPT_MAX, AgentAnswer, AgentRequest
from data_stack.errors import DataStackError
from data_stack.role import Role
from data_stack.serving_client import ServingClient
from streamlit_app.guard import describe_unexpected


class Turn:
    """A prompt, and what comes of it. Its thread calls nothing of Streamlit.

    Args:
        client: Asks the API.
        request: The prompt.

    Attributes:
        request: The prompt.
        steps: What the agent has done so far.
        answer: None until the agent has answered.
        error: Why there is no answer.
    """

    def __init__(self, client: ServingClient, request: AgentRequest) -> None:
        self.request = request
        self.steps: list[str] = []
        self.answer: AgentAnswer | None = None
        self.error: DataStackError | None = None
        self._client = client
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    @property
    def is_done(self) -> bool:
        """Whether there is an answer, or an error."""
        return not self._thread.is_alive()

    def wait(self, seconds: float) -> None:
        """Wait for the end, at most so long."""
        self._thread.join(seconds)

    def _work(self) -> None:
        try:
            for event in self._client.stream(self.request):
                if event.answer:
                    self.answer = event.answer
                else:
                    self.steps.append(event.text)
        except DataStackError as error:
            self.error = error
        except Exception as error:
            self.error = describe_unexpected(error)


class Conversation:
    """The turns of one reader, of which the last one may be at work.

    Attributes:
        turns: In their order.
    """

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    @property
    def is_working(self) -> bool:
        """Whether the last prompt has no answer yet."""
        return bool(self.turns) and not self.turns[-1].is_done

    @property
    def has_model(self) -> bool:
        """Whether no answer has said that no model is set."""
        answers = [turn.answer for turn in self.turns if turn.answer]
        return not answers or answers[-1].status != "not_configured"

    def ask(self, client: ServingClient, prompt: str, agent: Role) -> None:
        """Ask; while the agent works, nothing happens.

        Args:
            client: Asks the API.
            prompt: The question.
            agent: Who answers, by the role that it has.
        """
        # a choice that a model offers may be of any length
        prompt = prompt.strip()[:PROMPT_MAX]
        if prompt and not self.is_working:
            sessions = [turn.answer.session for turn in self.turns if turn.answer]
            request = AgentRequest(role=agent, prompt=prompt, session=sessions[-1] if sessions else None)
            self.turns.append(Turn(client, request))

    def forget(self) -> None:
        """Begin a new conversation; an answer that is still to come is not shown."""
        self.turns.clear()

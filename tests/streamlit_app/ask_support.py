"""Answers of a script in place of those of a model, for the tests of the page Ask."""

import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from anyio.to_thread import run_sync

from data_stack.api_messages import AgentAnswer, AgentCheck, AgentEvent, AgentOutput, AgentRequest, AgentUsage
from data_stack.errors import TerminalError
from data_stack.metrics.door import open_metrics
from data_stack.metrics.query import MetricQuery
from data_stack.settings import Settings
from serving.executor import Executor, NotConfigured
from serving.tokens import Caller

BY_SOURCE = MetricQuery(metrics=("loaded_rows", "rejected_rows"), group_by=("source",), order_by=("-loaded_rows",))
TEXT = "**47** rows of <b>visits</b> :red[!] $x$"
SESSION = "s" * 16


class Held:
    """Answers as another executor does, as soon as a test has seen the steps.

    Args:
        executor: Answers.
    """

    def __init__(self, executor: Executor) -> None:
        self.may_answer = threading.Event()
        self.asked: list[AgentRequest] = []
        self._executor = executor

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        return await self._executor.execute(request, caller)

    async def stream(self, request: AgentRequest, caller: Caller) -> AsyncIterator[AgentEvent]:
        self.asked.append(request)
        async for event in self._executor.stream(request, caller):
            if event.answer:
                await run_sync(self.may_answer.wait, 30)
            yield event


@dataclass
class Script:
    """Answers prompts in place of a model."""

    settings: Settings
    may_answer: threading.Event = field(default_factory=threading.Event)
    asked: list[AgentRequest] = field(default_factory=list)

    async def execute(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        return await NotConfigured().execute(request, caller)

    async def stream(self, request: AgentRequest, caller: Caller) -> AsyncIterator[AgentEvent]:
        self.asked.append(request)
        yield AgentEvent(kind="step", text="looks for *metrics*")
        await run_sync(self.may_answer.wait, 20)
        yield AgentEvent(kind="answer", answer=await self._answer(request, caller))

    async def _answer(self, request: AgentRequest, caller: Caller) -> AgentAnswer:
        answered = AgentAnswer(status="answered", role=request.role, session=SESSION, output=AgentOutput(text=TEXT))
        if request.prompt == "rows":
            choices = ("Rows by *source*", "Rows of visits " * 400)
            output = AgentOutput(text="Of all sources or of one?", choices=choices)
            return answered.model_copy(update={"status": "question", "output": output})
        if request.prompt == "salaries":
            refusal = AgentOutput(text="Salaries are personal data.")
            return answered.model_copy(update={"status": "refused", "output": refusal})
        if request.prompt == "stop":
            raise TerminalError("the model refused; ask another")
        if request.prompt == "no model":
            return await self.execute(request, caller)
        with open_metrics(self.settings) as metrics:
            result = metrics.query(BY_SOURCE)
        usage = AgentUsage(model="a:b", requests=2, tool_calls=1, input_tokens=1234, output_tokens=5)
        check = AgentCheck(name="numbers", passed=False, detail="46 is in no result")
        output = AgentOutput(text=TEXT, results=(result,))
        return answered.model_copy(update={"output": output, "usage": usage, "checks": (check,)})

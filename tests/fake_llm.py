"""A model server on loopback: speaks the protocols of Anthropic's messages and of OpenAI's chat from a script.

Each request takes the next entry of the script: what the model calls, or a status with which the server fails. It keeps
every request, so that a test sees what a model would have got.
"""

import json
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

INPUT_TOKENS, OUTPUT_TOKENS = 100, 10


@dataclass(frozen=True)
class Call:
    """The model calls a tool; the last call of a run is one of its outputs."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Fail:
    """The server fails with a status, or does not answer for some seconds."""

    status: int = 500
    seconds: float = 0


class FakeModel:
    """The server for the length of a block.

    Args:
        script: What the model does, one entry per request; the last one again and again.
    """

    def __init__(self, script: Sequence[Call | Fail]) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        model = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                entry = model.script[min(len(model.requests), len(model.script) - 1)]
                model.requests.append(body)
                model.headers.append({name.lower(): value for name, value in self.headers.items()})
                if isinstance(entry, Fail):
                    time.sleep(entry.seconds)
                    self._answer(entry.status, {"error": {"type": "failed", "message": "Grandma gave 20"}})
                elif self.path.endswith("/messages"):
                    self._answer(200, _anthropic(entry, body))
                else:
                    self._answer(200, _openai(entry, body))

            def _answer(self, status: int, content: dict[str, Any]) -> None:
                text = json.dumps(content).encode()
                with suppress(ConnectionError):
                    self._send(status, text)

            def _send(self, status: int, text: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                # the libraries would wait before they ask again
                self.send_header("x-should-retry", "false")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: object) -> None:
                """Nothing is logged."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def url(self, provider: str) -> str:
        """Its URL, as a provider's library takes it."""
        root = f"http://127.0.0.1:{self._server.server_port}"
        return root if provider == "anthropic" else f"{root}/v1"

    @property
    def received(self) -> str:
        """Everything that the model got, as JSON."""
        return json.dumps(self.requests)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _anthropic(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    block = {"type": "tool_use", "id": f"call{len(body['messages'])}", "name": call.tool, "input": call.arguments}
    return {
        "id": "message", "type": "message", "role": "assistant", "model": body["model"], "content": [block],
        "stop_reason": "tool_use", "stop_sequence": None,
        "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
    }  # fmt: skip


def _openai(call: Call, body: dict[str, Any]) -> dict[str, Any]:
    function = {"name": call.tool, "arguments": json.dumps(call.arguments)}
    calls = [{"id": f"call{len(body['messages'])}", "type": "function", "function": function}]
    message = {"role": "assistant", "content": None, "tool_calls": calls}
    usage = {"prompt_tokens": INPUT_TOKENS, "completion_tokens": OUTPUT_TOKENS}
    return {
        "id": "completion", "object": "chat.completion", "created": 0, "model": body["model"],
        "choices": [{"index": 0, "finish_reason": "tool_calls", "message": message}],
        "usage": usage | {"total_tokens": INPUT_TOKENS + OUTPUT_TOKENS},
    }  # fmt: skip

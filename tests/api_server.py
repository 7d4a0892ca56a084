"""The HTTP API on loopback in a thread of the test, which can look at what its executor gets."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import uvicorn

from data_stack.errors import NotFoundError
from data_stack.ops import Ops
from data_stack.settings import Settings
from serving.api import make_app
from serving.executor import Executor
from serving.tokens import keep_pages_token


@contextmanager
def serve_api(settings: Settings, executor: Executor | None = None) -> Iterator[int]:
    """Serve the API of a data folder, with the token that pages find there.

    Args:
        settings: The data folder.
        executor: Answers prompts; None: as where no model is set.

    Yields:
        The port on loopback.
    """
    keep_pages_token(Ops(settings), settings.pages_token_file)
    app = make_app(settings.model_copy(update={"api_rate_limit": "10000/minute"}), _read_lineage, executor)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive() and time.monotonic() < deadline
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


def _read_lineage(name: str) -> Mapping[str, Any]:
    raise NotFoundError(f"the lineage has no node {name!r}")

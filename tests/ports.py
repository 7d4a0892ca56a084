"""Ports of loopback for the servers that tests start."""

import random
import socket
from contextlib import suppress

# Linux gives ports from 32768 on to whoever asks for any: a server that starts in between could get ours
_FIRST, _LAST = 20_000, 32_000


def find_free_port() -> int:
    """A port of loopback that nobody uses, and that no other program is given while ours starts.

    Raises:
        OSError: None was found.
    """
    for port in random.sample(range(_FIRST, _LAST), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise OSError(f"no port of loopback between {_FIRST} and {_LAST} is free")

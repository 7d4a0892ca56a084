"""Waits until a task in another container holds a raw file, and prints that container's host name and the file's lock.

Runs inside a container that has the data volume: it sees the flock of the other one, because both are on one host.
"""

import fcntl
import json
import sys
import time
from pathlib import Path

LOCKS = Path("/app/data/ops/locks")
deadline = time.monotonic() + 300


def find_held() -> tuple[str, str] | None:
    for path in LOCKS.glob("raw-*.lock"):
        with path.open() as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return json.loads(handle.read())["host"], path.stem
    return None


while time.monotonic() < deadline:
    if held := find_held():
        print(*held)
        sys.exit()
    time.sleep(0.05)
sys.exit("no task held a raw file")

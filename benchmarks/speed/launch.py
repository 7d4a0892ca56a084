"""Runs one command and writes what its tree of processes used, as JSON: `launch.py ANSWER COMMAND...`.

A process of its own with the standard library only: on Linux the peak memory of a new process begins with that of the
process that started it, which would otherwise be one with DuckDB. What is written is counted by the kernel for every
process that has ended, and whose parents waited for it.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path


def main() -> None:
    """Run the command, and exit with its code."""
    answer, *command = sys.argv[1:]
    before, began = read_bytes_written(), time.perf_counter()
    child = os.spawnvp(os.P_NOWAIT, command[0], command)
    _, status, used = os.wait4(child, 0)
    seconds = time.perf_counter() - began
    after = read_bytes_written()
    Path(answer).write_text(json.dumps(_describe(used, seconds, after - before)))
    sys.exit(os.waitstatus_to_exitcode(status))


def read_bytes_written() -> int:
    """Bytes that this process and those it waited for gave to `write` and its relatives, whatever the file system."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))


def _describe(used: resource.struct_rusage, seconds: float, written: int) -> dict[str, float]:
    return {
        "wall_seconds": seconds,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_bytes": used.ru_maxrss * 1024,
        "written_bytes": written,
    }


if __name__ == "__main__":
    main()

"""A PostgreSQL server of its own on loopback, in a temporary folder, with the programs of this machine."""

import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import psycopg

PASSWORD = "se@cret/1 %"
"""With characters that have a meaning in a URL."""
USER = "records"
# a language in which `a` comes before `B`, unlike in SQLite
_SORTING = ("--locale-provider=icu", "--icu-locale=en-US")
_OPTIONS = "-c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=50"


@dataclass(frozen=True)
class PostgresServer:
    """A server that is running.

    Attributes:
        port: On loopback.
    """

    port: int

    def url(self, schema: str = "public", password: str = PASSWORD) -> str:
        """The value of OPS_URL for one of its schemas."""
        login = f"{USER}:{quote(password, safe='')}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/postgres?options=-csearch_path%3D{schema}"

    def execute(self, statement: str) -> list[tuple]:
        """Run a statement in a session of its own."""
        with psycopg.connect(self.url(), autocommit=True) as db:
            cursor = db.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def find_programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`; None where PostgreSQL is not installed."""
    # Debian has them in a folder per version, which is not in PATH
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True), shutil.which("initdb")]
    return next((Path(path).resolve().parent for path in found if path), None)


@contextmanager
def run_postgres(programs: Path) -> Iterator[PostgresServer]:
    """A server while the block runs.

    Args:
        programs: Their folder.
    """
    with TemporaryDirectory(prefix="postgres-") as name, socket.socket() as reserved:
        folder, prefix = Path(name), []
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        reserved.close()
        (folder / "password").write_text(PASSWORD)
        if os.getuid() == 0:
            # PostgreSQL refuses to run as root
            user = pwd.getpwnam("postgres")
            for path in (folder, folder / "password"):
                os.chown(path, user.pw_uid, user.pw_gid)
            prefix = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]

        def call(program: str, *arguments: str) -> None:
            command = [*prefix, str(programs / program), "-D", f"{folder}/data", *arguments]
            done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            assert done.returncode == 0, done.stdout

        login = (f"--username={USER}", f"--pwfile={folder}/password", "--auth=scram-sha-256")
        call("initdb", *login, "--no-sync", "--encoding=UTF8", *_SORTING)
        call("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"{_OPTIONS} -p {port} -k {folder}", "start")
        try:
            yield PostgresServer(port)
        finally:
            call("pg_ctl", "-m", "immediate", "stop")

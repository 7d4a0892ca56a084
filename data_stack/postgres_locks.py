"""Locks that several machines respect: advisory locks of the PostgreSQL database of `OPS_URL`.

A lock belongs to a session, so it is released when its holder dies. What the session last executed begins with a
comment that says who holds it, which other sessions of the same role read in `pg_stat_activity`; no row is left behind.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psycopg

from data_stack.errors import LockLostError
from data_stack.locks import LockKeeper
from data_stack.postgres import Connection, connect, describe_database, explain_lost_connection
from data_stack.record_store import Row

_MARK = "-- "
# locks are by database: the schema keeps apart platforms that share one
_KEY = "hashtextextended(current_schema() || '/lock ' || %s, 0)"
_HOLDER = f"""
select activity.query
from pg_locks as locks
inner join pg_stat_activity as activity on locks.pid = activity.pid
where
    locks.locktype = 'advisory'
    and locks.granted
    and locks.objsubid = 1
    and locks.database = (select oid from pg_database where datname = current_database())
    and (locks.classid::bigint << 32) | locks.objid::bigint = {_KEY}
order by activity.backend_start, activity.pid
limit 1
"""


class _AdvisoryKeeper:
    def __init__(self, url: str, signature: str) -> None:
        self._url = url
        self._signature = signature
        self._db: Connection | None = None
        self._resources: list[str] = []

    def try_lock(self, resource: str, shared: bool) -> bool:
        function = "pg_try_advisory_lock_shared" if shared else "pg_try_advisory_lock"
        (row,) = self._execute(f"select {function}({_KEY}) as is_mine", resource)
        if row["is_mine"]:
            self._resources.append(resource)
        return bool(row["is_mine"])

    def read_signature(self, resource: str) -> str:
        rows = self._execute(_HOLDER, resource)
        # empty if it has just ended, or belongs to another role
        return f"{rows[0]['query']}".partition("\n")[0].removeprefix(_MARK) if rows else ""

    def _execute(self, sql: str, resource: str) -> list[Row]:
        with explain_lost_connection(self._url):
            if self._db is None:
                self._db = connect(self._url)
            # JSON has no line break, so nothing of it is executed
            comment = self._signature.replace("%", "%%")
            return self._db.execute(f"{_MARK}{comment}\n{sql}".encode(), [resource]).fetchall()

    def release(self) -> None:
        """Release all locks before the connection closes: the server notices that only a moment later."""
        if self._db is None:
            return
        try:
            self._db.execute("select pg_advisory_unlock_all()")
        except psycopg.OperationalError:
            raise LockLostError(
                f"the connection to the {describe_database(self._url)} was lost while this process held "
                f"{', '.join(self._resources)}, so another one may have changed it meanwhile; run again"
            ) from None
        finally:
            self._db.close()


@contextmanager
def keep_advisory_locks(url: str, signature: str) -> Iterator[LockKeeper]:
    """Hold the locks that the block takes, in one session.

    Args:
        url: `OPS_URL`.
        signature: Who holds them, as JSON.

    Raises:
        LockLostError: The session ended before the block.
    """
    keeper = _AdvisoryKeeper(url, signature)
    try:
        yield keeper
    except BaseException:
        # why the block failed says more
        with suppress(LockLostError):
            keeper.release()
        raise
    keeper.release()

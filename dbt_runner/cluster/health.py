"""Whether a role of Spark in containers does its work: asked in its own protocol, not only for an open port.

A check is a process of its own every few seconds, so it imports little.
"""

import json
from collections.abc import Callable
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

from data_stack.errors import TransientError, UsageError
from dbt_runner.cluster.commands import ROLES
from dbt_runner.cluster.layout import METASTORE_PORT, Layout

_SECONDS = 8


def check_role(layout: Layout, role: str) -> str:
    """Ask a role for an answer; returns what it said.

    Args:
        layout: Where the roles are.
        role: The role of this container.

    Raises:
        UsageError: There is no such role.
        DataStackError: It does not answer, or with an error.
    """
    if role not in _CHECKS:
        raise UsageError(f"Spark has no role {role!r}; the roles are {', '.join(ROLES)}")
    return _CHECKS[role](layout)


def _check_metastore(layout: Layout) -> str:
    from thrift.protocol.TBinaryProtocol import TBinaryProtocol
    from thrift.Thrift import TException, TMessageType
    from thrift.transport.TSocket import TSocket
    from thrift.transport.TTransport import TBufferedTransport

    address = TSocket(layout.network.own, METASTORE_PORT)
    address.setTimeout(_SECONDS * 1000)
    transport = TBufferedTransport(address)
    protocol = TBinaryProtocol(transport)
    try:
        transport.open()
        # a call that reads its database; the arguments are a structure without fields
        protocol.writeMessageBegin("get_all_databases", TMessageType.CALL, 0)
        protocol.writeFieldStop()
        protocol.writeMessageEnd()
        transport.flush()
        _, kind, _ = protocol.readMessageBegin()
        # the first field of the answer is 0 for its value, and 1 for an error
        is_answered = kind == TMessageType.REPLY and protocol.readFieldBegin()[2] == 0
    except (TException, OSError, EOFError) as error:
        raise TransientError(f"Spark: the metastore does not answer on port {METASTORE_PORT} ({error})") from None
    finally:
        transport.close()
    if not is_answered:
        raise TransientError("Spark: the metastore cannot read its database; its log says why")
    return "the metastore reads its database"


def _check_master(layout: Layout) -> str:
    status = _describe_cluster(layout)["status"]
    if status != "ALIVE":
        raise TransientError(f"Spark: the master is {status}")
    return "the master is ALIVE"


def _check_worker(layout: Layout) -> str:
    own = layout.network.own
    states = [worker["state"] for worker in _describe_cluster(layout)["workers"] if worker["host"] == own]
    if "ALIVE" not in states:
        raise TransientError(f"Spark: the master knows no worker at {own}")
    return f"the master knows the worker at {own}"


def _check_thrift(layout: Layout) -> str:
    from dbt_runner.spark import connect_spark

    settings = layout.settings.model_copy(update={"spark_host": layout.network.own})
    with connect_spark(settings) as spark:
        # the names are in the metastore
        spark.execute("show schemas")
        return f"the Thrift server knows {len(spark.fetchall())} schemas"


def _describe_cluster(layout: Layout) -> Any:
    host, port = layout.network.master, layout.network.master_web_port
    try:
        with closing(HTTPConnection(host, port, timeout=_SECONDS)) as connection:
            connection.request("GET", "/json/")
            return json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError) as error:
        raise TransientError(
            f"Spark: the master does not answer at {host}:{port} ({type(error).__name__}); its log says why"
        ) from None


_CHECKS: dict[str, Callable[[Layout], str]] = {
    "metastore": _check_metastore,
    "master": _check_master,
    "worker": _check_worker,
    "thrift": _check_thrift,
}

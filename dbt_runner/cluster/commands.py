"""The command of each role of our own Spark, as a process of this machine or as that of a container."""

from collections.abc import Callable

from data_stack.errors import UsageError
from dbt_runner.cluster.layout import METASTORE_PORT, Layout

_THRIFT_SERVER = "org.apache.spark.sql.hive.thriftserver.HiveThriftServer2"
_METASTORE = "org.apache.hadoop.hive.metastore.HiveMetaStore"


def make_command(layout: Layout, role: str) -> list[str]:
    """The program of a role and its arguments.

    Args:
        layout: Ports, memory and addresses.
        role: One of `ROLES`.

    Raises:
        UsageError: There is no such role.
    """
    if role not in _COMMANDS:
        raise UsageError(f"Spark has no role {role!r}; the roles are {', '.join(ROLES)}")
    return _COMMANDS[role](layout)


def _metastore(layout: Layout) -> list[str]:
    return [*_program(layout), _METASTORE, "-p", str(METASTORE_PORT)]


def _master(layout: Layout) -> list[str]:
    addresses = ["--host", layout.network.master, "--port", str(layout.settings.spark_master_port)]
    web = ["--webui-port", str(layout.network.master_web_port)]
    return [*_program(layout), "org.apache.spark.deploy.master.Master", *addresses, *web]


def _worker(layout: Layout) -> list[str]:
    addresses = ["--host", layout.network.own, "--webui-port", "0"]
    size = ["--cores", "1", "--memory", layout.settings.spark_memory]
    return [*_program(layout), "org.apache.spark.deploy.worker.Worker", *addresses, *size, layout.master_url]


def _thrift(layout: Layout) -> list[str]:
    server = {"port": str(layout.settings.spark_port), "bind.host": layout.network.listens_on}
    properties = [f"spark.hadoop.hive.server2.thrift.{name}={value}" for name, value in server.items()]
    options = [word for given in properties for word in ("--conf", given)]
    program = [str(layout.spark_home / "bin" / "spark-submit"), "--class", _THRIFT_SERVER, "--name", "data-stack"]
    return [*program, *options, "spark-internal"]


def _program(layout: Layout) -> list[str]:
    return [str(layout.spark_home / "bin" / "spark-class")]


_COMMANDS: dict[str, Callable[[Layout], list[str]]] = {
    "metastore": _metastore,
    "master": _master,
    "worker": _worker,
    "thrift": _thrift,
}
ROLES = tuple(_COMMANDS)

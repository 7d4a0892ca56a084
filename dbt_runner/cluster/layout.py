"""Where the processes of our own Spark keep their files, how they find each other, and what configures them.

The same configuration is for processes of this machine and for containers.
"""

import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from data_stack.errors import UsageError
from data_stack.settings import Settings

# every process of a cluster has it in its command, so a process identifier that was given to another one is found out
MARK = "-Ddata.stack.spark="
# for processes that compute little
_QUICK_START = "-XX:+UseSerialGC -XX:TieredStopAtLevel=1"
# Hive's own port; only containers have a metastore on a port
METASTORE_PORT = 9083
# the Thrift server runs for weeks, and its executors write all that time
_BOUNDED_LOGS = {
    "spark.executor.logs.rolling.strategy": "size",
    "spark.executor.logs.rolling.maxSize": str(10 * 2**20),
    "spark.executor.logs.rolling.maxRetainedFiles": "3",
}
_FEW_ROWS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "10m",
}


@dataclass(frozen=True)
class Network:
    """Where the processes of a cluster find each other; by default all of them are on loopback.

    Attributes:
        own: Address of this process.
        master: Host of the master.
        thrift: Host of the Thrift server, where executors find their driver.
        listens_on: Address on which the Thrift server listens.
        metastore: Host of the metastore; None if the Thrift server has it in it.
        master_web_port: Port on which the master describes the cluster; 0 for any.
    """

    own: str = "127.0.0.1"
    master: str = "127.0.0.1"
    thrift: str = "127.0.0.1"
    listens_on: str = "127.0.0.1"
    metastore: str | None = None
    master_web_port: int = 0


@dataclass(frozen=True)
class Layout:
    """Our own Spark of one data folder, as one of its processes needs it.

    Attributes:
        settings: Ports, memory and the data folder, which has the metastore and the tables.
        java: The program `java`.
        spark_home: Folder of the package pyspark.
        folder: Folder of everything else that the processes write.
        network: Where they find each other.
        is_for_few_rows: Whether nothing is compiled for speed, which costs more than it saves on a few rows.
    """

    settings: Settings
    java: Path
    spark_home: Path
    folder: Path
    network: Network = Network()
    is_for_few_rows: bool = False

    @property
    def metastore_dir(self) -> Path:
        """Folder of the metastore's database."""
        return self.settings.spark_dir / "metastore"

    @property
    def conf_dir(self) -> Path:
        """Folder of the configuration, which is written at each start."""
        return self.folder / "conf"

    def log_file(self, name: str) -> Path:
        """The log of a process."""
        return self.folder / "logs" / f"{name}.log"

    @property
    def pids_dir(self) -> Path:
        """Folder of the process identifiers, one file per process."""
        return self.folder / "pids"

    @property
    def mark(self) -> str:
        """What every process of this cluster has in its command."""
        return f"{MARK}{self.folder}"

    @property
    def master_url(self) -> str:
        """Where workers and the Thrift server find the master."""
        return f"spark://{self.network.master}:{self.settings.spark_master_port}"

    def environment(self, role: str) -> dict[str, str]:
        """Environment of a process: nothing of another Spark on this machine has an effect.

        Args:
            role: Which process. The master and the workers compute nothing, so they need little memory, and
                code that is compiled quickly.
        """
        quick = {
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": f"{self.mark} {_QUICK_START} -Dspark.master.rest.enabled=false",
        }
        # what Spark starts a class with that it does not know
        other = {"SPARK_DRIVER_MEMORY": "512m"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
        return {
            **kept,
            "JAVA_HOME": str(self.java.resolve().parent.parent),
            "SPARK_HOME": str(self.spark_home),
            "SPARK_CONF_DIR": str(self.conf_dir),
            "SPARK_LOCAL_IP": self.network.own,
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
            "SPARK_WORKER_DIR": str(self.folder / "work"),
            **{"master": quick, "worker": quick, "metastore": other}.get(role, {}),
        }

    def write_configuration(self) -> None:
        """Write what the processes read at their start, and make their folders."""
        for name in ("conf", "logs", "pids", "local", "work"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        lines = [f"{name} {value}" for name, value in self._spark_properties().items()]
        (self.conf_dir / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
        properties = "".join(
            f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
            for name, value in self._metastore_properties().items()
        )
        (self.conf_dir / "hive-site.xml").write_text(f"<configuration>{properties}</configuration>\n")

    def prepare_tables(self) -> None:
        """Make the folders of the metastore and of the tables, before the process starts that has the metastore."""
        self.metastore_dir.mkdir(parents=True, exist_ok=True)
        if not (self.metastore_dir / "db").exists():
            # nobody knows these tables any more, and Spark makes none where files are
            shutil.rmtree(self.settings.spark_warehouse_dir, ignore_errors=True)
        self.settings.spark_warehouse_dir.mkdir(parents=True, exist_ok=True)

    def _spark_properties(self) -> dict[str, str]:
        settings, network = self.settings, self.network
        options = f"{self.mark} {_QUICK_START}" if self.is_for_few_rows else self.mark
        return {
            "spark.master": self.master_url,
            "spark.sql.warehouse.dir": settings.spark_warehouse_dir.as_uri(),
            "spark.sql.catalogImplementation": "hive",
            "spark.sql.legacy.createHiveTableByDefault": "false",
            "spark.sql.session.timeZone": "UTC",
            "spark.sql.timestampType": "TIMESTAMP_NTZ",
            "spark.sql.shuffle.partitions": str(2 * settings.spark_workers),
            "spark.driver.memory": settings.spark_memory,
            "spark.executor.memory": settings.spark_memory,
            "spark.executor.cores": "1",
            "spark.driver.bindAddress": network.listens_on,
            "spark.driver.host": network.thrift,
            "spark.ui.enabled": "false",
            "spark.driver.extraJavaOptions": f"{options} -Dderby.system.home={self.metastore_dir}",
            "spark.executor.extraJavaOptions": options,
            **_BOUNDED_LOGS,
            **(_FEW_ROWS if self.is_for_few_rows else {}),
        }

    def _metastore_properties(self) -> dict[str, str]:
        database, host = self.metastore_dir / "db", self.network.metastore
        return {
            "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={database};create=true",
            "datanucleus.schema.autoCreateAll": "true",
            "hive.metastore.schema.verification": "false",
            "hive.metastore.warehouse.dir": self.settings.spark_warehouse_dir.as_uri(),
            "hive.metastore.disallow.incompatible.col.type.changes": "false",
            "hive.async.log.enabled": "false",
            "hive.stats.autogather": "false",
            **({"hive.metastore.uris": f"thrift://{host}:{METASTORE_PORT}"} if host else {}),
        }


def find_layout(
    settings: Settings, is_for_few_rows: bool = False, folder: Path | None = None, network: Network | None = None
) -> Layout:
    """Our own Spark of a data folder.

    Args:
        settings: Its data folder, ports and memory.
        is_for_few_rows: See `Layout`.
        folder: Where the processes write; without it in the data folder.
        network: Where they find each other; without it on loopback.

    Raises:
        UsageError: Java or pyspark is missing; says how to install it.
    """
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin")) if home else shutil.which("java")
    if java is None:
        raise UsageError(
            "Spark needs Java 17 or later, and the command java is not in PATH; install it, for example with "
            "`apt-get install openjdk-17-jre-headless`, or set JAVA_HOME"
        )
    pyspark = importlib.util.find_spec("pyspark")
    if pyspark is None or pyspark.origin is None:
        raise UsageError("Spark is not installed in .venv; install it with `make setup-spark`")
    home_dir = Path(pyspark.origin).parent
    return Layout(settings, Path(java), home_dir, folder or settings.spark_dir, network or Network(), is_for_few_rows)

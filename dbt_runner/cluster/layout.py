"""Where the processes of the local Spark keep their files, and what configures them."""

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
_FEW_ROWS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.autoBroadcastJoinThreshold": "10m",
}


@dataclass(frozen=True)
class Layout:
    """The local Spark of one data folder.

    Attributes:
        settings: Ports, memory and the folder.
        java: The program `java`.
        spark_home: Folder of the package pyspark.
        is_for_few_rows: Whether nothing is compiled for speed, which costs more than it saves on a few rows.
    """

    settings: Settings
    java: Path
    spark_home: Path
    is_for_few_rows: bool = False

    @property
    def folder(self) -> Path:
        """Folder of everything that the processes write."""
        return self.settings.spark_dir

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
        return f"spark://127.0.0.1:{self.settings.spark_master_port}"

    def environment(self, is_daemon: bool) -> dict[str, str]:
        """Environment of a process: nothing of another Spark on this machine has an effect.

        Args:
            is_daemon: Whether it only serves the others: the master, a worker. It computes nothing, so
                it needs little memory, and code that is compiled quickly.
        """
        quick = {
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": f"{self.mark} {_QUICK_START} -Dspark.master.rest.enabled=false",
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("SPARK_", "PYSPARK_"))}
        return {
            **kept,
            "JAVA_HOME": str(self.java.resolve().parent.parent),
            "SPARK_HOME": str(self.spark_home),
            "SPARK_CONF_DIR": str(self.conf_dir),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self.folder / "local"),
            "SPARK_WORKER_DIR": str(self.folder / "work"),
            **(quick if is_daemon else {}),
        }

    def write_configuration(self) -> None:
        """Write what the processes read at their start, and make their folders."""
        for name in ("conf", "logs", "pids", "local", "work", "metastore"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if not (self.folder / "metastore" / "db").exists():
            # nobody knows these tables any more, and Spark makes none where files are
            shutil.rmtree(self.settings.spark_warehouse_dir, ignore_errors=True)
        self.settings.spark_warehouse_dir.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} {value}" for name, value in self._spark_properties().items()]
        (self.conf_dir / "spark-defaults.conf").write_text("\n".join(lines) + "\n")
        properties = "".join(
            f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>"
            for name, value in self._metastore_properties().items()
        )
        (self.conf_dir / "hive-site.xml").write_text(f"<configuration>{properties}</configuration>\n")

    def _spark_properties(self) -> dict[str, str]:
        settings = self.settings
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
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
            "spark.driver.extraJavaOptions": f"{options} -Dderby.system.home={self.folder / 'metastore'}",
            "spark.executor.extraJavaOptions": options,
            **(_FEW_ROWS if self.is_for_few_rows else {}),
        }

    def _metastore_properties(self) -> dict[str, str]:
        database = self.folder / "metastore" / "db"
        return {
            "javax.jdo.option.ConnectionURL": f"jdbc:derby:;databaseName={database};create=true",
            "datanucleus.schema.autoCreateAll": "true",
            "hive.metastore.schema.verification": "false",
            "hive.metastore.warehouse.dir": self.settings.spark_warehouse_dir.as_uri(),
            "hive.metastore.disallow.incompatible.col.type.changes": "false",
            "hive.async.log.enabled": "false",
            "hive.stats.autogather": "false",
        }


def find_layout(settings: Settings, is_for_few_rows: bool = False) -> Layout:
    """The local Spark of a data folder.

    Args:
        settings: Its data folder, ports and memory.
        is_for_few_rows: See `Layout`.

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
    return Layout(settings, Path(java), Path(pyspark.origin).parent, is_for_few_rows)

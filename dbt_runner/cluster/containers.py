"""Spark in containers, one role per container: what `docker-compose.yml` starts in its profile spark.

The names of the hosts are those of its services. Every container writes its own configuration and its own
temporary files; the metastore and the tables are in the data folder, which all of them share.
"""

import os
import socket
from pathlib import Path
from typing import NoReturn

from data_stack.settings import Settings
from dbt_runner.cluster.commands import make_command
from dbt_runner.cluster.layout import Layout, Network, find_layout

# the Dockerfile makes it
FOLDER = Path("/var/lib/spark")


def find_container_layout(settings: Settings) -> Layout:
    """Our own Spark as this container sees it.

    Args:
        settings: The data folder, ports and memory.

    Raises:
        UsageError: Java or pyspark is missing.
    """
    network = make_network(own=socket.gethostbyname(socket.gethostname()))
    return find_layout(settings, folder=FOLDER, network=network)


def make_network(own: str) -> Network:
    """The hosts of the roles, which are the services of `docker-compose.yml`.

    Args:
        own: Address of this container.
    """
    return Network(
        own=own,
        master="spark-master",
        thrift="spark-thrift",
        # only the network of the containers reaches it; compose publishes the port on loopback
        listens_on="0.0.0.0",  # noqa: S104
        metastore="spark-metastore",
        master_web_port=8080,
    )


def serve(layout: Layout, role: str) -> NoReturn:
    """Become the process of a role; its log is that of the container.

    Args:
        layout: Of this container.
        role: What it runs.

    Raises:
        UsageError: There is no such role.
    """
    command = make_command(layout, role)
    layout.write_configuration()
    if role == "metastore":
        layout.prepare_tables()
    os.chdir(layout.folder)
    os.execve(command[0], command, layout.environment(role))  # noqa: S606 - our own command, without a shell

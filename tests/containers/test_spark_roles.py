"""What a container of Spark runs, how it is configured, and whether its health check tells the truth."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from ports import find_free_port

from data_stack.errors import TransientError, UsageError
from data_stack.settings import PROJECT_ROOT, Settings
from dbt_runner.cluster import health
from dbt_runner.cluster.__main__ import main
from dbt_runner.cluster.commands import ROLES, make_command
from dbt_runner.cluster.containers import make_network
from dbt_runner.cluster.health import check_role
from dbt_runner.cluster.layout import METASTORE_PORT, Layout, Network


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Of a container, with a folder of its own beside the shared data folder."""
    settings = Settings.load(data_dir=tmp_path / "data", spark_port=10001, spark_memory="3g")
    home = Path("/opt/pyspark")
    return Layout(settings, Path("/usr/bin/java"), home, tmp_path / "own", make_network("172.18.0.9"))


def read_properties(layout: Layout) -> dict[str, str]:
    """What `write_configuration` wrote for Spark."""
    layout.write_configuration()
    lines = (layout.conf_dir / "spark-defaults.conf").read_text().splitlines()
    return dict(line.split(" ", 1) for line in lines)


def test_hosts_are_the_services_of_compose() -> None:
    services = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())["services"]
    network = make_network("172.18.0.9")
    assert {network.master, network.thrift, network.metastore} <= set(services)
    assert "ports" in services[network.thrift]


def test_each_role_has_its_command(layout: Layout) -> None:
    master, worker, thrift, metastore = (
        " ".join(make_command(layout, role)) for role in ("master", "worker", "thrift", "metastore")
    )
    assert "--host spark-master --port 7077 --webui-port 8080" in master
    assert "--host 172.18.0.9" in worker
    assert worker.endswith("--cores 1 --memory 3g spark://spark-master:7077")
    assert "thrift.port=10001" in thrift and "thrift.bind.host=0.0.0.0" in thrift
    assert metastore.endswith(f"HiveMetaStore -p {METASTORE_PORT}")


def test_containers_differ_from_processes_in_addresses_and_folders_only(layout: Layout) -> None:
    processes = replace(layout, folder=layout.settings.spark_dir, network=Network())
    ours, theirs = read_properties(layout), read_properties(processes)
    assert {name for name in ours if ours[name] != theirs.get(name)} == {
        *("spark.master", "spark.driver.host", "spark.driver.bindAddress"),
        *("spark.driver.extraJavaOptions", "spark.executor.extraJavaOptions"),
    }
    assert set(theirs) == set(ours)
    assert "127.0.0.1" not in " ".join(ours.values())


def test_containers_ask_the_metastore_and_processes_have_it_in_the_thrift_server(layout: Layout) -> None:
    address = "<name>hive.metastore.uris</name><value>thrift://spark-metastore:9083</value>"
    layout.write_configuration()
    assert address in (layout.conf_dir / "hive-site.xml").read_text()
    processes = replace(layout, network=Network())
    processes.write_configuration()
    assert "hive.metastore.uris" not in (processes.conf_dir / "hive-site.xml").read_text()


def test_tables_that_no_metastore_knows_are_removed_and_others_stay(layout: Layout) -> None:
    layout.prepare_tables()
    table = layout.settings.spark_warehouse_dir / "core.db" / "table"
    table.mkdir(parents=True)
    (layout.metastore_dir / "db").mkdir()
    layout.prepare_tables()
    assert table.exists()
    (layout.metastore_dir / "db").rmdir()
    layout.prepare_tables()
    assert list(layout.settings.spark_warehouse_dir.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["start"], ["serve"], ["up", "now"]])
def test_other_arguments_are_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "takes up or down; in a container, serve or check and a role" in capsys.readouterr().err


def test_unknown_role_is_refused(layout: Layout) -> None:
    roles = "metastore, master, worker, thrift"
    assert ", ".join(ROLES) == roles
    for refuse in (make_command, check_role):
        with pytest.raises(UsageError, match=f"no role 'driver'; the roles are {roles}"):
            refuse(layout, "driver")


@contextmanager
def serve_json(answer: dict[str, Any]) -> Iterator[int]:
    """A master that describes its cluster; yields its port on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/json/" else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing is written to the output of the tests."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server.server_port
        server.shutdown()


def at_port(layout: Layout, port: int) -> Layout:
    """The same container, with a master on loopback."""
    return replace(layout, network=replace(layout.network, master="127.0.0.1", master_web_port=port))


def test_worker_is_healthy_once_the_master_knows_it(layout: Layout) -> None:
    own, other = {"host": "172.18.0.9", "state": "ALIVE"}, {"host": "172.18.0.8", "state": "ALIVE"}
    with serve_json({"status": "ALIVE", "workers": [other, {**own, "state": "DEAD"}, own]}) as port:
        assert check_role(at_port(layout, port), "worker") == "the master knows the worker at 172.18.0.9"
        assert check_role(at_port(layout, port), "master") == "the master is ALIVE"
    with serve_json({"status": "RECOVERING", "workers": [other, {**own, "state": "DEAD"}]}) as port:
        with pytest.raises(TransientError, match=r"the master knows no worker at 172\.18\.0\.9"):
            check_role(at_port(layout, port), "worker")
        with pytest.raises(TransientError, match="the master is RECOVERING"):
            check_role(at_port(layout, port), "master")


@pytest.mark.parametrize("role", ["master", "worker"])
def test_master_that_does_not_answer_is_named(role: str, layout: Layout) -> None:
    port = find_free_port()
    with pytest.raises(TransientError, match=rf"the master does not answer at 127\.0\.0\.1:{port} "):
        check_role(at_port(layout, port), role)


@contextmanager
def serve_bytes(answer: Callable[[bytes], bytes]) -> Iterator[int]:
    """A server that answers one request on loopback; yields its port."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(answer(connection.recv(1000)))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(5)


def reply(field: int, kind: int = 2) -> Callable[[bytes], bytes]:
    """The begin of a reply of the metastore, whose first field has this number."""
    name = b"get_all_databases"
    message = (0x80010000 | kind).to_bytes(4, "big") + len(name).to_bytes(4, "big") + name + bytes(4)

    def answer(request: bytes) -> bytes:
        assert name in request
        return message + b"\x0f" + field.to_bytes(2, "big")

    return answer


@pytest.mark.slow  # needs the client of Spark
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(0), ""),
        (reply(1), "cannot read its database"),
        (reply(1, kind=3), "cannot read its database"),
        (lambda _: b"HTTP/1.0 400 Bad Request\r\n\r\n", "the metastore does not answer"),
        (lambda _: b"", "the metastore does not answer"),
    ],
)
def test_metastore_is_healthy_if_it_reads_its_database(
    answer: Callable[[bytes], bytes], error: str, layout: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = replace(layout, network=replace(layout.network, own="127.0.0.1"))
    with serve_bytes(answer) as port:
        monkeypatch.setattr(health, "METASTORE_PORT", port)
        if error:
            with pytest.raises(TransientError, match=error):
                check_role(here, "metastore")
        else:
            assert check_role(here, "metastore") == "the metastore reads its database"

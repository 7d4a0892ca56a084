"""A server of the S3 protocol on loopback, for lakes in a bucket."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import requests

BUCKET = "lake"
HIDDEN = "never-in-an-error"


@contextmanager
def serve_bucket() -> Iterator[dict[str, str]]:
    """Serve an empty bucket while the block runs; yields the variables of a lake in it."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    try:
        requests.put(f"{url}/{BUCKET}", timeout=10).raise_for_status()
        yield {
            "LAKE_URL": f"s3://{BUCKET}/tests",
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "key-of-a-test",
            "AWS_SECRET_ACCESS_KEY": HIDDEN,
        }
    finally:
        server.stop()

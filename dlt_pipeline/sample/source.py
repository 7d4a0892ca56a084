"""What every source brings to the sample: its files, and the answers of its provider.

`provider.py` serves a source below the URL prefix of its name, `spec.py` writes its files into the folder of its name.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from dlt_pipeline.reader import find_class
from dlt_pipeline.sample.spec import SampleSpec

JSON_TYPE = "application/json; charset=utf-8"


@dataclass(frozen=True)
class Response:
    """An HTTP answer; if the body is a path, the file is streamed."""

    status: int
    body: bytes | Path
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes of the complete body."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.stat().st_size


def make_json_response(status: int, body: Mapping[str, Any]) -> Response:
    """An HTTP answer with a JSON object.

    Args:
        status: HTTP status.
        body: The object; it contains no NaN.
    """
    return Response(status, json.dumps(body, ensure_ascii=False, allow_nan=False).encode(), JSON_TYPE)


class SampleSource(ABC):
    """A source of the sample: the class writes its files, an object of it is served.

    Attributes:
        name: The source's name in the registry: its folder of the sample, and the prefix of its URLs.
        url_variable: The environment variable with the URL that the source asks; empty: it asks none.
    """

    name: ClassVar[str]
    url_variable: ClassVar[str] = ""

    @classmethod
    @abstractmethod
    def write_files(cls, folder: Path, spec: SampleSpec) -> None:
        """Write the files that the provider offers; nothing if it computes its answers.

        The same spec gives the same bytes and, except for hidden files, the same modification times.

        Args:
            folder: The source's own folder of the sample, which does not exist yet.
            spec: The sample.
        """

    @classmethod
    @abstractmethod
    def of_sample(cls, folder: Path, spec: SampleSpec) -> Self:
        """The source as a generated sample has it.

        Args:
            folder: What `write_files` wrote, if it wrote anything.
            spec: The sample.
        """

    @classmethod
    @abstractmethod
    def of_stored(cls, path: Path) -> Self:
        """The source with stored files of its real provider; nothing generated is added.

        Args:
            path: A file or folder; which, each source says.

        Raises:
            TerminalError: The path has nothing that the source can serve.
        """

    def answer(self, path: str, query: Mapping[str, str]) -> Response | None:
        """The answer to a request below the source's prefix; None: there is nothing at this path.

        Args:
            path: What follows the prefix, decoded; empty, or with a slash at the beginning.
            query: Decoded; values of the same name are joined by commas.
        """
        return None

    def list_variables(self) -> dict[str, str]:
        """List the environment variables, besides `url_variable`, with which the source reads what is served."""
        return {}


def find_sample(source_name: str) -> type[SampleSource]:
    """The sample class of a source: the one that `dlt_pipeline.sample.<source_name>` defines.

    Args:
        source_name: A name in the registry.

    Raises:
        TerminalError: The module is missing, or does not define exactly one such class of that name.
    """
    found: type[SampleSource] = find_class(f"dlt_pipeline.sample.{source_name}", SampleSource, source_name)
    return found

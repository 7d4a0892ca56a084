"""`make env`: generates the secrets of the containers, once.

Standard library only, because it runs before anything is installed.
"""

import base64
import re
import secrets
import sys
from collections.abc import Callable
from pathlib import Path

ENV_FILE = Path(__file__).resolve().parent.parent / ".env"


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


SECRETS: dict[str, Callable[[], str]] = {
    "POSTGRES_PASSWORD": lambda: secrets.token_urlsafe(24),
    "AIRFLOW_ADMIN_PASSWORD": lambda: secrets.token_urlsafe(12),
    "AIRFLOW_API_SECRET_KEY": lambda: secrets.token_urlsafe(48),
    "AIRFLOW_FERNET_KEY": _fernet_key,
    "AIRFLOW_JWT_SECRET": lambda: secrets.token_urlsafe(48),
    # part of a URL
    "REDIS_PASSWORD": lambda: secrets.token_urlsafe(24),
    "FLOWER_PASSWORD": lambda: secrets.token_urlsafe(12),
}
"""The secrets that docker-compose.yml requires, and how each is generated."""


def add_secrets(path: Path) -> list[str]:
    """Add the missing secrets to a file that only its owner may read.

    Args:
        path: The file of variables; created if there is none. What it sets stays as it is.

    Returns:
        Names of what was added.
    """
    path.touch(mode=0o600)
    path.chmod(0o600)
    text = path.read_text(encoding="utf-8")
    missing = [name for name in SECRETS if not _is_set(name, text)]
    lines = [f"{name}={SECRETS[name]()}\n" for name in missing]
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(["\n" if text and not text.endswith("\n") else "", *lines]))
    return missing


def _is_set(name: str, text: str) -> bool:
    return re.search(rf"""^[ \t]*(?:export[ \t]+)?{name}[ \t]*=[ \t]*["']?[^\s"'#]""", text, re.MULTILINE) is not None


def main() -> None:
    """Entry point; prints names, never values."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else ENV_FILE
    added = add_secrets(path)
    words = f"made {', '.join(added)}" if added else "every secret is there already"
    sys.stdout.write(f"{path.name}: {words}\n")


if __name__ == "__main__":
    main()

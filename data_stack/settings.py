"""Settings of the platform, from the environment or `.env`, and every path that is derived from them."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from data_stack.errors import UsageError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
SQLITE = "sqlite"
"""Value of OPS_URL for run records in the data folder, also where `.env` names a database."""


def _check_base_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value.rstrip("/")


BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
"""A URL that paths are appended to."""

_BUCKET_URL = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[\w.=+-]+)*/?")


class BaseStackSettings(BaseSettings):
    """The base of every settings class: the environment first, then `.env`; an empty value counts as unset."""

    model_config = SettingsConfigDict(
        env_file=PROJECT_ROOT / ".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore"
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the settings.

        Args:
            overrides: Values that are used instead of the environment, by field name.

        Raises:
            UsageError: A value cannot be used; names the variable and what is wrong.
        """
        try:
            return cls(**overrides)
        except ValidationError as error:
            first = error.errors()[0]
            name = cls._variable(str(first["loc"][0])) if first["loc"] else cls.__name__
            raise UsageError(f"setting {name}: {first['msg']}; correct it in the environment or in .env") from None

    @classmethod
    def _variable(cls, field: str) -> str:
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def variables(cls) -> list[str]:
        """Names of the environment variables that this class reads."""
        return [cls._variable(name) for name in cls.model_fields]


class Settings(BaseStackSettings):
    """Settings of the platform itself; each source has its own class beside its code."""

    data_dir: Path = Field(
        Path("data"),
        description="Folder of everything the platform writes; a relative path starts at the project's folder",
    )
    ops_url: SecretStr | None = Field(
        None,
        description="PostgreSQL database of run records and locks, for several machines: "
        "postgresql://USER@HOST/DATABASE, with :PASSWORD after the user; unset, or sqlite: a file of the data folder",
    )
    snapshots_keep: int = Field(5, ge=1, description="Publications kept for `data-stack rollback`")
    stale_after_days: int = Field(
        45, ge=1, description="Days without a new load after which the pages call a source stale"
    )
    reject_share_max: float = Field(
        0.01, ge=0, le=1, description="Share of rejected rows in a batch (a file, an answer) above which a load fails"
    )
    reject_count_min: int = Field(
        10, ge=1, description="Rejected rows of a batch below which their share does not fail the load"
    )
    landing_keep_days: int | None = Field(
        None, ge=1, description="Days that fetched bytes are kept for a replay; unset: they are kept forever"
    )
    late_days_max: int = Field(
        190,
        ge=0,
        description="Days before those of a scheduled run for which it asks again if they were not published then",
    )
    http_attempts: int = Field(5, ge=1, description="Attempts of one HTTP request before the run fails")
    http_timeout_seconds: float = Field(60, gt=0, description="Seconds without an answer before a request is retried")
    http_backoff_seconds: float = Field(
        1, ge=0, description="Seconds before the first retry; doubled for each further one"
    )
    duckdb_memory_limit: str = Field("2GB", description="Memory that one DuckDB connection may use")
    engine: Literal["duckdb", "spark"] = Field(
        "duckdb", description="Engine of the models: duckdb, or spark behind a Thrift server"
    )
    spark_host: str = Field("127.0.0.1", description="Host of Spark's Thrift server")
    spark_port: int = Field(10000, gt=0, lt=65536, description="Port of Spark's Thrift server")
    spark_schema: str = Field(
        "data_stack", pattern="^[a-z][a-z0-9_]*$", description="How the names of the schemas on Spark begin"
    )
    spark_fetch_rows_max: int = Field(
        20_000_000, ge=1, description="Rows above which a fact stays on Spark, and is not in the published file"
    )
    spark_master_port: int = Field(7077, gt=0, lt=65536, description="Port on loopback of the master of `make spark`")
    spark_workers: int = Field(2, ge=1, le=64, description="Workers of `make spark`, each with one core")
    spark_memory: str = Field(
        "1g", pattern="^[1-9][0-9]*[mg]$", description="Memory of each worker of `make spark` and of its Thrift server"
    )
    log_level: str = Field("WARNING", description="DEBUG, INFO, WARNING or ERROR")
    airflow_port: int = Field(8080, gt=0, lt=65536, description="Port on loopback of `make airflow`")
    api_port: int = Field(8510, gt=0, lt=65536, description="Port on loopback of `make api`")
    mcp_port: int = Field(8511, gt=0, lt=65536, description="Port on loopback of `data-stack mcp --http`")
    api_rate_limit: str = Field("120/minute", description="Calls of one token, per second, minute, hour or day")
    api_audit_keep_days: int = Field(90, ge=1, description="Days that the records of calls are kept")
    api_base_url: BaseUrl | None = Field(
        None, description="The API that the pages ask; unset: the one of API_PORT on loopback"
    )
    api_token: SecretStr | None = Field(
        None,
        description="Token with which the pages ask the API, made by `data-stack api token create`; unset: the one "
        "that `make api` keeps in the data folder",
    )
    model: str | None = Field(
        None,
        description="Model of the agents: anthropic:NAME, openai-chat:NAME or ollama:NAME; unset: no agent answers",
    )
    model_base_url: BaseUrl | None = Field(None, description="Server of the model; unset: that of its provider")
    model_api_key: SecretStr | None = Field(None, description="Key for the provider of the model")
    model_is_local: bool = Field(
        False, description="Whether the model runs on this machine, so that rows of personal sources may go to it"
    )
    model_timeout_seconds: float = Field(120, gt=0, description="Seconds in which an agent must answer")
    lake_url: str | None = Field(
        None,
        description="Where loads that passed are written as Parquet: a folder or s3://bucket/prefix; unset: nowhere",
    )
    lake_downloads: bool = Field(
        False, description="Whether the downloads that loads were made from are copied to LAKE_URL as well, for replays"
    )
    aws_access_key_id: SecretStr | None = Field(
        None, description="Access key of the bucket of LAKE_URL; unset: that of the machine's role"
    )
    aws_secret_access_key: SecretStr | None = Field(None, description="Secret of the access key")
    aws_session_token: SecretStr | None = Field(None, description="Token of a temporary access key")
    aws_region: str | None = Field(None, description="Region of the bucket; unset: us-east-1")
    aws_endpoint_url: BaseUrl | None = Field(
        None, description="Server of the bucket if it is not that of AWS, such as http://127.0.0.1:9000"
    )
    alert_webhook_url: BaseUrl | None = Field(
        None, description='Receives a message about each failed run of the DAG, as JSON {"text": "..."}'
    )

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the settings.

        Args:
            overrides: Values that are used instead of the environment, by field name. The run records of another data
                folder are in that folder, unless `ops_url` is given as well.

        Raises:
            UsageError: A value cannot be used; names the variable and what is wrong.
        """
        if "data_dir" in overrides:
            overrides.setdefault("ops_url", SecretStr(SQLITE))
        return super().load(**overrides)

    @field_validator("ops_url")
    @classmethod
    def _check_ops_url(cls, value: SecretStr | None) -> SecretStr | None:
        text = value.get_secret_value() if value else SQLITE
        if text != SQLITE and not text.startswith(("postgresql://", "postgres://")):
            # without the value, which has a password
            raise ValueError("must be sqlite, or begin with postgresql://")
        return value

    @field_validator("duckdb_memory_limit")
    @classmethod
    def _check_memory(cls, value: str) -> str:
        if not re.fullmatch(r"[0-9]+(\.[0-9]+)? ?[KMGT]i?B", value):
            raise ValueError("must be an amount of memory such as 512MB or 2GB")
        return value

    @field_validator("lake_url")
    @classmethod
    def _check_lake(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # the value is not quoted: it may contain credentials
        if "://" in value and not _BUCKET_URL.fullmatch(value):
            raise ValueError("must be a folder or s3://bucket/prefix, without credentials, which are AWS_... variables")
        if "'" in value:
            raise ValueError("must not contain a quotation mark, as files cannot be named in SQL then")
        return value.rstrip("/") if "://" in value else str(PROJECT_ROOT / value)

    @field_validator("lake_downloads")
    @classmethod
    def _check_downloads(cls, value: bool, others: ValidationInfo) -> bool:
        if value and others.data.get("lake_url") is None:
            raise ValueError("needs LAKE_URL, which says where the downloads are copied to")
        return value

    @field_validator("model")
    @classmethod
    def _check_model(cls, value: str | None) -> str | None:
        if value and not re.fullmatch(r"(anthropic|openai-chat|ollama):\S+", value):
            raise ValueError("must be anthropic:NAME, openai-chat:NAME or ollama:NAME")
        return value

    @field_validator("api_rate_limit")
    @classmethod
    def _check_rate(cls, value: str) -> str:
        if not re.fullmatch(r"[1-9][0-9]{0,5}/(second|minute|hour|day)", value):
            raise ValueError("must be a number of calls per second, minute, hour or day, such as 120/minute")
        return value

    @field_validator("data_dir")
    @classmethod
    def _resolve_from_project_root(cls, value: Path) -> Path:
        if "'" in str(value):
            raise ValueError("must not contain a quotation mark, as databases cannot be attached then")
        return value if value.is_absolute() else PROJECT_ROOT / value

    @field_validator("log_level")
    @classmethod
    def _check_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ValueError("must be DEBUG, INFO, WARNING or ERROR")
        return value.upper()

    @property
    def ops_database(self) -> str | None:
        """URL of the PostgreSQL database of the run records, with its password; None for a file in the data folder."""
        url = self.ops_url.get_secret_value() if self.ops_url else SQLITE
        return None if url == SQLITE else url

    @property
    def api_url(self) -> str:
        """URL of the API that the pages ask."""
        return self.api_base_url or f"http://127.0.0.1:{self.api_port}"

    @property
    def raw_dir(self) -> Path:
        """Folder of the raw files, one DuckDB file per source."""
        return self.data_dir / "raw"

    def raw_file(self, source_name: str) -> Path:
        """DuckDB file with the raw tables of a source, in the schema `raw`."""
        return self.raw_dir / f"{source_name}.duckdb"

    def dlt_state_dir(self, source_name: str) -> Path:
        """Folder of dlt's working state; it is removed together with the raw file."""
        return self.raw_dir / ".dlt" / source_name

    def landing_dir(self, source_name: str) -> Path:
        """Folder of the bytes that a source received, which are as personal as its raw file."""
        return self.data_dir / "landing" / source_name

    def stage_dir(self, source_name: str) -> Path:
        """Folder of the temporary files of a running load."""
        return self.data_dir / "stage" / source_name

    @property
    def build_dir(self) -> Path:
        """Folder that dbt builds in."""
        return self.data_dir / "build"

    @property
    def build_file(self) -> Path:
        """DuckDB file that dbt writes; readers never open it."""
        return self.build_dir / "warehouse.duckdb"

    @property
    def warehouse_file(self) -> Path:
        """The published DuckDB file: the only one that readers open."""
        return self.data_dir / "warehouse.duckdb"

    @property
    def snapshots_dir(self) -> Path:
        """Folder of the publications that `data-stack rollback` can return to."""
        return self.data_dir / "snapshots"

    @property
    def ops_dir(self) -> Path:
        """Folder of the run records."""
        return self.data_dir / "ops"

    @property
    def pages_token_file(self) -> Path:
        """The token with which the pages ask an API on loopback; only the owner of the data folder reads it."""
        return self.ops_dir / "pages_token"

    @property
    def locks_dir(self) -> Path:
        """Folder of the lock files."""
        return self.ops_dir / "locks"

    @property
    def docs_dir(self) -> Path:
        """Folder of the generated documentation: dbt docs and Data Docs."""
        return self.data_dir / "docs"

    @property
    def airflow_dir(self) -> Path:
        """Home of the local Airflow."""
        return self.data_dir / "airflow"

    @property
    def spark_dir(self) -> Path:
        """Folder of the local Spark: logs, process identifiers, metastore."""
        return self.data_dir / "spark"

    @property
    def spark_warehouse_dir(self) -> Path:
        """Folder of the tables of the local Spark."""
        return self.spark_dir / "warehouse"

    @property
    def reports_dir(self) -> Path:
        """Folder of the notebooks as HTML."""
        return self.data_dir / "reports"


def folder_variables(data_dir: Path) -> dict[str, str]:
    """Variables with which another process uses a data folder that has nothing to do with the one of `.env`.

    Args:
        data_dir: The folder, which has its own run records, and its own lake if there is one.
    """
    variables = {"DATA_DIR": str(data_dir), "OPS_URL": SQLITE}
    return variables | ({"LAKE_URL": str(data_dir / "lake")} if Settings.load().lake_url else {})

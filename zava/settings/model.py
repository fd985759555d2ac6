"""The fields of the settings, their limits, and how they agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from zava.errors import ConfigurationError
from zava.settings.sources import (
    PREFIX,
    expanded,
    explain,
    none_if_empty,
    origins,
    refuse_unknown_names,
)


class EmbeddingSettings(BaseSettings):
    """A part of the settings; see `Settings`."""

    embedding_provider: Literal["auto", "openai", "azure", "local", "none"] = Field(
        "auto",
        description="What embeds texts: openai, azure, local, none;"
        " auto takes the first of azure, openai and local that is there",
    )
    embedding_model: str = Field(
        "text-embedding-3-small",
        min_length=1,
        max_length=200,
        description="Model of openai, deployment of azure; local has its own",
    )
    embedding_timeout: float = Field(
        5.0, gt=0, le=600, description="Seconds that one embedding request may take"
    )


CONNECTION_SETTINGS = (
    "database_url",
    "db_host",
    "db_port",
    "db_name",
    "db_user",
    "db_password",
)
"""What names the server's database; all empty for the embedded one."""

# How often one result lies in memory on its way: as it came, as values, as text.
_COPIES = 8


class Settings(EmbeddingSettings):
    """The settings; docs/settings.md describes each under its variable's name."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        extra="ignore",  # unknown names are refused by load(), with a better message
        frozen=True,
    )

    database_url: SecretStr = Field(
        SecretStr(""),
        description="libpq connection string of the server's login;"
        " empty for the embedded PostgreSQL",
    )
    db_host: str = Field("", description="Host, where database_url is not used")
    db_port: Annotated[int | None, BeforeValidator(none_if_empty)] = Field(
        None, ge=1, le=65535, description="Port of db_host"
    )
    db_name: str = Field("", description="Database on db_host")
    db_user: str = Field(
        "", description="Login; without a host, of the embedded PostgreSQL"
    )
    db_password: SecretStr = Field(SecretStr(""), description="Password of db_user")
    admin_url: SecretStr = Field(
        SecretStr(""),
        description="libpq connection string of an administrator, for `zava init`,"
        " `zava users`, `zava login` and `zava embed`; `zava serve` does not use it",
    )
    rls_user_id: str = Field("", description="User id of the person who is served")

    allow: str = Field(
        "",
        description="Checks of `zava doctor` that may fail, separated by commas",
    )

    data_dir: Annotated[
        Path | None, BeforeValidator(none_if_empty), AfterValidator(expanded)
    ] = Field(
        None, description="Where the embedded PostgreSQL lives; empty for the default"
    )
    embedded_version: Annotated[Literal[16, 18], BeforeValidator(int)] = Field(
        18, description="Major version of the embedded PostgreSQL"
    )

    pool_min_size: int = Field(2, ge=0, le=1000, description="Connections kept open")
    pool_max_size: int = Field(
        10,
        ge=1,
        le=1000,
        description="Most connections, and most calls that run at once",
    )
    pool_max_idle: float = Field(
        300.0, gt=0, description="Seconds until a spare connection is closed"
    )
    pool_timeout: float = Field(
        5.0, gt=0, le=600, description="Seconds to wait for a free connection"
    )
    connect_timeout: int = Field(
        5, ge=2, le=600, description="Seconds to wait for one connection attempt"
    )
    statement_timeout: float = Field(
        30.0, gt=0, le=86400, description="Seconds that one query may run"
    )
    work_mem: str = Field(
        "4MB",
        pattern=r"^[1-9][0-9]*(kB|MB|GB)$",
        description="Memory of one sort or hash in PostgreSQL",
    )
    application_name: str = Field(
        "zava-mcp-server", max_length=63, description="Name seen by the DBA"
    )

    max_rows: int = Field(
        1000, ge=1, le=1_000_000, description="Most rows that a caller may ask for"
    )
    max_result_bytes: int = Field(
        256 * 1024, ge=1024, description="Most bytes of one result"
    )
    max_query_length: int = Field(
        100_000, ge=100, description="Most characters of one SQL text"
    )
    max_waiting_calls: int = Field(
        256, ge=0, description="Most calls that wait for their turn"
    )
    memory_limit: int = Field(
        128 * 1024 * 1024,
        ge=0,
        description="Most bytes of memory of all answers at work; 0 for no ceiling",
    )

    cache_ttl: float = Field(
        300.0, ge=0, description="Seconds that a result may be reused; 0 for never"
    )
    cache_max_entries: int = Field(1024, ge=1, description="Most results kept")
    cache_max_bytes: int = Field(
        64 * 1024 * 1024, ge=1024, description="Most bytes of results kept"
    )

    keep_rows: int = Field(
        5000,
        ge=0,
        le=1_000_000,
        description="Most rows read past a cut result, for get_more_rows; 0 for none",
    )
    keep_bytes: int = Field(
        8 * 1024 * 1024, ge=1024, description="Most bytes of such rows kept"
    )
    keep_seconds: float = Field(
        600.0, ge=0, description="Seconds that such rows are kept; 0 for never"
    )

    export_dir: Annotated[
        Path | None, BeforeValidator(none_if_empty), AfterValidator(expanded)
    ] = Field(
        None,
        description="Folder of exported files; empty for zava in the user's documents",
    )
    export_max_rows: int = Field(
        5_000_000, ge=1, description="Most rows of an exported file"
    )
    export_max_bytes: int = Field(
        1024 * 1024 * 1024, ge=1024, description="Most bytes of an exported file"
    )
    export_timeout: float = Field(
        600.0, gt=0, le=86400, description="Seconds that one export may take"
    )

    max_staleness: Annotated[float | None, BeforeValidator(none_if_empty)] = Field(
        None,
        gt=0,
        description="Seconds that an answer may be old, where a standby answers;"
        " empty for any age",
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="Redis that holds a second cache for several processes;"
        " empty for none",
    )
    redis_timeout: float = Field(
        0.05, gt=0, le=5, description="Seconds that one command to Redis may take"
    )

    retry_attempts: int = Field(
        5, ge=1, le=100, description="Attempts at a query whose connection gets lost"
    )
    retry_deadline: float = Field(
        10.0, ge=0, le=600, description="Seconds in which those attempts must begin"
    )

    slow_query_threshold: float = Field(
        1.0, ge=0, description="Seconds; a query that takes longer is logged as slow"
    )
    metrics_port: Annotated[int | None, BeforeValidator(none_if_empty)] = Field(
        None,
        ge=0,
        le=65535,
        description="Loopback port of Prometheus metrics; 0 for any, empty for none",
    )
    audit_file: Annotated[str, AfterValidator(expanded)] = Field(
        "", description="File of one JSON line per call; empty for none"
    )
    audit_required: bool = Field(
        False, description="Whether a call that cannot be recorded stays unanswered"
    )
    audit_sync: bool = Field(
        False, description="Whether a line is on the disk before the answer leaves"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severity that is logged; SQL text only at DEBUG"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Lines to read, or one JSON object a line"
    )
    log_file: Annotated[str, AfterValidator(expanded)] = Field(
        "",
        description="Log file, rotated at 10 MB; `none` for none;"
        " empty for mcp_server.log in the user's log folder",
    )

    @model_validator(mode="after")
    def _agree(self) -> Settings:
        if self.database_url.get_secret_value() and self.db_host:
            raise ValueError("set either ZAVA_DATABASE_URL or ZAVA_DB_HOST, not both")
        if self.database_url.get_secret_value() and self.db_user:
            raise ValueError("set either ZAVA_DATABASE_URL or ZAVA_DB_USER, not both")
        parts = (self.db_name, self.db_port, self.db_password.get_secret_value())
        if not self.db_host and any(parts):
            raise ValueError(
                "ZAVA_DB_NAME, ZAVA_DB_PORT and ZAVA_DB_PASSWORD need ZAVA_DB_HOST"
            )
        if self.pool_min_size > self.pool_max_size:
            raise ValueError("ZAVA_POOL_MIN_SIZE is larger than ZAVA_POOL_MAX_SIZE")
        if (self.audit_required or self.audit_sync) and not self.audit_file:
            raise ValueError(
                "ZAVA_AUDIT_REQUIRED and ZAVA_AUDIT_SYNC need ZAVA_AUDIT_FILE"
            )
        if 0 < self.memory_limit < _COPIES * self.max_result_bytes:
            raise ValueError(
                f"ZAVA_MEMORY_LIMIT must be 0, or at least {_COPIES} times"
                " ZAVA_MAX_RESULT_BYTES"
            )
        return self

    @property
    def is_embedded(self) -> bool:
        """Whether the server's database is the embedded PostgreSQL."""
        return not (self.database_url.get_secret_value() or self.db_host)

    def connection_config(self, conninfo: str) -> dict[str, Any]:
        """Return what `PostgreSQLProvider` takes, by its names.

        Args:
            conninfo: libpq connection string, "" where the parts are used.
        """
        return {
            "conninfo": conninfo,
            "db_host": self.db_host,
            "db_port": self.db_port,
            "db_name": self.db_name,
            "db_user": self.db_user,
            "db_password": self.db_password.get_secret_value(),
            "min_size": self.pool_min_size,
            "max_size": self.pool_max_size,
            "max_idle": self.pool_max_idle,
            "timeout": self.pool_timeout,
            "connect_timeout": self.connect_timeout,
            "statement_timeout": self.statement_timeout,
            "work_mem": self.work_mem,
            "application_name": self.application_name,
            "max_rows": self.max_rows,
            "max_retries": self.retry_attempts,
            "retry_deadline": self.retry_deadline,
            "max_staleness": self.max_staleness,
        }

    def environment(self, *names: str) -> dict[str, str]:
        """Return the variables that set these settings again, secrets in the clear.

        Those that have their default value are left out.
        """
        variables = {}
        for name in names:
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                plain = (
                    value.get_secret_value() if isinstance(value, SecretStr) else value
                )
                variables[PREFIX + name.upper()] = str(plain)
        return variables

    @classmethod
    def origins(cls, **flags: Any) -> dict[str, str]:
        """Return for every setting where its value comes from."""
        return origins(cls.model_fields, flags)

    @classmethod
    def load(cls, **flags: Any) -> Settings:
        """Read the settings; `flags` that are None are taken as not given.

        Raises:
            ConfigurationError: A name is unknown, or a value does not fit.
        """
        refuse_unknown_names(cls.model_fields)
        try:
            return cls(
                **{name: flag for name, flag in flags.items() if flag is not None}
            )
        except ValidationError as exc:
            raise ConfigurationError(explain(exc)) from None

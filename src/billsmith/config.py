"""Settings, read once from the environment. Only `wiring` and `cli` look here."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from billsmith.errors import Invalid

_MOST_DIGITS = 9


class SettingInvalid(Invalid):
    """An environment variable with a value that can't be used."""

    code = "setting_invalid"


class Settings(msgspec.Struct, frozen=True):
    """What can be set from outside; every field is an environment variable."""

    database_url: str | None
    """DATABASE_URL: the PostgreSQL to use. None: the private one in `home`."""
    migrate_database_url: str | None
    """MIGRATE_DATABASE_URL: the same database as its owner; None: `database_url` is the owner."""
    home: Path
    """BILLSMITH_HOME: where the private PostgreSQL lives."""
    shared: Path
    """BILLSMITH_SHARED: real data and referee cases, used by `demo` and the tests where they are there."""
    secret_keys: tuple[str, ...]
    """BILLSMITH_SECRET_KEYS: what seals gateway credentials; the first seals, all open. None: a file in `home`."""
    pool_size: int
    """BILLSMITH_POOL_SIZE: connections per process."""
    statement_cache: bool
    """BILLSMITH_STATEMENT_CACHE=off behind a pooler such as PgBouncer."""
    host: str
    """BILLSMITH_HOST: the address that `serve` listens on; 0.0.0.0 for all of this machine's."""
    port: int
    """BILLSMITH_PORT: the port that `serve` listens on; 0 for any that is free."""
    rate_limit: int
    """BILLSMITH_RATE_LIMIT: how often a second each key may ask each process of `serve`."""
    stop_seconds: int
    """BILLSMITH_STOP_SECONDS: how long running requests and batches may take to end once `serve` is told to stop."""
    log_format: Literal["console", "json"]
    """BILLSMITH_LOG_FORMAT: lines for a person, or one JSON object per line."""
    log_level: Literal["debug", "info", "warning", "error"]
    """BILLSMITH_LOG_LEVEL: what is less important is left out."""


def settings_from(environment: Mapping[str, str] = os.environ) -> Settings:
    """The settings, with defaults for what is not set. Raises SettingInvalid naming the variable."""
    return Settings(
        database_url=environment.get("DATABASE_URL") or None,
        migrate_database_url=environment.get("MIGRATE_DATABASE_URL") or None,
        home=_home(environment),
        shared=Path(environment.get("BILLSMITH_SHARED") or "../shared"),
        secret_keys=tuple(environment.get("BILLSMITH_SECRET_KEYS", "").replace(",", " ").split()),
        pool_size=_integer(environment, "BILLSMITH_POOL_SIZE", 10, 1, 500),
        statement_cache=_choice(environment, "BILLSMITH_STATEMENT_CACHE", ("on", "off")) == "on",
        host=environment.get("BILLSMITH_HOST") or "127.0.0.1",
        port=_integer(environment, "BILLSMITH_PORT", 8080, 0, 65_535),
        rate_limit=_integer(environment, "BILLSMITH_RATE_LIMIT", 5000, 1, 1_000_000),
        stop_seconds=_integer(environment, "BILLSMITH_STOP_SECONDS", 30, 1, 3600),
        log_format=_choice(environment, "BILLSMITH_LOG_FORMAT", ("console", "json")),  # type: ignore[arg-type]
        log_level=_choice(environment, "BILLSMITH_LOG_LEVEL", ("info", "debug", "warning", "error")),  # type: ignore[arg-type]
    )


def _home(environment: Mapping[str, str]) -> Path:
    default = (environment.get("XDG_DATA_HOME") or "~/.local/share") + "/billsmith"
    path = environment.get("BILLSMITH_HOME") or default
    try:
        return Path(path).expanduser().absolute()
    except RuntimeError:
        raise SettingInvalid(f"BILLSMITH_HOME is {path!r}; there is no such user's home directory") from None


def _integer(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or not least <= int(text) <= most:
        raise SettingInvalid(f"{name} is {text!r}; a whole number from {least} to {most} is needed")
    return int(text)


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """One of the choices; the first is the default."""
    text = environment.get(name) or choices[0]
    if text not in choices:
        raise SettingInvalid(f"{name} is {text!r}; it can be {', '.join(choices)}")
    return text

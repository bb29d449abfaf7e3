"""Settings: what they are when nothing is set, and that a bad value names its variable."""

from pathlib import Path

import pytest

from billsmith.config import SettingInvalid, Settings, settings_from


def test_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert settings_from({}) == Settings(
        database_url=None,
        migrate_database_url=None,
        home=Path("/home/ada/.local/share/billsmith"),
        shared=Path("../shared"),
        secret_keys=(),
        pool_size=10,
        statement_cache=True,
        host="127.0.0.1",
        port=8080,
        rate_limit=5000,
        stop_seconds=30,
        log_format="console",
        log_level="info",
    )


NAMES = [
    "DATABASE_URL", "MIGRATE_DATABASE_URL", "BILLSMITH_SECRET_KEYS",
    "BILLSMITH_HOME", "BILLSMITH_SHARED", "BILLSMITH_POOL_SIZE",
    "BILLSMITH_STATEMENT_CACHE", "BILLSMITH_HOST", "BILLSMITH_PORT", "BILLSMITH_RATE_LIMIT",
    "BILLSMITH_STOP_SECONDS",
    "BILLSMITH_LOG_FORMAT", "BILLSMITH_LOG_LEVEL", "XDG_DATA_HOME",
]  # fmt: skip


def test_what_is_set_to_nothing_is_not_set() -> None:
    assert settings_from(dict.fromkeys(NAMES, "")) == settings_from({})


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("DATABASE_URL", "postgresql://db/bills", "database_url", "postgresql://db/bills"),
        ("MIGRATE_DATABASE_URL", "postgresql://owner@db/bills", "migrate_database_url", "postgresql://owner@db/bills"),
        ("BILLSMITH_HOME", "/srv/bills", "home", Path("/srv/bills")),
        ("BILLSMITH_HOME", "bills", "home", Path.cwd() / "bills"),
        ("BILLSMITH_HOME", "~/bills", "home", Path("~/bills").expanduser()),
        ("XDG_DATA_HOME", "/xdg", "home", Path("/xdg/billsmith")),
        ("BILLSMITH_SHARED", "/srv/cases", "shared", Path("/srv/cases")),
        ("BILLSMITH_POOL_SIZE", "1", "pool_size", 1),
        ("BILLSMITH_POOL_SIZE", "500", "pool_size", 500),
        ("BILLSMITH_STATEMENT_CACHE", "off", "statement_cache", False),
        ("BILLSMITH_STATEMENT_CACHE", "on", "statement_cache", True),
        ("BILLSMITH_HOST", "::1", "host", "::1"),
        ("BILLSMITH_PORT", "0", "port", 0),
        ("BILLSMITH_RATE_LIMIT", "50", "rate_limit", 50),
        ("BILLSMITH_STOP_SECONDS", "5", "stop_seconds", 5),
        ("BILLSMITH_LOG_FORMAT", "json", "log_format", "json"),
        ("BILLSMITH_LOG_LEVEL", "debug", "log_level", "debug"),
    ],
)
def test_each_variable_sets_its_field_and_no_other(variable: str, text: str, field: str, value: object) -> None:
    found, defaults = settings_from({variable: text}), settings_from({})
    changed = {name for name in Settings.__struct_fields__ if getattr(found, name) != getattr(defaults, name)}
    assert getattr(found, field) == value
    assert changed <= {field}


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(("BILLSMITH_POOL_SIZE", text) for text in ("0", "501", "-1", "1.5", "ten", " 5", "1_0", "٣", "9" * 5000)),
        *(("BILLSMITH_PORT", text) for text in ("65536", "http")),
        *(("BILLSMITH_RATE_LIMIT", text) for text in ("0", "1000001")),
        *(("BILLSMITH_STOP_SECONDS", text) for text in ("0", "3601")),
        *(("BILLSMITH_STATEMENT_CACHE", text) for text in ("true", "0", "ON")),
        *(("BILLSMITH_LOG_FORMAT", text) for text in ("text", "JSON")),
        *(("BILLSMITH_LOG_LEVEL", text) for text in ("trace", "INFO")),
        ("BILLSMITH_HOME", "~no-such-user-here/bills"),
    ],
)
def test_a_bad_value_names_its_variable(variable: str, text: str) -> None:
    with pytest.raises(SettingInvalid, match=f"^{variable} is ") as refused:
        settings_from({variable: text})
    assert repr(text) in refused.value.detail

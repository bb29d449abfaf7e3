"""What looks like a secret, is named like one, or is one that we know, never gets into a log."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from billsmith.cli.logs import HIDDEN, Redaction, configure_logs
from billsmith.config import settings_from

KEY = "sk_live_" + "aB3-_" * 8
URL = "postgresql://ada:l0ve%40lace@db.example/bills"

Written = Callable[[], str]


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Written]]:
    """Configures logs as a program does, and gives what they wrote."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level, configuration = root.handlers[:], root.level, structlog.get_config()

    def configure(log_format: str) -> Written:
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logs(settings_from({"BILLSMITH_LOG_FORMAT": log_format, "DATABASE_URL": URL}))
        return stream.getvalue

    yield configure
    logging.captureWarnings(capture=False)
    root.handlers[:], sys.excepthook = handlers, hook
    root.setLevel(level)
    structlog.configure(**configuration)


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        KEY.replace("_", "%5F"),
        f"?api_key={KEY}&limit=2",
        f"Authorization: Bearer {KEY[8:]}",
        f"authorization=basic%20{KEY[8:]}",
        "postgresql://ada:hush@db/bills",
        "postgresql://ada:hu@sh/hush@db/bills",
        "postgresql://:hush@/bills?host=%2Ftmp",
        "password=hush",
        '"PGPASSWORD": "hush"',
        "host=db password='hush' user=ada",
        "whsec_hush+hush/hush==",
        "paſſword=hush",
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str) -> None:
    shown = Redaction().text(f"before {text} after")
    assert HIDDEN in shown
    assert "hush" not in shown
    assert KEY[8:] not in shown
    assert shown.startswith("before ")
    assert shown.endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        "task_number_events ran",
        "Basic plan, 3 seats",
        "https://example.com/v1/customers/cus_01jd",
        "the password was wrong",
        "ten_01m874bambe00bsveg46kvc4xb",
        "mail to ada@example.com: done",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert Redaction([URL]).text(text) == text


def test_the_passwords_of_our_urls_are_hidden_wherever_they_come_up() -> None:
    redaction = Redaction([URL, None, "postgresql://db/bills?password=in-the-query", "not a [url"])
    shown = redaction.text("l0ve%40lace l0ve@lace in-the-query")
    assert shown == " ".join([HIDDEN] * 3)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_fields_named_like_secrets_are_hidden_at_any_depth(logs: Callable[[str], Written], log_format: str) -> None:
    written = logs(log_format)
    structlog.get_logger().error(
        "asked",
        authorization="hush",
        headers={"Cookie": "hush", "inner": [{"api_key": "hush"}]},
        body=b"hush",
        key="key_1",
    )
    assert "hush" not in written()
    assert "key_1" in written()


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_tracebacks_show_neither_local_variables_nor_secrets(logs: Callable[[str], Written], log_format: str) -> None:
    written = logs(log_format)
    local = "kept " + "to ourselves"
    try:
        raise ValueError(f"could not use {KEY} nor {URL}")
    except ValueError as error:
        structlog.get_logger().error("failed", exc_info=error)
        sys.excepthook(type(error), error, error.__traceback__)
    assert written().count("ValueError: could not use sk_live_") == 2
    assert KEY[8:] not in written()
    assert "l0ve" not in written()
    assert local not in written()


def test_what_libraries_say_comes_out_alike(logs: Callable[[str], Written]) -> None:
    written = logs("json")
    logging.getLogger("uvicorn.error").warning("lost %s", KEY)
    logging.getLogger("uvicorn.error").info("small talk")
    (line,) = written().splitlines()
    entry = json.loads(line)
    assert (entry["event"], entry["level"]) == (f"lost sk_live_{HIDDEN}", "warning")
    assert entry["timestamp"].endswith("Z")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_line_can_be_forged(logs: Callable[[str], Written], log_format: str) -> None:
    written = logs(log_format)
    structlog.get_logger().error("request", path="/\n2026-01-01 [info] all is well \x1b[31m \ud800")
    assert len(written().splitlines()) == 1
    assert "\x1b[31m" not in written()

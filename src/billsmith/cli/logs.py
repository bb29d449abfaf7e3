"""Structured logs on stderr, from which secrets are kept out: by the names of fields, by their looks, and by value."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import structlog

from billsmith.config import Settings

HIDDEN = "[hidden]"
SHORTEST_KNOWN_SECRET = 6
"""Shorter passwords are hidden in URLs only: hiding every `abc` would leave nothing to read."""

_SECRET_NAME = re.compile(
    r"authorization|password|passwd|secret|token|api_?key|cookie|credential|database_url|dsn|body", re.IGNORECASE
)
_LOOKS_SECRET = re.compile(
    r"""
      (?P<key>sk(?:_|%5F)(?:live|test)(?:_|%5F))[\w%~.+/=-]+           # API keys, also as written in a URL
    | (?P<hook>whsec_)[\w+/=-]+                                        # secrets of webhooks
    | (?P<scheme>\b(?:bearer|basic)(?:\s|%20|\+)+)[\w%~.+/=-]{8,}      # what an Authorization header says
    | (?P<url>://)[^\s"'@]*:[^\s"']*@                                  # user and password of a URL
    | (?P<pair>\b\w*passw(?:or)?d["']?\s*[=:]\s*["']?)[^\s"',&;)]+     # password=…
    """,
    re.IGNORECASE | re.VERBOSE,
)

# One of these is in all that looks like a secret. Looking for them takes a tenth of the time that the pattern takes,
# and every request that is answered makes a line.
_MARKS = ("sk_", "sk%5f", "whsec_", "bearer", "basic", "://", "passw")

Event = MutableMapping[str, Any]


class Redaction:
    """Keeps secrets out of events and of finished lines."""

    def __init__(self, urls: Sequence[str | None] = ()) -> None:
        self._known: re.Pattern[str] | None = None
        self._secrets: set[str] = set()
        for url in urls:
            if url is not None:
                self.learn(url)

    def learn(self, url: str) -> None:
        """Hide the password of this URL wherever it comes up, as written there and as it is meant."""
        self._secrets |= {secret for secret in _passwords(url) if len(secret) >= SHORTEST_KNOWN_SECRET}
        if self._secrets:
            longest_first = sorted(self._secrets, key=len, reverse=True)
            self._known = re.compile("|".join(re.escape(secret) for secret in longest_first))

    def fields(self, logger: Any, method: str, event: Event) -> Event:
        """A processor: what is in a field whose name says secret is hidden, at any depth."""
        return {name: _without_secrets(name, value) for name, value in event.items()}

    def line(self, logger: Any, method: str, rendered: str) -> str:
        """The last processor: what looks like a secret, or is one that we know, is hidden."""
        return self.text(rendered)

    def text(self, text: str) -> str:
        """The text without secrets."""
        folded = text.casefold()
        shown = _LOOKS_SECRET.sub(_hide_match, text) if any(mark in folded for mark in _MARKS) else text
        return shown if self._known is None else self._known.sub(HIDDEN, shown)


def configure_logs(settings: Settings) -> Redaction:
    """Let all logs, ours and those of libraries, go to stderr in the format and from the level of the settings.

    What it returns can be told of further secrets.
    """
    redaction = Redaction([settings.database_url, settings.migrate_database_url])
    first: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = [structlog.processors.format_exc_info, redaction.fields, _renderer(settings), redaction.line]
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[*first, *last],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(first, last, level)
    sys.excepthook = _log_uncaught
    return redaction


def _configure_libraries(first: list[Any], last: list[Any], level: int) -> None:
    """What libraries say through `logging` comes out alike; their small talk only while debugging."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=first, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if level == logging.DEBUG else max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


def _renderer(settings: Settings) -> Any:
    if settings.log_format == "json":
        return structlog.processors.JSONRenderer(sort_keys=False)
    # Plain tracebacks: the pretty ones show local variables, and those hold secrets. repr: no line can be forged.
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), repr_native_str=True, exception_formatter=structlog.dev.plain_traceback
    )


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    structlog.get_logger("billsmith").critical("ended by an error", exc_info=(kind, error, trace))


def _without_secrets(name: str, value: Any) -> Any:
    if value is not None and not isinstance(value, bool) and _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, Mapping):
        return {inner: _without_secrets(str(inner), item) for inner, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets("", item) for item in value]
    return value


def _hide_match(found: re.Match[str]) -> str:
    """What tells the kind of secret stays."""
    assert found.lastgroup is not None
    return f"{found.group(found.lastgroup)}{HIDDEN}{'@' if found.lastgroup == 'url' else ''}"


def _passwords(url: str) -> set[str]:
    try:
        parts = urlsplit(url)
        written = [parts.password or "", *parse_qs(parts.query).get("password", [])]
    except ValueError:  # not a URL: who connects says so
        return set()
    return {form for password in written for form in (password, unquote(password))}

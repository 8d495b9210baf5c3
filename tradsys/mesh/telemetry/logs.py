"""The log of every process: one line of JSON (or of text) per record, with tenant and trace, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

from tradsys.mesh.calls import current_call
from tradsys.mesh.config.schema import LoggingConfig
from tradsys.mesh.telemetry.redaction import Redactor
from tradsys.mesh.telemetry.tracing import running_link

current_tenant: ContextVar[str] = ContextVar("current_tenant", default="")
"""Slug of the tenant that the running code works for; code that has a ``Call`` or Django's scope need not set it."""

# They bring handlers of their own, which would write beside ours.
_LIBRARIES_WITH_HANDLERS = (
    "uvicorn",
    "uvicorn.error",
    "uvicorn.access",
    "uvicorn.asgi",
    "celery",
    "celery.task",
    "celery.redirected",
)
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}

_tenant_sources: list[Callable[[], str]] = []


def also_ask_for_tenant(source: Callable[[], str]) -> None:
    """`source` tells the running code's tenant, or an empty text; for layers above that know it in another way."""
    _tenant_sources.append(source)


def tenant_of_running_code() -> str:
    """A slug, or empty."""
    tenant = current_tenant.get()
    if tenant:
        return tenant
    call = current_call.get(None)
    if call is not None and call.identity.tenant:
        return call.identity.tenant
    return next((found for source in _tenant_sources if (found := source())), "")


def trace_of_running_code() -> str:
    """A trace id, or empty."""
    return running_link()[:32]


class StructuredFormatter(logging.Formatter):
    """Redacts in message, arguments, exception and extra fields. `process` is the name under which the process is known."""

    def __init__(self, *, process: str, format: str = "json", redact: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._process = process
        self._json = format == "json"
        self._redactor = Redactor(redact)

    def format(self, record: logging.LogRecord) -> str:
        message = self._redactor.text(self._message(record))
        exception = self._exception(record)
        extra = {
            name: self._redactor.value({name: value})[name]  # type: ignore[index]
            for name, value in record.__dict__.items()
            if name not in _STANDARD
        }
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        tenant, trace = tenant_of_running_code(), trace_of_running_code()
        if self._json:
            fields: dict[str, object] = {
                "time": moment,
                "level": record.levelname,
                "logger": record.name,
                "process": self._process,
                "message": message,
            }
            optional = {"tenant": tenant, "trace": trace, "exception": exception, "extra": extra}
            fields |= {name: value for name, value in optional.items() if value}
            return json.dumps(fields, ensure_ascii=False)
        about = "".join(f" {name}={value}" for name, value in {"tenant": tenant, "trace": trace, **extra}.items() if value)
        return f"{moment} {record.levelname} {record.name}: {message}{about}" + (f"\n{exception}" if exception else "")

    def _message(self, record: logging.LogRecord) -> str:
        if not record.args:
            return str(record.msg)
        safe = logging.makeLogRecord(record.__dict__)
        # Structured arguments lose their secrets by field name before they become text.
        if isinstance(record.args, dict):
            safe.args = {name: self._argument(value, name) for name, value in record.args.items()}
        else:
            safe.args = tuple(self._argument(value) for value in record.args)
        try:
            return safe.getMessage()
        except (TypeError, ValueError) as error:
            return f"{record.msg} (its arguments do not fit: {error})"

    def _argument(self, value: object, name: str = "") -> object:
        if name and self._redactor.names_secret(name):
            return self._redactor.value({name: value})[name]  # type: ignore[index]
        return self._redactor.value(value) if isinstance(value, dict | list | tuple | set | frozenset) else value

    def _exception(self, record: logging.LogRecord) -> str:
        parts = []
        if record.exc_info and record.exc_info[0] is not None:
            parts.append(self.formatException(record.exc_info))
        elif record.exc_text:
            parts.append(record.exc_text)
        if record.stack_info:
            parts.append(record.stack_info)
        return self._redactor.text("\n".join(parts))


def set_up_logging(process: str, config: LoggingConfig, *, stream: TextIO | None = None) -> logging.Handler:
    """Everything of this process goes through one handler to `stream`, standard output by default. Returns the handler."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(StructuredFormatter(process=process, format=config.format, redact=config.redact))
    root = logging.getLogger()
    for old in list(root.handlers):
        if type(old) is logging.StreamHandler:
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(config.level)
    for name in _LIBRARIES_WITH_HANDLERS:
        library = logging.getLogger(name)
        if library.handlers:  # one without any was silenced on purpose, such as uvicorn's access log
            library.handlers.clear()
            library.propagate = True
    logging.captureWarnings(True)
    return handler


def django_logging(process: str, config: LoggingConfig) -> dict[str, object]:
    """Django's ``LOGGING`` for the same lines, until ``set_up_logging`` names the process."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": "tradsys.mesh.telemetry.logs.StructuredFormatter",
                "process": process,
                "format": config.format,
                "redact": list(config.redact),
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": config.level},
    }

"""The log: one line of JSON per record, who and which trace, and no secret in any of its parts."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tradsys.mesh.calls import Call, CallIdentity, current_call
from tradsys.mesh.config.schema import LoggingConfig
from tradsys.mesh.telemetry.logs import StructuredFormatter, also_ask_for_tenant, current_tenant, django_logging, set_up_logging
from tradsys.mesh.telemetry.tracing import current_link

NAMES = ("authorization", "password", "token", "secret", "api_key", "cookie", "set-cookie")
TRACE = "0af7651916cd43dd8448eb211c80319c"
JWT = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJzYXJhIn0.c2lnbmF0dXJl"
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIHyper\n-----END PRIVATE KEY-----"


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def logger(stream: io.StringIO) -> Iterator[logging.Logger]:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(StructuredFormatter(process="worker-1", redact=NAMES))
    made = logging.getLogger("tests.telemetry")
    made.addHandler(handler)
    made.setLevel(logging.DEBUG)
    made.propagate = False
    yield made
    made.removeHandler(handler)


def last(stream: io.StringIO) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(stream.getvalue().splitlines()[-1])
    return line


def test_a_line_says_when_who_and_what(logger: logging.Logger, stream: io.StringIO) -> None:
    logger.warning("order %d of %s", 7, "nile")
    line = last(stream)
    assert line.pop("time").endswith("Z")
    assert line == {"level": "WARNING", "logger": "tests.telemetry", "process": "worker-1", "message": "order 7 of nile"}


def test_arabic_stays_readable_and_a_line_break_stays_inside_its_line(logger: logging.Logger, stream: io.StringIO) -> None:
    logger.info("مرحبا\nrelay is ready")
    assert "مرحبا" in stream.getvalue()
    assert "relay is ready" in stream.getvalue()
    assert len(stream.getvalue().splitlines()) == 1


def test_tenant_and_trace_come_from_the_variables_of_either_plane(logger: logging.Logger, stream: io.StringIO) -> None:
    tenant, link = current_tenant.set("nile"), current_link.set(f"{TRACE}-b7ad6b7169203331")
    logger.info("inside")
    current_tenant.reset(tenant)
    current_link.reset(link)
    assert (last(stream)["tenant"], last(stream)["trace"]) == ("nile", TRACE)
    call = Call(identity=CallIdentity(tenant="amana"), method="m", door="grpc", began_at=1, trace=TRACE)
    token = current_call.set(call)
    logger.info("in a call")
    current_call.reset(token)
    assert (last(stream)["tenant"], last(stream)["trace"]) == ("amana", TRACE)
    logger.info("outside")
    assert not {"tenant", "trace"} & set(last(stream))


def test_a_layer_above_can_tell_the_tenant(logger: logging.Logger, stream: io.StringIO) -> None:
    known = ""
    also_ask_for_tenant(lambda: known)
    known = "corniche"
    logger.info("in Django's scope")
    known = ""
    assert last(stream)["tenant"] == "corniche"


def test_an_exception_is_one_field_of_the_line(logger: logging.Logger, stream: io.StringIO) -> None:
    found = "abc123"
    try:
        raise ValueError(f"token={found} is wrong")
    except ValueError:
        logger.exception("it failed")
    line = last(stream)
    assert "ValueError: token=[redacted] is wrong" in line["exception"]
    assert "abc123" not in stream.getvalue().replace('token=abc123 is wrong")', "")


def test_an_exception_that_another_formatter_has_seen_is_redacted_too() -> None:
    record = logging.makeLogRecord({"msg": "x", "exc_text": "ValueError: password=hunter2", "stack_info": "token=hunter2"})
    line = StructuredFormatter(process="worker-1", redact=NAMES).format(record)
    assert "ValueError" in line
    assert "hunter2" not in line


def test_arguments_that_do_not_fit_do_not_lose_the_line() -> None:
    record = logging.makeLogRecord({"msg": "%d orders", "args": ("password=hunter2",)})
    line = StructuredFormatter(process="worker-1", redact=NAMES).format(record)
    assert "%d orders" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    "log",
    [
        lambda log: log.info("Authorization: Bearer s3cr3t-value"),
        lambda log: log.info("headers %s", {"Authorization": "Bearer s3cr3t-value"}),
        lambda log: log.info("metadata %s", [("authorization", "Bearer s3cr3t-value"), ("tradsys-door", "rest")]),
        lambda log: log.info("metadata %s", (("x-api-key", b"s3cr3t-value"),)),
        lambda log: log.info("%(password)s of %(user)s", {"password": "s3cr3t-value", "user": "sara"}),
        lambda log: log.info("body %s", {"user": {"login": {"Password": "s3cr3t-value"}}}),
        lambda log: log.info('answer {"accessToken": "s3cr3t-value"}'),
        lambda log: log.info("GET /x?token=s3cr3t-value&y=1"),
        lambda log: log.info("cannot reach redis://:s3cr3t-value@127.0.0.1:6379/0"),
        lambda log: log.info("cannot reach postgresql://tradsys:s3cr3t-value@127.0.0.1:5432/tradsys: refused"),
        lambda log: log.info("key tsk_0a1b2c3d_s3cr3t-value is unknown"),
        lambda log: log.info("Api-Key tsk_0a1b2c3d_s3cr3t-value"),
        lambda log: log.info("Set-Cookie: tradsys_session=s3cr3t-value; HttpOnly"),
        lambda log: log.info("password: 's3cr3t-value'"),
        lambda log: log.info("plain", extra={"client_secret": "s3cr3t-value"}),
        lambda log: log.info("plain", extra={"request": {"headers": {"Cookie": "s3cr3t-value"}}}),
        lambda log: log.info("plain", extra={"target": "redis://:s3cr3t-value@h"}),
    ],
)
def test_no_secret_reaches_the_log(logger: logging.Logger, stream: io.StringIO, log: Any) -> None:
    log(logger)
    assert "s3cr3t-value" not in stream.getvalue()
    assert "[redacted]" in stream.getvalue()


@pytest.mark.parametrize("secret", [JWT, PEM, PEM[:50]])
@pytest.mark.parametrize("shape", ["it is {} here", "{}", "{{'a': '{}'}}"])
def test_secrets_of_a_known_shape_are_found_without_a_name(
    logger: logging.Logger, stream: io.StringIO, secret: str, shape: str
) -> None:
    logger.info(shape.format(secret))
    logger.info("%s", shape.format(secret))
    logger.info("plain", extra={"found": [shape.format(secret)]})
    for part in ("sdWIiOiJzYXJhIn0", "c2lnbmF0dXJl", "MC4CAQAwBQY"):
        assert part not in stream.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "TokenRefused: the token has expired",
        "no bearer token in the metadata",
        "celery@host ready.",
        "beat: Starting...",
        "relay is ready",
        "configuration tenant:nile revision 3 applied from Redis, 12 ms after its commit",
        "http://localhost:8000/admin/ answered 200",
        "EGX: FIX on 127.0.0.1:9101, admin on 127.0.0.1:9201",
        "a@b.example wrote to redis://127.0.0.1:6379/0",
    ],
)
def test_what_is_no_secret_stays_as_it_was(logger: logging.Logger, stream: io.StringIO, text: str) -> None:
    logger.info(text)
    assert last(stream)["message"] == text


def test_text_lines_have_the_same_content() -> None:
    formatter = StructuredFormatter(process="relay", format="text", redact=NAMES)
    record = logging.makeLogRecord({"name": "a.b", "levelname": "INFO", "msg": "password=x1y2", "order": 7})
    assert formatter.format(record).endswith("INFO a.b: password=[redacted] order=7")


def test_setting_up_leaves_one_handler_and_takes_over_libraries_own() -> None:
    root, library = logging.getLogger(), logging.getLogger("uvicorn.error")
    handlers, level, theirs = list(root.handlers), root.level, list(library.handlers)
    stream = io.StringIO()
    try:
        root.addHandler(logging.StreamHandler(io.StringIO()))
        library.addHandler(logging.StreamHandler(io.StringIO()))
        library.propagate = False
        set_up_logging("web", LoggingConfig(format="json", level="WARNING", redact=NAMES), stream=stream)
        set_up_logging("web", LoggingConfig(format="json", level="WARNING", redact=NAMES), stream=stream)
        assert len([each for each in root.handlers if type(each) is logging.StreamHandler]) == 1
        library.warning("once")
        library.info("too low")
        assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["once"]
    finally:
        logging.captureWarnings(False)
        root.handlers[:], root.level, library.handlers[:] = handlers, level, theirs


def test_djangos_configuration_uses_the_same_formatter() -> None:
    config = django_logging("web", LoggingConfig(format="json", level="INFO", redact=NAMES))
    formatter = logging.config.DictConfigurator(config).configure_formatter(config["formatters"]["structured"])  # type: ignore[attr-defined]
    assert isinstance(formatter, StructuredFormatter)
    assert "hunter2" not in formatter.format(logging.makeLogRecord({"msg": "password=hunter2"}))

"""The last part of an order's trace: its projection, the frame to a browser, and the command that shows it all."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import redis
from django.core.management import CommandError, call_command

from tenants.models import Tenant
from tests.integration.trading.test_projector import accepted, denied, fill
from trading_workers.fanout import Hub, Subscriber, TracedFrame
from trading_workers.journal import records
from trading_workers.journal.recovery import recover
from trading_workers.journal.writer import JournalWriter
from trading_workers.projector.projector import Projector
from tradsys.configuration import Configuration
from tradsys.embedded.servers import EmbeddedServers
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.telemetry.span_file import KeptSpan, SpanFile, read_spans
from tradsys.mesh.telemetry.tracing import TRACING

TRACE = "0af7651916cd43dd8448eb211c80319c"
LINK = f"{TRACE}-b7ad6b7169203331"


def traced(order_id: int, link: str = LINK) -> records.OrderAccepted:
    return msgspec.structs.replace(accepted(order_id), trace_id=link)


@pytest.fixture
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, servers: EmbeddedServers) -> Path:
    """A data folder of its own, with this run's servers."""
    found = Configuration.from_environment()
    for name, text in {
        "TRADSYS_VAR": str(tmp_path),
        "TRADSYS_DATABASE_URL": found.database_url,
        "TRADSYS_REDIS_URL": found.redis_url,
        "TRADSYS_SECRET_KEY_FILE": str(found.secret_key_file),
    }.items():
        monkeypatch.setenv(name, text)
    return tmp_path


@pytest.fixture
def tracing(var: Path) -> Iterator[None]:
    TRACING.use_exporter("projector", SpanFile(var / "traces" / "projector.jsonl", megabytes=1), namespace="test")
    yield
    TRACING.close()


def write(var: Path, *payloads: records.AnyPayload, at: int | None = None) -> None:
    directory = var / "worker-1" / "journal"
    writer = JournalWriter(directory, recover(directory))
    writer.append([records.encode(payload) for payload in payloads], at or time.time_ns())
    writer.close()


def project(var: Path) -> None:
    projector = Projector(var=var, redis_url=Configuration.from_environment().redis_url, stop=threading.Event())
    while projector.project_all():
        pass


def spans(var: Path) -> list[KeptSpan]:
    TRACING.flush()
    return read_spans(var / "traces", TRACE)


def show(*arguments: str) -> str:
    out = io.StringIO()
    call_command("trace", *arguments, stdout=out)
    return out.getvalue()


@pytest.fixture
def announcements(servers: EmbeddedServers) -> Iterator[Callable[[], dict[str, object]]]:
    listener = redis.Redis.from_url(Configuration.from_environment().redis_url).pubsub(ignore_subscribe_messages=True)
    listener.subscribe("tenant:alpha:orders")
    listener.get_message(timeout=1)

    def hear() -> dict[str, object]:
        message = listener.get_message(timeout=5)
        assert message is not None
        found: dict[str, object] = json.loads(message["data"])
        return found

    yield hear
    listener.close()


def test_a_change_of_a_traced_order_is_a_span_and_its_link_travels_with_the_event(
    tenant_a: Tenant, var: Path, tracing: None, announcements: Callable[[], dict[str, object]]
) -> None:
    labels = {"worker": "worker-1"}
    before = METRICS.registry.get_sample_value("tradsys_projected_records_total", labels) or 0
    metered = METRICS.registry.get_sample_value("tradsys_usage_total", {"tenant": "alpha", "meter": "orders"}) or 0
    write(var, traced(1), accepted(2), fill(1, 1, 60, 60))
    project(var)
    [span] = spans(var)
    assert (span.name, span.parent) == ("projection", LINK[33:])
    assert (span.attributes["order_id"], span.attributes["state"]) == ("1", "PARTIALLY_FILLED")
    first, second = announcements(), announcements()
    assert first["order_id"] == 2
    assert "trace" not in first
    assert (second["order_id"], second["trace"]) == (1, f"{TRACE}-{span.span}")
    assert METRICS.registry.get_sample_value("tradsys_projected_records_total", labels) == before + 3
    assert METRICS.registry.get_sample_value("tradsys_usage_total", {"tenant": "alpha", "meter": "orders"}) == metered + 2
    lag = METRICS.registry.get_sample_value("tradsys_projection_lag_seconds", labels)
    assert lag is not None
    assert 0 <= lag < 30


def test_reading_old_records_again_begins_no_spans(
    tenant_a: Tenant, var: Path, tracing: None, announcements: Callable[[], dict[str, object]]
) -> None:
    write(var, traced(1), at=time.time_ns() - 3_600_000_000_000)
    project(var)
    assert "trace" not in announcements()
    assert spans(var) == []


async def test_the_frame_of_a_traced_order_is_the_last_span(var: Path, tracing: None) -> None:
    hub, subscriber = Hub(Configuration.from_environment().redis_url), Subscriber()

    async def nothing() -> str:
        return "null"

    await hub.subscribe("tenant:alpha:orders", "orders", subscriber, nothing)
    try:
        await subscriber.take()
        hub._publish("tenant:alpha:orders", json.dumps({"order_id": 1, "trace": LINK}))
        hub._publish("tenant:alpha:orders", json.dumps({"order_id": 2, "text": f'"trace": "{LINK}"'}))
        frame, plain = await subscriber.take(), await subscriber.take()
        assert isinstance(frame, TracedFrame)
        assert not isinstance(plain, TracedFrame), "only the event's own last field counts, not a remark of an exchange"
        frame.sent()
    finally:
        await hub.unsubscribe("tenant:alpha:orders", subscriber)
        await hub.close()
    [span] = spans(var)
    assert (span.name, span.parent) == ("websocket frame", LINK[33:])
    assert span.end >= span.start


def test_the_command_shows_the_tree_of_a_projected_order(tenant_a: Tenant, var: Path, tracing: None) -> None:
    began = TRACING.begin("tradsys.v1.OrderService/PlaceOrder", parent=f"{TRACE}-{'1' * 16}")
    assert began is not None
    write(var, traced(1, began.link))
    project(var)
    began.end()
    TRACING.flush()
    text = show("1", "--tenant", "alpha")
    assert f"order 1 of alpha (C1), trace {TRACE}, found in the tables of alpha" in text
    assert [line.split("ms")[-1].split()[:2] for line in text.splitlines()[2:]] == [
        ["tradsys.v1.OrderService/PlaceOrder", "projector"],
        ["└─", "projection"],
    ]
    tree = json.loads(show("C1", "--json"))
    assert (tree["trace"], tree["tenant"]) == (TRACE, "alpha")
    assert tree["spans"][0]["below"][0]["name"] == "projection"


def test_an_order_that_is_not_projected_yet_is_found_in_the_journal(tenant_a: Tenant, var: Path, tracing: None) -> None:
    span = TRACING.begin("checks", parent=LINK)
    assert span is not None
    span.end()
    TRACING.flush()
    write(var, traced(7), msgspec.structs.replace(denied("refused-1", {}), trace_id=LINK))
    assert "the journal of worker-1" in show("7")
    assert "the journal of worker-1" in show("refused-1", "--tenant", "alpha")


@pytest.mark.parametrize(
    ("link", "words"), [("", "it came while tracing was off"), (TRACE, "its trace was not sampled"), (LINK, "no span of trace")]
)
def test_an_order_without_spans_says_why(tenant_a: Tenant, var: Path, link: str, words: str) -> None:
    write(var, traced(1, link))
    with pytest.raises(CommandError, match=words):
        show("1")


def test_an_unknown_order_and_another_tenants_are_not_found(tenant_a: Tenant, tenant_b: Tenant, var: Path) -> None:
    write(var, traced(1))
    project(var)
    for arguments in (["2"], ["nothing"], ["1", "--tenant", "beta"]):
        with pytest.raises(CommandError, match="no order has"):
            show(*arguments)
    with pytest.raises(CommandError, match="nowhere"):
        show("1", "--tenant", "nowhere")

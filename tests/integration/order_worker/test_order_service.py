"""The gRPC door of a running worker: orders to the venue and back, and what it does with bad input."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from tests.order_platform import (
    PRICE,
    configuration_of,
    limit_order,
    new_id,
    tenant_tables,
    token,
    wait_for,
)
from tests.smoke.platform import Platform
from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.client.gateway import OrderGateway
from trading_workers.client.stream import OrderStream
from trading_workers.client.workers import program_channel
from tradsys.mesh.tokens import issue
from tradsys.v1 import orders_pb2 as pb
from tradsys.v1 import orders_pb2_grpc

INT64_MAX = 2**63 - 1


@pytest.fixture
def gateway(platform: Platform) -> OrderGateway:
    return OrderGateway(platform.worker_door, token(platform), door="rest")


@pytest.fixture
async def stream(platform: Platform) -> AsyncIterator[OrderStream]:
    async with OrderStream(platform.order_worker, lambda: token(platform), trust=platform.trust) as opened:
        yield opened


@pytest.fixture
def channel(platform: Platform) -> Iterator[grpc.Channel]:
    with platform.worker_door.channel() as opened:
        yield opened


def refusal_of(error: grpc.RpcError) -> tuple[str, dict[str, str]]:
    """Code and figures of the ErrorInfo in a failed call's status."""
    trailing = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailing["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    return info.reason, dict(info.metadata)


def call_raw(channel: grpc.Channel, method: str, raw: bytes, authorization: str) -> bytes:
    call = channel.unary_unary(f"/tradsys.v1.OrderService/{method}")
    answer: bytes = call(raw, metadata=(("authorization", authorization),), timeout=5)
    return answer


def serving(channel: grpc.Channel) -> bool:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="tradsys.v1.OrderService"), timeout=5)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def test_two_orders_meet_and_both_sides_hear_of_it_and_the_tables_hold_it(platform: Platform, stream: OrderStream) -> None:
    buy, sell = limit_order(pb.BUY, 70), limit_order(pb.SELL, 70, account="COR-002")
    bought, sold = await stream.submit_many([pb.OrderInstruction(place=buy), pb.OrderInstruction(place=sell)])
    async with asyncio.timeout(5):
        assert await stream.reached(bought.order_id) == pb.FILLED
        assert await stream.reached(sold.order_id) == pb.FILLED
    with tenant_tables(platform) as tables:

        def filled() -> list[dict[str, object]]:
            return tables.execute(
                "SELECT o.account, o.cumulative, o.filled_value, e.price, e.quantity FROM blotter_order o"
                " JOIN blotter_execution e USING (order_id) WHERE o.state = 'FILLED' AND o.client_order_id = ANY(%s) ORDER BY 1",
                [[buy.client_order_id, sell.client_order_id]],
            ).fetchall()

        wait_for(lambda: len(filled()) == 2, what="both rows filled")
        rows = filled()
    assert [(row["account"], row["cumulative"], row["price"], row["quantity"]) for row in rows] == [
        ("COR-001", 70, PRICE, 70),
        ("COR-002", 70, PRICE, 70),
    ]
    assert {str(row["filled_value"]) for row in rows} == {"9730.000000"}


def test_an_order_can_be_cancelled_and_sending_either_again_gives_the_first_answer(gateway: OrderGateway) -> None:
    order = limit_order(pb.BUY, 10, price=PRICE - 10_000_000)
    first = gateway.place(order)
    again = gateway.place(order)
    assert (again.order_id, again.journal_sequence, again.duplicate) == (first.order_id, first.journal_sequence, True)
    wait_for(lambda: gateway.order("COR-001", order.client_order_id).state == pb.NEW, what="the order at the venue")
    assert order.client_order_id in {view.order.client_order_id for view in gateway.open_orders("COR-001")}
    cancel = pb.CancelRequest(account="COR-001", client_order_id=new_id(), orig_client_order_id=order.client_order_id)
    assert gateway.cancel(cancel).state == pb.PENDING_CANCEL
    assert gateway.cancel(cancel).duplicate
    wait_for(lambda: gateway.order("COR-001", order.client_order_id).state == pb.CANCELED, what="the cancel")


def test_the_same_id_with_other_content_is_refused(gateway: OrderGateway) -> None:
    order = limit_order(pb.BUY, 10, price=PRICE - 10_000_000)
    gateway.place(order)
    other = limit_order(pb.BUY, 11, price=PRICE - 10_000_000, client_order_id=order.client_order_id)
    with pytest.raises(OrderRefused) as refused:
        gateway.place(other)
    assert refused.value.code == "DUPLICATE_ORDER_CONFLICT"


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (limit_order(pb.BUY, 10, price=PRICE + 1), "PRICE_OFF_TICK"),
        (limit_order(pb.BUY, 10, price=PRICE * 3), "PRICE_OUTSIDE_BAND"),
        (limit_order(pb.BUY, 100, account="COR-POOR"), "INSUFFICIENT_BUYING_POWER"),
        (limit_order(pb.SELL, 100, account="COR-POOR"), "INSUFFICIENT_POSITION"),
        (limit_order(pb.BUY, 10, account="AMA-001"), "ACCOUNT_UNKNOWN"),
        (limit_order(pb.BUY, -5), "QUANTITY_NOT_POSITIVE"),
        (limit_order(pb.BUY, INT64_MAX, price=PRICE), "ORDER_QUANTITY_LIMIT"),
        (limit_order(pb.BUY, 10, price=INT64_MAX), "PRICE_OFF_TICK"),
        (limit_order(pb.BUY, 10, price=-PRICE), "PRICE_REQUIRED"),
        (limit_order(7, 10), "MALFORMED_REQUEST"),
        (limit_order(pb.BUY, 10, client_order_id="x" * 37), "CLIENT_ORDER_ID_INVALID"),
        (limit_order(pb.BUY, 10, client_order_id="two\nlines"), "CLIENT_ORDER_ID_INVALID"),
    ],
)
def test_a_bad_order_is_refused_with_its_code(gateway: OrderGateway, order: pb.NewOrder, code: str) -> None:
    with pytest.raises(OrderRefused) as refused:
        gateway.place(order)
    assert refused.value.code == code
    assert refused.value.rule


def test_a_refused_order_is_a_row_with_its_rule_and_figures(platform: Platform, gateway: OrderGateway) -> None:
    order = limit_order(pb.BUY, 100, account="COR-POOR")
    with pytest.raises(OrderRefused) as refused:
        gateway.place(order)
    with tenant_tables(platform) as tables:
        query = "SELECT state, denied_code, denied_figures, door, order_id FROM blotter_order WHERE client_order_id = %s"
        wait_for(lambda: tables.execute(query, [order.client_order_id]).fetchone(), what="the row")
        row = tables.execute(query, [order.client_order_id]).fetchone()
    assert row is not None
    assert (row["state"], row["denied_code"], row["door"], row["order_id"]) == ("DENIED", "INSUFFICIENT_BUYING_POWER", "grpc", None)
    assert row["denied_figures"] == refused.value.figures


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"\xff\xff\xff\xff", "MALFORMED_REQUEST"),
        (b"\x0a\x03\xff\xfe\xfd", "MALFORMED_REQUEST"),
        (limit_order(pb.BUY, 10).SerializeToString() + b"\xf8\x07\x01", "UNKNOWN_FIELD"),
    ],
    ids=["not protobuf", "text that is not UTF-8", "field 127"],
)
def test_what_cannot_be_read_is_refused_with_its_code(
    platform: Platform, channel: grpc.Channel, gateway: OrderGateway, raw: bytes, code: str
) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        call_raw(channel, "PlaceOrder", raw, f"Bearer {token(platform)}")
    assert failed.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal_of(failed.value)[0] == code
    assert gateway.place(limit_order(pb.BUY, 10, price=PRICE - 10_000_000)).order_id


def test_a_call_without_a_good_token_is_refused(platform: Platform, channel: grpc.Channel) -> None:
    now = time.time_ns()
    stranger = Ed25519PrivateKey.generate()
    forged = issue(stranger, subject="x", tenant="corniche", role="trader", accounts=["*"], now=now)
    good = token(platform)
    header, payload, signature = good.split(".")
    for authorization in (
        "",
        "Bearer ",
        f"Basic {good}",
        "Bearer not-a-token",
        f"Bearer {forged}",
        f"Bearer {header}.{payload}.{signature[:-4]}AAAA",
    ):
        with pytest.raises(grpc.RpcError) as failed:
            call_raw(channel, "PlaceOrder", limit_order(pb.BUY, 1).SerializeToString(), authorization)
        assert failed.value.code() is grpc.StatusCode.UNAUTHENTICATED, authorization
        assert refusal_of(failed.value)[0] == "UNAUTHENTICATED"


def test_a_viewer_may_not_place_and_an_account_outside_the_token_does_not_exist(platform: Platform) -> None:
    viewer = OrderGateway(platform.worker_door, token(platform, role="viewer"), door="rest")
    with pytest.raises(OrderRefused) as refused:
        viewer.place(limit_order(pb.BUY, 1))
    assert refused.value.code == "METHOD_NOT_PERMITTED"
    narrow = OrderGateway(platform.worker_door, token(platform, accounts=("COR-002",)), door="rest")
    with pytest.raises(OrderRefused) as refused:
        narrow.place(limit_order(pb.BUY, 1))
    assert refused.value.code == "ACCOUNT_UNKNOWN"
    with pytest.raises(OrderRefused) as refused:
        narrow.order("COR-001", "anything")
    assert refused.value.code == "ORDER_UNKNOWN"


def test_each_tenant_sees_its_own_orders_only(platform: Platform, gateway: OrderGateway) -> None:
    order = limit_order(pb.BUY, 10, price=PRICE - 10_000_000)
    gateway.place(order)
    other = OrderGateway(platform.worker_door, token(platform, tenant="nile"), door="rest")
    assert not {view.order.account for view in other.open_orders()} & {"COR-001", "COR-002"}
    assert not other.open_orders("COR-001")
    with pytest.raises(OrderRefused):
        other.order("COR-001", order.client_order_id)


async def raw_stream(platform: Platform, *batches: bytes, more: tuple[tuple[str, str], ...] = ()) -> Any:
    """An open stream call to which `batches` were sent, as bytes; its channel lives as long as the call."""
    channel = program_channel(platform.order_worker, platform.trust)
    call = channel.stream_stream("/tradsys.v1.OrderService/StreamOrders")(
        metadata=(("authorization", f"Bearer {token(platform)}"), *more)
    )
    for batch in batches:
        await call.write(batch)
    return channel, call


async def test_a_batch_is_answered_in_order_also_where_some_of_it_is_refused(platform: Platform) -> None:
    good, poor = limit_order(pb.BUY, 10, price=PRICE - 10_000_000), limit_order(pb.BUY, 100, account="COR-POOR")
    unknown = pb.OrderInstruction.FromString(pb.OrderInstruction(place=good).SerializeToString() + b"\xf8\x07\x01")
    empty = pb.OrderInstruction()
    batch = pb.OrderBatch(instructions=[pb.OrderInstruction(place=good), unknown, pb.OrderInstruction(place=poor), empty])
    channel, call = await raw_stream(platform, batch.SerializeToString())
    async with channel, asyncio.timeout(5):
        answer = pb.OrderEventBatch.FromString(await call.read())
    codes = [ack.refusal.code for ack in answer.acks]
    assert codes == ["", "UNKNOWN_FIELD", "INSUFFICIENT_BUYING_POWER", "MALFORMED_REQUEST"]
    assert answer.acks[0].order_id


async def test_a_batch_above_the_largest_size_is_refused_as_a_whole(platform: Platform) -> None:
    orders = [pb.OrderInstruction(place=limit_order(pb.BUY, 1, price=PRICE - 10_000_000)) for _ in range(501)]
    channel, call = await raw_stream(platform, pb.OrderBatch(instructions=orders).SerializeToString())
    async with channel, asyncio.timeout(10):
        acks: list[pb.OrderAck] = []
        while len(acks) < 501:
            acks += pb.OrderEventBatch.FromString(await call.read()).acks
    assert {ack.refusal.code for ack in acks} == {"BATCH_TOO_LARGE"}


async def test_a_stream_of_garbage_ends_with_its_code_and_the_worker_goes_on(platform: Platform, channel: grpc.Channel) -> None:
    opened, call = await raw_stream(platform, b"\xff\xff\xff\xff")
    async with opened, asyncio.timeout(5):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await call.read()
            raise await call.code()
    assert refusal_of(failed.value)[0] == "MALFORMED_REQUEST"
    assert serving(channel)


def test_a_stream_that_is_cut_in_mid_message_harms_nobody(platform: Platform, channel: grpc.Channel, gateway: OrderGateway) -> None:
    host, _, port = platform.order_worker.rpartition(":")
    settings_frame = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    for fragment in (b"\x00\x40\x00\x00\x00\x00\x00\x00\x01" + b"\x00\x00\x00\x40\x00half", b"\x00\x00", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings_frame + fragment)
    assert serving(channel)
    assert gateway.place(limit_order(pb.BUY, 10, price=PRICE - 10_000_000)).order_id


async def test_a_client_that_goes_away_in_the_middle_leaves_what_was_decided(platform: Platform, gateway: OrderGateway) -> None:
    order = limit_order(pb.BUY, 10, price=PRICE - 10_000_000)
    batch = pb.OrderBatch(instructions=[pb.OrderInstruction(place=order)]).SerializeToString()
    channel, call = await raw_stream(platform, batch)
    call.cancel()
    await channel.close()
    answer = await asyncio.to_thread(gateway.place, order)
    assert answer.order_id
    assert not answer.HasField("refusal")


async def test_a_stream_opened_again_first_brings_what_was_missed(platform: Platform, gateway: OrderGateway) -> None:
    channel, call = await raw_stream(platform)
    async with asyncio.timeout(5):
        heard = dict(await call.initial_metadata())["tradsys-journal-sequence"]
    await channel.close()
    order = limit_order(pb.BUY, 30)
    bought = await asyncio.to_thread(gateway.place, order)
    await asyncio.to_thread(gateway.place, limit_order(pb.SELL, 30, account="COR-002"))
    await asyncio.to_thread(wait_for, lambda: gateway.order("COR-001", order.client_order_id).state == pb.FILLED, what="the fill")
    channel, call = await raw_stream(platform, more=(("tradsys-reports-after", heard),))
    async with channel, asyncio.timeout(5):
        reports: list[pb.ExecutionReport] = []
        while not any(report.order_id == bought.order_id and report.state == pb.FILLED for report in reports):
            reports += pb.OrderEventBatch.FromString(await call.read()).reports
    sequences = [report.journal_sequence for report in reports]
    assert sequences == sorted(set(sequences))
    assert min(sequences) > int(heard)


def test_a_changed_limit_reaches_the_worker_within_a_second(platform: Platform, gateway: OrderGateway) -> None:
    def change(quantity: int) -> None:
        platform.manage(
            "shell",
            "-c",
            "from tenants.kernel.entry_points import enter_for_command\n"
            "from trading_workers.blotter.services import change_limits\n"
            "with enter_for_command('corniche'):\n"
            f"    change_limits(actor='test', code='COR-002', max_order_quantity={quantity})",
        )

    change(5)

    def refused() -> bool:
        try:
            gateway.place(limit_order(pb.BUY, 10, account="COR-002", price=PRICE - 10_000_000))
        except OrderRefused as error:
            return error.code == "ORDER_QUANTITY_LIMIT"
        return False

    wait_for(refused, seconds=3, what="the new limit")
    server = redis.Redis.from_url(configuration_of(platform).redis_url)

    def acknowledged() -> dict[str, int]:
        found: dict[str, int] = json.loads(server.hget("tradsys:snapshot-acks:worker-1", "corniche"))
        return found

    revision = acknowledged()["revision"]
    change(1_000_000)
    wait_for(lambda: acknowledged()["revision"] > revision, what="the acknowledgement")
    assert acknowledged()["lag_ms"] < 1000


def test_health_and_reflection_answer(channel: grpc.Channel) -> None:
    assert serving(channel)
    assert "tradsys.v1.OrderService" in ProtoReflectionDescriptorDatabase(channel).get_services()
    assert orders_pb2_grpc.OrderServiceStub(channel) is not None


def test_a_revoked_token_is_refused_on_every_worker_and_a_new_one_counts(platform: Platform) -> None:
    old = OrderGateway(platform.worker_door, token(platform, role="viewer"), door="grpc")
    assert old.open_orders("COR-001") is not None
    platform.manage("revoke_token", "--tenant", "corniche", "--user", "corniche-viewer")

    def refused() -> bool:
        try:
            old.open_orders("COR-001")
        except OrderRefused as error:
            return error.code == "TOKEN_REVOKED"
        return False

    wait_for(refused, seconds=3, what="the revocation")
    new = OrderGateway(platform.worker_door, token(platform, role="viewer"), door="grpc")
    assert new.open_orders("COR-001") is not None


async def test_an_open_stream_ends_with_its_licence_and_cancels_go_on(platform: Platform, gateway: OrderGateway) -> None:
    order = limit_order(pb.BUY, 10, price=PRICE - 10_000_000)
    await asyncio.to_thread(gateway.place, order)
    channel, call = await raw_stream(platform)
    async with channel, asyncio.timeout(30):
        await call.initial_metadata()
        await asyncio.to_thread(platform.manage, "licence", "corniche", "--suspend")
        try:
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                while await call.read() is not grpc.aio.EOF:
                    pass
                raise AssertionError(await call.code())
            assert refusal_of(ended.value)[0] == "LICENSE_SUSPENDED"
            with pytest.raises(OrderRefused) as refused:
                await asyncio.to_thread(gateway.place, limit_order(pb.BUY, 10))
            assert refused.value.code == "LICENSE_SUSPENDED"
            cancel = pb.CancelRequest(account="COR-001", client_order_id=new_id(), orig_client_order_id=order.client_order_id)
            assert (await asyncio.to_thread(gateway.cancel, cancel)).state == pb.PENDING_CANCEL
        finally:
            await asyncio.to_thread(platform.manage, "licence", "corniche", "--reinstate")

    def taken() -> bool:
        try:
            return bool(gateway.place(limit_order(pb.BUY, 10, price=PRICE - 10_000_000)).order_id)
        except OrderRefused:
            return False

    await asyncio.to_thread(wait_for, taken, seconds=3, what="the licence")


async def test_a_worker_that_is_told_to_stop_answers_what_is_due_says_where_to_go_and_ends(platform: Platform) -> None:
    """The last of this file: the supervisor starts the worker again."""
    worker = int(json.loads((platform.var / "addresses.json").read_text(encoding="utf-8"))["processes"]["order-worker-1"])
    orders = [limit_order(pb.BUY, 10, price=PRICE - 10_000_000) for _ in range(20)]
    channel, call = await raw_stream(platform)
    async with channel, asyncio.timeout(20):
        acks: list[pb.OrderAck] = []
        for order in orders:
            await call.write(pb.OrderBatch(instructions=[pb.OrderInstruction(place=order)]).SerializeToString())
            if not acks:
                acks += pb.OrderEventBatch.FromString(await call.read()).acks
        began = time.monotonic()
        os.kill(worker, signal.SIGTERM)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            while (raw := await call.read()) is not grpc.aio.EOF:
                acks += pb.OrderEventBatch.FromString(raw).acks
            raise AssertionError(await call.code())
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "SERVICE_DRAINING" in str(ended.value.details())
    answered = {ack.client_order_id: ack.order_id for ack in acks}
    assert list(answered) == [order.client_order_id for order in orders[: len(acks)]]
    wait_for(lambda: not Path(f"/proc/{worker}").exists(), seconds=6, what="the end of the worker")
    assert time.monotonic() - began < 8
    again = OrderGateway(platform.worker_door, token(platform), door="grpc")

    def first_answers() -> dict[str, int]:
        try:
            return {ack.client_order_id: ack.order_id for ack in map(again.place, orders[: len(acks)]) if ack.duplicate}
        except (OrderRefused, OrderPathUnavailable):
            return {}

    await asyncio.to_thread(wait_for, lambda: first_answers() == answered, seconds=20, what="the answers that were given before")

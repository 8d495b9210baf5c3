"""The doors of people reach an account's worker by name, over mutual TLS, and say truly whether anything was sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.integration.mesh.backends import Door
from tests.mesh_documents import SERVICE, an_instance, mesh_config
from tests.mesh_trust import certificate_folder
from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.client.gateway import OrderGateway
from trading_workers.client.stream import OrderStream
from trading_workers.client.workers import MeshWorkers, WorkerDoor, account_affinity, door_of_account
from tradsys.mesh.balancing import by_affinity
from tradsys.mesh.channels.blocking import BlockingMeshChannels
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.registry.instance import Instance
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.trust.certificates import BUNDLE
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles, server_credentials
from tradsys.v1 import orders_pb2 as pb

CONFIG = mesh_config()
NAMES = ("worker-1", "worker-2")
ORDER = pb.NewOrder(client_order_id="o1", account="NILE-001", exchange="EGX", symbol="COMI", quantity=10, price=1)


class FakeWorker:
    """An order worker's two doors around a service that accepts everything, or what the test wants."""

    def __init__(self, process: str, folder: Path) -> None:
        self.process = process
        self.placed: list[str] = []
        self.heard: dict[str, Any] = {}
        self.refusal: CallRefusal | None = None
        self.answers = True
        self.mesh, self.clients = Door(), Door()
        self._folder = folder
        self._server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        handlers = {
            "PlaceOrder": grpc.unary_unary_rpc_method_handler(self.place),
            "StreamOrders": grpc.stream_stream_rpc_method_handler(self.stream),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
        self.instance: Instance

    async def start(self) -> None:
        addresses = []
        for door, needs in ((self.mesh, True), (self.clients, False)):
            files = IdentityFiles.of(self._folder, self.process)
            port = self._server.add_secure_port(
                "127.0.0.1:0", server_credentials(files, clients_need_certificate=needs, reload_ms=1000)
            )
            addresses.append(f"127.0.0.1:{await door.open(port)}")
        await self._server.start()
        self.instance = an_instance(self.process, mesh_address=addresses[0], client_address=addresses[1])

    async def stop(self) -> None:
        self.mesh.lock()
        self.clients.lock()
        await self._server.stop(None)

    async def place(self, raw: bytes, context: Any) -> bytes:
        order = pb.NewOrder.FromString(raw)
        self.placed.append(order.client_order_id)
        self.heard = dict(context.invocation_metadata())
        self.heard["peer"] = context.auth_context().get("x509_common_name", [b""])[0].decode()
        if self.refusal is not None:
            await abort_with_refusal(context, self.refusal, {"problem": "as the test wants it"})
        if not self.answers:
            self.mesh.slam()
            await asyncio.sleep(10)
        return pb.OrderAck(client_order_id=order.client_order_id, order_id=7, state=pb.PENDING_NEW).SerializeToString()

    async def stream(self, _requests: object, context: Any) -> None:
        await context.send_initial_metadata((("tradsys-journal-sequence", "41"),))
        while (raw := await context.read()) is not grpc.aio.EOF:
            batch = pb.OrderBatch.FromString(raw)
            self.placed += [each.place.client_order_id for each in batch.instructions]
            if self.answers:
                acks = [pb.OrderAck(client_order_id=each.place.client_order_id, order_id=7) for each in batch.instructions]
                await context.write(pb.OrderEventBatch(acks=acks).SerializeToString())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return certificate_folder(tmp_path, *NAMES, "web", config=CONFIG)


@pytest.fixture
async def workers(folder: Path) -> AsyncIterator[dict[str, FakeWorker]]:
    found = {name: FakeWorker(name, folder) for name in NAMES}
    for worker in found.values():
        await worker.start()
    yield found
    for worker in found.values():
        await worker.stop()


@pytest.fixture
def registry(workers: dict[str, FakeWorker]) -> Registry:
    registry = Registry()
    registry.replace([worker.instance for worker in workers.values()], {}, now=0)
    return registry


@pytest.fixture
async def gateway(registry: Registry, folder: Path) -> AsyncIterator[OrderGateway]:
    trust = ChannelTrust(folder / BUNDLE, IdentityFiles.of(folder, "web"), 1000)
    channels = BlockingMeshChannels(registry, CONFIG, trust)
    yield OrderGateway(MeshWorkers(channels, tenant="nile"), "the-token", door="rest")
    await asyncio.to_thread(channels.close)


def home_of(workers: dict[str, FakeWorker], account: str = "NILE-001") -> tuple[FakeWorker, FakeWorker]:
    """The account's worker and the other one."""
    names = by_affinity(NAMES, account_affinity("nile", account))
    return workers[names[0]], workers[names[1]]


async def test_an_order_goes_to_its_accounts_worker_in_the_callers_name(
    workers: dict[str, FakeWorker], gateway: OrderGateway
) -> None:
    home, other = home_of(workers)
    ack = await asyncio.to_thread(gateway.place, ORDER)
    assert ack.order_id == 7
    assert (home.placed, other.placed) == (["o1"], [])
    assert home.heard["authorization"] == "Bearer the-token"
    assert home.heard["tradsys-door"] == "rest"
    assert home.heard["peer"] == "web"


async def test_an_order_whose_connection_dies_is_unknown_and_was_sent_once(
    workers: dict[str, FakeWorker], gateway: OrderGateway
) -> None:
    home, other = home_of(workers)
    await asyncio.to_thread(gateway.place, ORDER)
    home.answers = False
    with pytest.raises(OrderPathUnavailable):
        await asyncio.to_thread(gateway.place, pb.NewOrder(client_order_id="o2", account="NILE-001"))
    await asyncio.sleep(0.2)
    assert (home.placed, other.placed) == (["o1", "o2"], [])


async def test_an_order_never_goes_to_another_worker_while_its_own_has_a_lease(
    workers: dict[str, FakeWorker], gateway: OrderGateway, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_workers.client.gateway.DEADLINE_SECONDS", 0.4)
    home, other = home_of(workers)
    home.mesh.lock()
    with pytest.raises(OrderPathUnavailable, match="nothing was sent"):
        await asyncio.to_thread(gateway.place, ORDER)
    assert (home.placed, other.placed) == ([], [])
    registry.replace([other.instance], {}, now=0)
    await asyncio.to_thread(gateway.place, ORDER)
    assert (home.placed, other.placed) == ([], ["o1"])


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (CallRefusal.LICENSE_EXPIRED, OrderRefused),
        (CallRefusal.TOKEN_REVOKED, OrderRefused),
        (CallRefusal.SERVICE_DRAINING, OrderPathUnavailable),
    ],
)
async def test_a_refusal_of_the_order_is_told_apart_from_one_of_the_worker(
    workers: dict[str, FakeWorker], gateway: OrderGateway, refusal: CallRefusal, error: type[Exception]
) -> None:
    home, _ = home_of(workers)
    home.refusal = refusal
    with pytest.raises(error) as caught:
        await asyncio.to_thread(gateway.place, ORDER)
    assert len(home.placed) == 1
    if isinstance(caught.value, OrderRefused):
        assert (caught.value.code, caught.value.http_status) == (refusal.name, refusal.http_status)


async def test_by_name_a_call_without_an_account_is_a_mistake(gateway: OrderGateway) -> None:
    with pytest.raises(ValueError, match="asked for an account"):
        await asyncio.to_thread(gateway.open_orders)


async def test_a_program_needs_the_authority_and_nothing_else_for_its_door(workers: dict[str, FakeWorker], folder: Path) -> None:
    home, _ = home_of(workers)
    program = OrderGateway(
        WorkerDoor(home.instance.client_address, ChannelTrust(folder / BUNDLE, None, 1000)), "a-token", door="grpc"
    )
    await asyncio.to_thread(program.place, ORDER)
    assert home.placed == ["o1"]
    assert home.heard["peer"] == ""


async def test_a_program_does_not_talk_to_a_worker_of_another_authority(
    workers: dict[str, FakeWorker], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trading_workers.client.gateway.DEADLINE_SECONDS", 0.4)
    home, _ = home_of(workers)
    stranger = certificate_folder(tmp_path / "stranger", "worker-1", config=CONFIG)
    program = OrderGateway(
        WorkerDoor(home.instance.client_address, ChannelTrust(stranger / BUNDLE, None, 1000)), "a-token", door="grpc"
    )
    with pytest.raises(OrderPathUnavailable):
        await asyncio.to_thread(program.place, ORDER)
    assert home.placed == []


async def test_a_stream_finds_its_worker_by_name_and_what_is_unanswered_never_moves_to_another(
    workers: dict[str, FakeWorker], registry: Registry, folder: Path
) -> None:
    home, other = home_of(workers)
    trust = ChannelTrust(folder / BUNDLE, None, 1000)
    async with OrderStream(lambda: door_of_account(registry, "nile", "NILE-001"), lambda: "a-token", trust=trust) as stream:
        async with asyncio.timeout(5):
            assert (await stream.place(ORDER)).order_id == 7
            home.answers = False
            unanswered = stream.place(pb.NewOrder(client_order_id="o2", account="NILE-001"))
            while "o2" not in home.placed:
                await asyncio.sleep(0.01)
            home.clients.lock()
            registry.replace([other.instance], {}, now=0)
            with pytest.raises(OrderPathUnavailable, match="cannot say what became of it"):
                await unanswered
            assert (await stream.place(pb.NewOrder(client_order_id="o3", account="NILE-001"))).order_id == 7
    assert (home.placed, other.placed) == (["o1", "o2"], ["o3"])


async def test_a_stream_that_comes_back_to_the_same_worker_gives_it_again_what_is_unanswered(
    workers: dict[str, FakeWorker], folder: Path
) -> None:
    home, _ = home_of(workers)
    async with OrderStream(
        home.instance.client_address, lambda: "a-token", trust=ChannelTrust(folder / BUNDLE, None, 1000)
    ) as stream:
        async with asyncio.timeout(5):
            home.answers = False
            unanswered = stream.place(ORDER)
            while not home.placed:
                await asyncio.sleep(0.01)
            home.clients.slam()
            home.answers = True
            assert (await unanswered).order_id == 7
    assert home.placed == ["o1", "o1"]


async def test_a_stream_waits_while_nobody_keeps_its_account() -> None:
    registry, began = Registry(), time.monotonic()
    async with OrderStream(lambda: door_of_account(registry, "nile", "NILE-001"), lambda: "a-token", trust=None) as stream:
        waiting = stream.place(ORDER)
        done, _ = await asyncio.wait([waiting], timeout=0.3)
        assert not done
    assert time.monotonic() - began < 2

"""How a strategy's slice reaches an order worker through the mesh, and what each kind of failure becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from tests.mesh_documents import SERVICE, an_instance, mesh_config
from trading_workers.client.errors import OrderPathUnavailable, OrderRefused
from trading_workers.client.workers import account_affinity
from trading_workers.reasons import Reason
from trading_workers.strategies.order_placing import place_through
from tradsys.mesh.balancing import by_affinity
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.grpc_server import RefusalReason, abort_with_refusal
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.registry.local_copy import Registry
from tradsys.v1 import orders_pb2 as pb

ORDER = pb.NewOrder(client_order_id="s1.1", account="ACC-1", exchange="EGX", symbol="COMI", side=pb.BUY, quantity=10, price=1)


class Worker:
    """An order worker's door that acknowledges, or refuses as the test wants it."""

    def __init__(self) -> None:
        self.refusal: RefusalReason | None = None
        self.heard: list[tuple[pb.NewOrder, str]] = []
        self.server: Any = None
        self.port = 0

    async def place_order(self, raw: bytes, context: Any) -> bytes:
        self.heard.append((pb.NewOrder.FromString(raw), dict(context.invocation_metadata())["authorization"]))
        if self.refusal is not None:
            await abort_with_refusal(context, self.refusal, {"limit": "5"})
        return pb.OrderAck(client_order_id="s1.1", order_id=7, state=pb.PENDING_NEW).SerializeToString()


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    worker.server = grpc.aio.server()
    handlers = {"PlaceOrder": grpc.unary_unary_rpc_method_handler(worker.place_order)}
    worker.server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    worker.port = worker.server.add_insecure_port("127.0.0.1:0")
    await worker.server.start()
    yield worker
    await worker.server.stop(0)


@pytest.fixture
async def channels(worker: Worker) -> AsyncIterator[MeshChannels]:
    registry = Registry([an_instance("worker-1", mesh_address=f"127.0.0.1:{worker.port}")])
    channels = MeshChannels(registry, mesh_config(), None)
    yield channels
    await channels.close()


async def test_a_slice_arrives_with_its_callers_authorization(worker: Worker, channels: MeshChannels) -> None:
    ack = await place_through(channels)("nile", "Bearer of-the-caller", ORDER)
    assert (ack.order_id, worker.heard) == (7, [(ORDER, "Bearer of-the-caller")])


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Reason.ORDER_QUANTITY_LIMIT, "ORDER_QUANTITY_LIMIT"),
        (CallRefusal.TOKEN_REVOKED, "TOKEN_REVOKED"),
        (CallRefusal.FEATURE_NOT_LICENSED, "FEATURE_NOT_LICENSED"),
        (CallRefusal.METHOD_NOT_PERMITTED, "METHOD_NOT_PERMITTED"),
    ],
)
async def test_what_speaks_of_the_order_or_its_caller_is_a_refusal(
    worker: Worker, channels: MeshChannels, refusal: RefusalReason, code: str
) -> None:
    worker.refusal = refusal
    with pytest.raises(OrderRefused) as told:
        await place_through(channels)("nile", "Bearer x", ORDER)
    assert (told.value.code, told.value.figures["limit"], len(worker.heard)) == (code, "5", 1)


async def test_what_speaks_of_the_service_leaves_the_order_open(worker: Worker, channels: MeshChannels) -> None:
    worker.refusal = CallRefusal.SERVICE_DRAINING
    with pytest.raises(OrderPathUnavailable):
        await place_through(channels)("nile", "Bearer x", ORDER)
    await worker.server.stop(0)
    with pytest.raises(OrderPathUnavailable):
        await place_through(channels)("nile", "Bearer x", ORDER)


async def test_a_slice_goes_to_the_worker_that_keeps_the_account_and_to_no_other(worker: Worker) -> None:
    names = ["worker-1", "worker-2"]
    keeper = by_affinity(names, account_affinity("nile", "ACC-1"))[0]
    other = names[names.index(keeper) - 1]
    address = f"127.0.0.1:{worker.port}"
    for reachable, heard in ((keeper, 1), (other, 0)):
        worker.heard.clear()
        instances = [an_instance(name, mesh_address=address if name == reachable else "127.0.0.1:1") for name in names]
        channels = MeshChannels(Registry(instances), mesh_config(), None)
        if heard:
            await place_through(channels)("nile", "Bearer x", ORDER)
        else:
            with pytest.raises(OrderPathUnavailable):
                await place_through(channels)("nile", "Bearer x", ORDER)
        assert len(worker.heard) == heard
        await channels.close()


async def test_without_a_worker_nothing_is_sent() -> None:
    channels = MeshChannels(Registry(()), mesh_config(), None)
    with pytest.raises(OrderPathUnavailable, match="DEPENDENCY_UNAVAILABLE"):
        await place_through(channels)("nile", "Bearer x", ORDER)
    await channels.close()

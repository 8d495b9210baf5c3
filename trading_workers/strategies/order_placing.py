"""Places the orders of strategies through the mesh, in the name of whoever started them."""

from __future__ import annotations

import grpc

from trading_workers.client.errors import OrderPathUnavailable, from_rpc_error
from trading_workers.client.workers import account_affinity
from trading_workers.strategies.strategy_run import Place
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.refusals import CallRefused
from tradsys.mesh.resilience.deadlines import DeadlinePassed
from tradsys.v1 import orders_pb2

PLACE_ORDER = "/tradsys.v1.OrderService/PlaceOrder"
SECONDS = 2.0


def place_through(channels: MeshChannels) -> Place:
    """One call of the order path, on the worker that keeps the order's account."""

    async def place(tenant: str, authorization: str, order: orders_pb2.NewOrder) -> orders_pb2.OrderAck:
        try:
            return await channels.call(
                PLACE_ORDER,
                order,
                response=orders_pb2.OrderAck.FromString,
                timeout=SECONDS,
                affinity=account_affinity(tenant, order.account),
                stay=True,
                metadata=(("authorization", authorization),),
            )
        except CallRefused as refused:
            raise OrderPathUnavailable(refused.refusal.name) from refused
        except DeadlinePassed as late:
            raise OrderPathUnavailable(str(late)) from late
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(error) from error

    return place

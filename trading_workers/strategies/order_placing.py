"""Places the orders of strategies through the mesh, in the name of whoever started them."""

from __future__ import annotations

import grpc

from trading_workers.client.errors import OrderPathUnavailable, OrderRefused, from_rpc_error
from trading_workers.strategies.strategy_run import Place
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.resilience.deadlines import DeadlinePassed
from tradsys.v1 import orders_pb2

PLACE_ORDER = "/tradsys.v1.OrderService/PlaceOrder"
SECONDS = 2.0
FIRST_OF_THE_SERVICE = CallRefusal.SERVICE_DRAINING.number
"""From this number on a refusal speaks of the service, not of the order."""


def place_through(channels: MeshChannels) -> Place:
    """One call of the order path, on the worker that keeps the order's account."""

    async def place(authorization: str, order: orders_pb2.NewOrder) -> orders_pb2.OrderAck:
        try:
            return await channels.call(
                PLACE_ORDER,
                order,
                response=orders_pb2.OrderAck.FromString,
                timeout=SECONDS,
                affinity=order.account,
                stay=True,
                metadata=(("authorization", authorization),),
            )
        except CallRefused as refused:
            raise OrderPathUnavailable(refused.refusal.name) from refused
        except DeadlinePassed as late:
            raise OrderPathUnavailable(str(late)) from late
        except grpc.aio.AioRpcError as error:
            found = from_rpc_error(error)
            if isinstance(found, OrderRefused) and _is_of_the_service(found.code):
                raise OrderPathUnavailable(found.code) from error
            raise found from error

    return place


def _is_of_the_service(code: str) -> bool:
    known = CallRefusal.__members__.get(code)
    return known is not None and FIRST_OF_THE_SERVICE <= known.number < CallRefusal.ARGUMENT_INVALID.number

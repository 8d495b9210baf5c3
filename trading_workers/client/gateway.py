"""Blocking calls of the order path, for the doors of people: REST, pages and commands.

Order submission is never retried here: the caller repeats the same client order id and gets the first answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import grpc

from trading_workers.client.errors import OrderPathUnavailable, from_rpc_error
from trading_workers.client.workers import Workers
from tradsys.mesh.refusals import CallRefused
from tradsys.mesh.resilience.deadlines import DeadlinePassed
from tradsys.v1 import orders_pb2

Answer = TypeVar("Answer")
DEADLINE_SECONDS = 5.0


class OrderGateway:
    """The order path at ``workers`` for the bearer of ``token``.

    Every method raises :class:`~trading_workers.client.errors.OrderRefused` or
    :class:`~trading_workers.client.errors.OrderPathUnavailable`.
    """

    def __init__(self, workers: Workers, token: str, *, door: str) -> None:
        self._workers = workers
        self._metadata = (("authorization", f"Bearer {token}"), ("tradsys-door", door))

    def place(self, order: orders_pb2.NewOrder) -> orders_pb2.OrderAck:
        return self._call("PlaceOrder", order, orders_pb2.OrderAck.FromString)

    def cancel(self, request: orders_pb2.CancelRequest) -> orders_pb2.OrderAck:
        return self._call("CancelOrder", request, orders_pb2.OrderAck.FromString)

    def order(self, account: str, client_order_id: str) -> orders_pb2.OrderView:
        request = orders_pb2.GetOrderRequest(account=account, client_order_id=client_order_id)
        return self._call("GetOrder", request, orders_pb2.OrderView.FromString, idempotent=True)

    def open_orders(self, account: str = "") -> list[orders_pb2.OrderView]:
        """Without an account: of all accounts that one worker keeps, at that worker's own door only."""
        request = orders_pb2.ListOpenOrdersRequest(account=account)
        return list(self._call("ListOpenOrders", request, orders_pb2.ListOpenOrdersResponse.FromString, idempotent=True).orders)

    def _call(self, method: str, request: Any, response: Callable[[bytes], Answer], *, idempotent: bool = False) -> Answer:
        try:
            return self._workers.call(
                method,
                request,
                response=response,
                account=request.account,
                metadata=self._metadata,
                seconds=DEADLINE_SECONDS,
                idempotent=idempotent,
            )
        except CallRefused as refused:
            raise OrderPathUnavailable(f"nothing was sent: {refused}") from refused
        except DeadlinePassed as late:
            raise OrderPathUnavailable(str(late)) from late
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

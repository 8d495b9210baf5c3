"""Blocking calls of the order path, for the doors of people: REST, pages and commands.

One channel per process and address, shared by all threads. Order submission is never retried by the channel: the
caller repeats the same client order id and gets the first answer.
"""

from __future__ import annotations

import threading
from typing import Any

import grpc

from trading_workers.client.errors import from_rpc_error
from tradsys.v1 import orders_pb2, orders_pb2_grpc

DEADLINE_SECONDS = 5.0
CHANNEL_OPTIONS = (
    ("grpc.enable_retries", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

_stubs: dict[str, Any] = {}
_lock = threading.Lock()


def _stub(address: str) -> Any:
    with _lock:
        if address not in _stubs:
            channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
            _stubs[address] = orders_pb2_grpc.OrderServiceStub(channel)  # type: ignore[no-untyped-call]
        return _stubs[address]


class OrderGateway:
    """The order path at ``address`` for the bearer of ``token``.

    Every method raises :class:`~trading_workers.client.errors.OrderRefused` or
    :class:`~trading_workers.client.errors.OrderPathUnavailable`.
    """

    def __init__(self, address: str, token: str, *, door: str) -> None:
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"), ("tradsys-door", door))

    def place(self, order: orders_pb2.NewOrder) -> orders_pb2.OrderAck:
        return self._call("PlaceOrder", order)  # type: ignore[no-any-return]

    def cancel(self, request: orders_pb2.CancelRequest) -> orders_pb2.OrderAck:
        return self._call("CancelOrder", request)  # type: ignore[no-any-return]

    def order(self, account: str, client_order_id: str) -> orders_pb2.OrderView:
        request = orders_pb2.GetOrderRequest(account=account, client_order_id=client_order_id)
        return self._call("GetOrder", request)  # type: ignore[no-any-return]

    def open_orders(self, account: str = "") -> list[orders_pb2.OrderView]:
        return list(self._call("ListOpenOrders", orders_pb2.ListOpenOrdersRequest(account=account)).orders)

    def _call(self, method: str, request: Any) -> Any:
        try:
            # A worker that is just starting again is waited for, within the deadline.
            return getattr(_stub(self._address), method)(
                request, metadata=self._metadata, timeout=DEADLINE_SECONDS, wait_for_ready=True
            )
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

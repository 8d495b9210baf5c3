"""``tradsys.v1.OrderService``: unary calls for people and tools, one long-lived stream for programs, one group commit for both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import grpc

from trading_workers.order_path import OrderPath
from trading_workers.order_store import Order
from trading_workers.order_worker import wire
from trading_workers.order_worker.event_queues import OpenStreams
from trading_workers.order_worker.group_commit import GroupCommit
from trading_workers.order_worker.missed_reports import MissedReports
from trading_workers.order_worker.order_stream import OrderStreamCall
from trading_workers.orders import Answer, Caller, Instruction, Refusal
from trading_workers.reasons import Reason
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.tokens import ALL_ACCOUNTS, Claims, TokenRefused, TokenVerifier
from tradsys.v1 import orders_pb2 as pb

log = logging.getLogger("trading_workers.orders")

SERVICE_NAME = "tradsys.v1.OrderService"
STREAM_DOOR = "grpc-stream"
UNARY_DOOR = "grpc"
RESUME_METADATA = "tradsys-reports-after"
DOORS_OF_PEOPLE = frozenset({"rest", "page", "command"})
"""Said by the platform's own doors in the metadata ``tradsys-door``."""


class OrderService:
    """Handlers take and give bytes, so that what cannot be parsed is refused with its code. `now` gives nanoseconds UTC."""

    def __init__(
        self,
        *,
        path: OrderPath,
        commit: GroupCommit,
        streams: OpenStreams,
        missed: MissedReports,
        tokens: TokenVerifier,
        now: Callable[[], int],
    ) -> None:
        self._missed = missed
        self._path = path
        self._commit = commit
        self._streams = streams
        self._tokens = tokens
        self._now = now
        self._accepting = True

    def add_to(self, server: grpc.aio.Server) -> None:
        unary = {
            "PlaceOrder": self.place_order,
            "CancelOrder": self.cancel_order,
            "GetOrder": self.get_order,
            "ListOpenOrders": self.list_open_orders,
        }
        handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in unary.items()}
        handlers["StreamOrders"] = grpc.stream_stream_rpc_method_handler(self.stream_orders)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))

    def stop_accepting(self) -> None:
        """Open streams end after the answers that are due."""
        self._accepting = False
        self._streams.end_all()

    async def place_order(self, request: bytes, context: Any) -> bytes:
        caller = await self._caller(context, UNARY_DOOR)
        try:
            order = wire.to_order(wire.parse_known(request, pb.NewOrder))
        except wire.WireRefused as error:
            await _refuse(context, error.refusal)
        return await self._answer(context, caller, order)

    async def cancel_order(self, request: bytes, context: Any) -> bytes:
        caller = await self._caller(context, UNARY_DOOR)
        try:
            cancel = wire.to_cancel(wire.parse_known(request, pb.CancelRequest))
        except wire.WireRefused as error:
            await _refuse(context, error.refusal)
        return await self._answer(context, caller, cancel)

    async def get_order(self, request: bytes, context: Any) -> bytes:
        caller = await self._caller(context, UNARY_DOOR)
        try:
            wanted = wire.parse_known(request, pb.GetOrderRequest)
        except wire.WireRefused as error:
            await _refuse(context, error.refusal)
        order = None
        if caller.may_use(wanted.account):
            order = self._path.order(caller.tenant, wanted.account, wanted.client_order_id, self._now())
        if order is None:
            figures = {"account": wanted.account, "client_order_id": wanted.client_order_id}
            await _refuse(context, Refusal(Reason.ORDER_UNKNOWN, figures))
        return wire.to_view(order).SerializeToString()

    async def list_open_orders(self, request: bytes, context: Any) -> bytes:
        caller = await self._caller(context, UNARY_DOOR)
        try:
            wanted = wire.parse_known(request, pb.ListOpenOrdersRequest)
        except wire.WireRefused as error:
            await _refuse(context, error.refusal)
        found: list[Order] = list(self._path.open_orders(caller, wanted.account))
        return pb.ListOpenOrdersResponse(orders=[wire.to_view(order) for order in found]).SerializeToString()

    async def stream_orders(self, _requests: object, context: Any) -> None:
        claims, caller = await self._identified(context, STREAM_DOOR)
        if not self._accepting:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "this worker is stopping")
        after = str(dict(context.invocation_metadata() or ()).get(RESUME_METADATA, ""))
        if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
            await _refuse(
                context, Refusal(Reason.MALFORMED_REQUEST, {"metadata": RESUME_METADATA, "expected": "a journal sequence"})
            )
        call = OrderStreamCall(
            caller, claims.expires_at, commit=self._commit, streams=self._streams, missed=self._missed, now=self._now
        )
        await call.serve(context, reports_after=int(after) if after else None)

    async def _answer(self, context: Any, caller: Caller, instruction: Instruction) -> bytes:
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

        def done(answers: list[Answer]) -> None:
            # The caller may have gone away; what was decided stays decided, and the same id gets the same answer.
            if not answered.done():
                answered.set_result(answers[0])

        self._commit.submit(caller, [instruction], done)
        answer = await answered
        if answer.refusal is not None:
            await _refuse(context, answer.refusal)
        return wire.to_ack(answer).SerializeToString()

    async def _caller(self, context: Any, door: str) -> Caller:
        _, caller = await self._identified(context, door)
        return caller

    async def _identified(self, context: Any, door: str) -> tuple[Claims, Caller]:
        """Who calls, by the token in the metadata; ends the call with UNAUTHENTICATED otherwise."""
        metadata: Mapping[str, Any] = dict(context.invocation_metadata() or ())
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        if scheme.lower() != "bearer" or not token:
            await _refuse(context, Refusal(Reason.UNAUTHENTICATED, {"problem": "no bearer token in the metadata"}))
        try:
            claims = self._tokens.verify(token.strip(), now=self._now())
        except TokenRefused as error:
            await _refuse(context, Refusal(Reason.UNAUTHENTICATED, {"problem": str(error)}))
        asked = str(metadata.get("tradsys-door", ""))
        caller = Caller(
            tenant=claims.tenant,
            user=claims.subject,
            role=claims.role,
            accounts=None if ALL_ACCOUNTS in claims.accounts else claims.accounts,
            door=asked if door == UNARY_DOOR and asked in DOORS_OF_PEOPLE else door,
            trace_id=_trace_id(str(metadata.get("traceparent", ""))),
        )
        return claims, caller


async def _refuse(context: Any, refusal: Refusal) -> NoReturn:
    await abort_with_refusal(context, refusal.reason, refusal.figures)


def _trace_id(traceparent: str) -> str:
    """The trace id of a W3C traceparent header, empty for anything else."""
    parts = traceparent.split("-")
    if len(parts) < 4 or len(parts[1]) != 32 or not all(each in "0123456789abcdef" for each in parts[1]):
        return ""
    return parts[1]

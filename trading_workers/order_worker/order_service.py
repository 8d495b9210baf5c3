"""``tradsys.v1.OrderService``: unary calls for people and tools, one long-lived stream for programs, one group commit for both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from licensing.catalogue import Feature
from trading_workers.order_path import OrderPath
from trading_workers.order_store import Order
from trading_workers.order_worker import wire
from trading_workers.order_worker.event_queues import OpenStreams
from trading_workers.order_worker.group_commit import GroupCommit
from trading_workers.order_worker.missed_reports import MissedReports
from trading_workers.order_worker.order_stream import OrderStreamCall
from trading_workers.orders import Answer, Caller, Instruction, Refusal
from trading_workers.reasons import Reason
from tradsys.mesh.calls import current_call
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.service import MEMBERS, TRADER, MethodRule, ServiceDependency, UnifiedService
from tradsys.v1 import orders_pb2 as pb

log = logging.getLogger("trading_workers.orders")

RESUME_METADATA = "tradsys-reports-after"


class OrderService(UnifiedService):
    """Handlers take and give bytes, so that what cannot be parsed is refused with its code. `now` gives nanoseconds UTC."""

    NAME = "tradsys.v1.OrderService"
    ABOUT = "Places, cancels and reports orders."
    METHODS = (
        MethodRule(
            name="PlaceOrder",
            about="Place one order.",
            roles=frozenset({TRADER}),
            checked_per_order=True,
            meter="",
            idempotent=False,
        ),
        # Whoever may not trade any more must still be able to take his orders back.
        MethodRule(
            name="CancelOrder",
            about="Cancel one open order.",
            roles=frozenset({TRADER}),
            licensed=False,
            meter="",
            idempotent=False,
        ),
        MethodRule(name="GetOrder", about="One order as it stands.", roles=MEMBERS),
        MethodRule(name="ListOpenOrders", about="Open orders of an account, or of all that are open to the caller.", roles=MEMBERS),
        MethodRule(
            name="StreamOrders",
            about="Batches of instructions in, acknowledgements and execution reports out.",
            roles=MEMBERS,
            features=(Feature.DOOR_GRPC_STREAM.value,),
            meter="",
            idempotent=False,
            streaming=True,
        ),
    )
    DEPENDENCIES = (
        ServiceDependency(name="journal", kind="resource"),
        ServiceDependency(name="configuration", kind="resource"),
        ServiceDependency(name="lines", kind="resource", required=False),
    )

    def __init__(
        self,
        *,
        path: OrderPath,
        commit: GroupCommit,
        streams: OpenStreams,
        missed: MissedReports,
        now: Callable[[], int],
    ) -> None:
        self._missed = missed
        self._path = path
        self._commit = commit
        self._streams = streams
        self._now = now
        self._accepting = True

    def add_to(self, server: Any) -> None:
        unary = {
            "PlaceOrder": self.place_order,
            "CancelOrder": self.cancel_order,
            "GetOrder": self.get_order,
            "ListOpenOrders": self.list_open_orders,
        }
        handlers: dict[str, Any] = {name: grpc.unary_unary_rpc_method_handler(method) for name, method in unary.items()}
        handlers["StreamOrders"] = grpc.stream_stream_rpc_method_handler(self.stream_orders)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.NAME, handlers),))

    def drain(self) -> None:
        """Open streams end after the answers that are due."""
        self._accepting = False
        self._streams.end_all()

    async def place_order(self, request: bytes, context: Any) -> bytes:
        caller = present_caller()
        try:
            order = wire.to_order(wire.parse_known(request, pb.NewOrder))
        except wire.WireRefused as error:
            await _refuse(context, error.refusal)
        return await self._answer(context, caller, order)

    async def cancel_order(self, request: bytes, context: Any) -> bytes:
        caller = present_caller()
        try:
            cancel = wire.to_cancel(wire.parse_known(request, pb.CancelRequest))
        except wire.WireRefused as error:
            await _refuse(context, error.refusal)
        return await self._answer(context, caller, cancel)

    async def get_order(self, request: bytes, context: Any) -> bytes:
        caller = present_caller()
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
        caller = present_caller()
        try:
            wanted = wire.parse_known(request, pb.ListOpenOrdersRequest)
        except wire.WireRefused as error:
            await _refuse(context, error.refusal)
        found: list[Order] = list(self._path.open_orders(caller, wanted.account))
        return pb.ListOpenOrdersResponse(orders=[wire.to_view(order) for order in found]).SerializeToString()

    async def stream_orders(self, _requests: object, context: Any) -> None:
        caller, expires_at = present_caller(), current_call.get().identity.expires_at
        after = str(dict(context.invocation_metadata() or ()).get(RESUME_METADATA, ""))
        if after and not (after.isascii() and after.isdecimal() and len(after) < 19):
            await _refuse(
                context, Refusal(Reason.MALFORMED_REQUEST, {"metadata": RESUME_METADATA, "expected": "a journal sequence"})
            )
        call = OrderStreamCall(caller, expires_at, commit=self._commit, streams=self._streams, missed=self._missed, now=self._now)
        await call.serve(context, reports_after=int(after) if after else None)
        if not self._accepting:
            # Every answer that was due has been written. A status of its own kind, so that the client goes on elsewhere.
            await context.abort(grpc.StatusCode.UNAVAILABLE, f"{CallRefusal.SERVICE_DRAINING.name}: another instance goes on")

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


def present_caller() -> Caller:
    """Who makes the present call, as the order path knows callers."""
    call = current_call.get()
    identity = call.identity
    return Caller(
        tenant=identity.tenant,
        user=identity.subject,
        role=identity.role,
        accounts=identity.accounts,
        door=call.door,
        trace_id=call.trace,
    )


async def _refuse(context: Any, refusal: Refusal) -> NoReturn:
    await abort_with_refusal(context, refusal.reason, refusal.figures)

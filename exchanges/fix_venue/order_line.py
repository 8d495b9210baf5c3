"""The order line of one exchange as a service: instructions go out, each waits for the venue's answer to it, with a deadline.

An instruction whose caller has been told that its outcome is not known is never sent again by the session: the venue either has it
already, or will not get it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exchanges.exchange_service import ExchangeError, ExchangeRefusal, Order, OrderResult, OrderState, OrderStatus
from exchanges.fix import tags
from exchanges.fix.application import Application, UnsupportedMessageType
from exchanges.fix.clock import Clock
from exchanges.fix.connection import Initiator
from exchanges.fix.message import Message, UnsendableField
from exchanges.fix.session import LineDown, Session
from exchanges.fix.session_config import SessionConfig
from exchanges.fix.store import MemoryStore, StoreError
from exchanges.fix.timestamps import TimestampWriter
from exchanges.fix_venue.dialect import (
    CL_ORD_ID,
    EXECUTION_REPORT,
    NEW_ORDER_SINGLE,
    ORDER_CANCEL_REJECT,
    ORDER_CANCEL_REPLACE_REQUEST,
    ORDER_CANCEL_REQUEST,
    ORDER_STATUS_REQUEST,
    OrderDialect,
    ReportKind,
)
from exchanges.fix_venue.order_messages import OrderMessages
from exchanges.fix_venue.reports import CancelReject, Report, read_cancel_reject, read_report

log = logging.getLogger("exchanges.fix_venue")

_REFUSED: Final = {
    NEW_ORDER_SINGLE: ExchangeRefusal.ORDER_REJECTED,
    ORDER_CANCEL_REQUEST: ExchangeRefusal.CANCEL_REJECTED,
    ORDER_CANCEL_REPLACE_REQUEST: ExchangeRefusal.REPLACE_REJECTED,
    ORDER_STATUS_REQUEST: ExchangeRefusal.UNKNOWN_ORDER,
}
_UNSUPPORTED_TYPE: Final = b"3"
"""BusinessRejectReason (380)."""
_UNKNOWN_ID: Final = b"1"


@dataclass(slots=True)
class KnownOrder:
    """An order of ours, as the venue's last word has it."""

    order: Order
    client_order_id: str
    """Changes with a replace."""
    state: OrderState = OrderState.PENDING_NEW
    quantity: int = 0
    price: int = 0
    venue_order_id: str = ""
    cumulative: int = 0
    leaves: int = 0
    average_price: int = 0
    text: str = ""
    time: int = 0
    exec_ids: set[str] = field(default_factory=set)

    def result(self) -> OrderResult:
        return OrderResult(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            state=self.state,
            cumulative=self.cumulative,
            leaves=self.leaves,
            text=self.text,
            time=self.time,
        )

    def status(self) -> OrderStatus:
        return OrderStatus(
            client_order_id=self.client_order_id,
            venue_order_id=self.venue_order_id,
            symbol=self.order.symbol,
            side=self.order.side,
            state=self.state,
            quantity=self.quantity,
            price=self.price,
            cumulative=self.cumulative,
            leaves=self.leaves,
            average_price=self.average_price,
            text=self.text,
            time=self.time,
        )


@dataclass(slots=True, eq=False)
class _Request:
    """An instruction under way."""

    msg_type: str
    client_order_id: str
    known: KnownOrder
    answer: asyncio.Future[None]
    number: int = 0
    error: ExchangeError | None = None
    answered: bool = False
    quantity: int = 0
    price: int = 0


class OrderLine(Application):
    """`mic` goes into messages whose dialect asks for it; `answer_ms` is the deadline of every answer.

    Orders are known as long as the object lives, and the session's numbers start anew at each logon. (The order worker's lines
    are the durable ones: their store is the journal.)
    """

    def __init__(
        self,
        exchange: str,
        mic: str,
        dialect: OrderDialect,
        config: SessionConfig,
        clock: Clock,
        *,
        answer_ms: int,
    ) -> None:
        self.exchange = exchange
        self.up = asyncio.Event()
        self.initiator = Initiator(config, self, MemoryStore(), clock)
        self._dialect = dialect
        self._messages = OrderMessages(dialect, mic)
        self._clock = clock
        self._answer_ms = answer_ms
        self._timestamps = TimestampWriter()
        # Ids of one run differ from those of every other run of the same trading day.
        self._run = f"{clock.now() // 1_000_000:x}"
        self._ids = 0
        self._orders: dict[str, KnownOrder] = {}
        self._requests: list[_Request] = []

    # Instructions

    async def place(self, order: Order) -> OrderResult:
        if order.client_order_id in self._orders:
            raise ExchangeError(ExchangeRefusal.DUPLICATE_ORDER, client_order_id=order.client_order_id)
        if not self._messages.takes(order.type, order.time_in_force):
            raise ExchangeError(ExchangeRefusal.NOT_SUPPORTED, type=order.type, time_in_force=order.time_in_force)
        known = KnownOrder(order, order.client_order_id, quantity=order.quantity, price=order.price, leaves=order.quantity)
        self._orders[order.client_order_id] = known
        try:
            request = self._send(NEW_ORDER_SINGLE, known, order.client_order_id, order.quantity, order.price)
        except ExchangeError:
            del self._orders[order.client_order_id]
            raise
        await self._answer(request)
        return known.result()

    def order(self, order_id: str) -> Order:
        """The terms under which an order was placed. UNKNOWN_ORDER."""
        return self._known(order_id).order

    async def cancel(self, order_id: str) -> OrderResult:
        known = self._open(order_id)
        await self._answer(self._send(ORDER_CANCEL_REQUEST, known, self._own_id(), known.quantity, known.price))
        return known.result()

    async def replace(self, order_id: str, quantity: int, price: int) -> OrderResult:
        known = self._open(order_id)
        if not self._messages.has(ORDER_CANCEL_REPLACE_REQUEST):
            raise ExchangeError(ExchangeRefusal.NOT_SUPPORTED, operation="replace_order")
        await self._answer(self._send(ORDER_CANCEL_REPLACE_REQUEST, known, self._own_id(), quantity, price))
        return known.result()

    async def status(self, order_id: str) -> OrderStatus:
        known = self._known(order_id)
        if not self._messages.has(ORDER_STATUS_REQUEST):
            raise ExchangeError(ExchangeRefusal.NOT_SUPPORTED, operation="get_order_status")
        await self._answer(self._send(ORDER_STATUS_REQUEST, known, known.client_order_id, known.quantity, known.price))
        return known.status()

    def _known(self, order_id: str) -> KnownOrder:
        known = self._orders.get(order_id)
        if known is None:
            raise ExchangeError(ExchangeRefusal.UNKNOWN_ORDER, client_order_id=order_id)
        return known

    def _open(self, order_id: str) -> KnownOrder:
        known = self._known(order_id)
        if known.state.is_final:
            raise ExchangeError(ExchangeRefusal.TOO_LATE, client_order_id=order_id, state=known.state)
        return known

    def _own_id(self) -> str:
        self._ids += 1
        return f"{self._run}-{self._ids}"

    def _send(self, msg_type: str, known: KnownOrder, client_order_id: str, quantity: int, price: int) -> _Request:
        if not self.initiator.logged_on:
            raise ExchangeError(ExchangeRefusal.NOT_CONNECTED, exchange=self.exchange)
        order = known.order
        fields = self._messages.fields(
            msg_type, client_order_id.encode(), order.account, order.symbol, order.side, order.type, order.time_in_force,
            quantity, price, self._timestamps.write(self._clock.now()), known.client_order_id.encode(),
        )  # fmt: skip
        request = _Request(msg_type, client_order_id, known, asyncio.get_running_loop().create_future())
        request.quantity, request.price = quantity, price
        try:
            request.number = self.initiator.send(msg_type, fields)
        except UnsendableField as error:
            raise ExchangeError(ExchangeRefusal.INVALID_ORDER, client_order_id=client_order_id, cause=error) from error
        except (LineDown, StoreError) as error:
            raise ExchangeError(ExchangeRefusal.NOT_CONNECTED, exchange=self.exchange, cause=error) from error
        self._requests.append(request)
        return request

    async def _answer(self, request: _Request) -> None:
        """Wait for the venue's answer. Raises what it refused with, or that there was none in time."""
        try:
            async with asyncio.timeout(self._answer_ms / 1000):
                await request.answer
        except TimeoutError:
            raise ExchangeError(
                ExchangeRefusal.ANSWER_LATE, client_order_id=request.client_order_id, waited_ms=self._answer_ms
            ) from None
        finally:
            if request in self._requests:
                self._requests.remove(request)

    # FIX application

    def on_logon(self, session: Session) -> None:
        log.info("%s: order line is up", self.exchange)
        self.up.set()

    def on_logout(self, session: Session) -> None:
        log.warning("%s: order line is down, %d instructions without an answer", self.exchange, len(self._requests))
        self.up.clear()
        self.on_read_complete(session)
        for request in self._requests:
            self._refuse(request, ExchangeRefusal.LINE_LOST, {"client_order_id": request.client_order_id})
        self.on_read_complete(session)

    def may_resend(self, session: Session, message: Message) -> bool:
        # Whoever no longer waits has been told that the outcome is not known.
        name = message.get_text(CL_ORD_ID)
        return any(each.client_order_id == name and not each.answered for each in self._requests)

    def on_application_message(self, session: Session, message: Message) -> None:
        if message.msg_type == EXECUTION_REPORT:
            self._reported(read_report(message, self._dialect.reports))
        elif message.msg_type == ORDER_CANCEL_REJECT:
            self._cancel_rejected(read_cancel_reject(message, self._dialect.reports))
        elif message.msg_type == tags.BUSINESS_MESSAGE_REJECT:
            self._business_rejected(message)
        else:
            raise UnsupportedMessageType

    def on_reject(self, session: Session, message: Message) -> None:
        log.error("%s rejects a message of ours: %r", self.exchange, message)
        request = self._numbered(message)
        if request is not None:
            self._message_refused(request, message)

    def on_read_complete(self, session: Session) -> None:
        """Callers hear of their answers when everything that came with them has been applied: an order that traded at once
        is told as traded."""
        for request in [each for each in self._requests if each.answered]:
            self._requests.remove(request)
            if request.answer.done():
                continue
            if request.error is None:
                request.answer.set_result(None)
            else:
                request.answer.set_exception(request.error)

    # Within

    def _reported(self, report: Report) -> None:
        known = self._orders.get(report.client_order_id) or self._orders.get(report.original_client_order_id)
        if known is None:
            known = next((each.known for each in self._requests if each.client_order_id == report.client_order_id), None)
        if known is None:
            log.error("%s reports an order that is not ours: %r", self.exchange, report)
            return
        reports = self._dialect.reports
        if report.kind is ReportKind.REJECTED and report.reject_reason in reports.duplicate_order:
            # The venue has another order of this id; what it says here is not about ours.
            self._settle(NEW_ORDER_SINGLE, report.client_order_id, ExchangeRefusal.DUPLICATE_ORDER, report)
            self._orders.pop(report.client_order_id, None)
            return
        if report.kind is ReportKind.STATUS:
            self._status_reported(known, report)
            return
        if report.exec_id in known.exec_ids:
            return
        known.exec_ids.add(report.exec_id)
        self._apply(known, report)
        if report.kind is None:
            return
        if report.kind is ReportKind.REPLACED:
            self._replaced(known, report)
        elif report.kind is ReportKind.REJECTED:
            self._settle(NEW_ORDER_SINGLE, report.client_order_id, ExchangeRefusal.ORDER_REJECTED, report)
        else:
            self._settle(NEW_ORDER_SINGLE, known.order.client_order_id, None, report)
        if report.kind is ReportKind.CANCELED:
            for request in [each for each in self._requests if each.known is known and each.msg_type == ORDER_CANCEL_REQUEST]:
                request.answered = True

    def _apply(self, known: KnownOrder, report: Report) -> None:
        known.state = report.state or known.state
        known.venue_order_id = report.venue_order_id or known.venue_order_id
        known.cumulative, known.leaves, known.average_price = report.cumulative, report.leaves, report.average_price
        known.text, known.time = report.text, report.time

    def _replaced(self, known: KnownOrder, report: Report) -> None:
        for request in self._requests:
            if request.msg_type == ORDER_CANCEL_REPLACE_REQUEST and request.client_order_id == report.client_order_id:
                known.quantity, known.price = request.quantity, request.price
                request.answered = True
        # The order goes on under the new id; the old one still finds it.
        known.client_order_id = report.client_order_id
        self._orders[report.client_order_id] = known

    def _status_reported(self, known: KnownOrder, report: Report) -> None:
        if report.reject_reason in self._dialect.reports.unknown_order:
            self._settle(ORDER_STATUS_REQUEST, report.client_order_id, ExchangeRefusal.UNKNOWN_ORDER, report)
            return
        self._apply(known, report)
        self._settle(ORDER_STATUS_REQUEST, report.client_order_id, None, report)

    def _settle(self, msg_type: str, client_order_id: str, refusal: ExchangeRefusal | None, report: Report) -> None:
        for request in self._requests:
            if request.msg_type != msg_type or request.client_order_id != client_order_id:
                continue
            if refusal is None:
                request.answered = True
            else:
                figures = {
                    "client_order_id": client_order_id,
                    "reason": report.reject_reason.decode("latin-1"),
                    "text": report.text,
                }
                self._refuse(request, refusal, figures)

    def _cancel_rejected(self, reject: CancelReject) -> None:
        request = next((each for each in self._requests if each.client_order_id == reject.client_order_id), None)
        if request is None:
            log.error("%s rejects a cancel that nobody waits for: %r", self.exchange, reject)
            return
        reports = self._dialect.reports
        if reject.reason in reports.cancel_too_late:
            code = ExchangeRefusal.TOO_LATE
        elif reject.reason in reports.cancel_unknown_order:
            code = ExchangeRefusal.UNKNOWN_ORDER
        else:
            code = _REFUSED[request.msg_type]
        figures = {
            "client_order_id": request.known.client_order_id,
            "reason": reject.reason.decode("latin-1"),
            "text": reject.text,
        }
        self._refuse(request, code, figures)

    def _business_rejected(self, message: Message) -> None:
        request = self._numbered(message)
        if request is None:
            name = message.get_text(tags.BUSINESS_REJECT_REF_ID)
            request = next((each for each in self._requests if each.client_order_id == name), None)
        if request is None:
            log.error("%s refuses a message that nobody waits for: %r", self.exchange, message)
            return
        reason = message.get(tags.BUSINESS_REJECT_REASON) or b""
        if reason == _UNSUPPORTED_TYPE:
            figures = {"msg_type": request.msg_type, "text": message.get_text(tags.TEXT) or ""}
            self._refuse(request, ExchangeRefusal.NOT_SUPPORTED, figures)
        elif reason == _UNKNOWN_ID and request.msg_type != NEW_ORDER_SINGLE:
            figures = {"client_order_id": request.known.client_order_id, "text": message.get_text(tags.TEXT) or ""}
            self._refuse(request, ExchangeRefusal.UNKNOWN_ORDER, figures)
        else:
            self._message_refused(request, message)

    def _message_refused(self, request: _Request, message: Message) -> None:
        figures = {
            "msg_type": request.msg_type,
            "tag": message.get_text(tags.REF_TAG_ID) or "",
            "text": message.get_text(tags.TEXT) or "",
        }
        self._refuse(request, ExchangeRefusal.MESSAGE_REJECTED, {name: text for name, text in figures.items() if text})

    def _refuse(self, request: _Request, code: ExchangeRefusal, figures: Mapping[str, str]) -> None:
        if request.answered:
            return
        request.answered, request.error = True, ExchangeError(code, **figures)
        if request.msg_type == NEW_ORDER_SINGLE and code not in (ExchangeRefusal.LINE_LOST, ExchangeRefusal.ANSWER_LATE):
            known = request.known
            known.state, known.leaves = OrderState.REJECTED, 0

    def _numbered(self, message: Message) -> _Request | None:
        """The instruction that a reject names by its number (45)."""
        number = message.get_int(tags.REF_SEQ_NUM)
        return next((each for each in self._requests if each.number == number), None)

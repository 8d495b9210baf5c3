"""What the venue tells its members: ExecutionReport (8), OrderCancelReject (9), OrderMassCancelReport (r) of FIX 4.4. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

from exchanges.fix.message import Field
from exchanges.fix.timestamps import TimestampWriter
from exchanges.prices import price_to_text
from exchanges.simulator.matching import BUY, Execution, ExecutionKind, Order, OrderState
from exchanges.simulator.order_entry import (
    ORD_TYPE_CODES,
    TIME_IN_FORCE_CODES,
    CancelRequest,
    MassCancelRequest,
    NewOrder,
    ReplaceRequest,
    StatusRequest,
)

CXL_REJ_TOO_LATE: Final = 0
CXL_REJ_UNKNOWN_ORDER: Final = 1
CXL_REJ_DUPLICATE_CL_ORD_ID: Final = 6
CXL_REJ_OTHER: Final = 99
MASS_CANCEL_UNKNOWN_SECURITY: Final = 1
MASS_CANCEL_OTHER: Final = 99
ORD_REJ_UNKNOWN_ORDER: Final = 5
ORD_REJ_DUPLICATE_ORDER: Final = 6

_NO_ORDER: Final = b"NONE"
_ENDS: Final = (ExecutionKind.CANCELED, ExecutionKind.REJECTED, ExecutionKind.EXPIRED)


class Report(NamedTuple):
    """A message to a member, before it has a number. `write` makes its fields: a venue that starts again needs few of them."""

    member: str
    msg_type: str
    exec_id: bytes
    """ExecID (17); empty for a message that has none."""
    write: Callable[[], list[Field]]


class _Terms(NamedTuple):
    """What a replacement can change of an order, as it was when the report was due."""

    client_order_id: str
    original_client_order_id: str
    quantity: int
    price: int
    display_quantity: int


class ReportWriter:
    """Writes the reports of one venue; `prefix` marks all its ids."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._timestamps = TimestampWriter()

    def order_id(self, order: Order) -> str:
        """OrderID (37)."""
        return f"{self._prefix}-{order.order_id}"

    def exec_id(self, number: int) -> str:
        """ExecID (17): unique over the life of the venue and of the venues before it in the same place."""
        return f"{self._prefix}-X{number}"

    def execution(
        self, execution: Execution, *, client_order_id: str = "", original_client_order_id: str = "", reject_reason: int = 0
    ) -> Report:
        """The report of one execution. `client_order_id` (11) is the order's present one unless a request's own is to be told;
        `original_client_order_id` is then what the order was called before (41).
        """
        order = execution.order
        exec_id = self.exec_id(execution.number).encode()
        # The order's terms of now: a later request of the same read may change them before the fields are written.
        terms = _Terms(
            client_order_id or order.client_order_id, original_client_order_id, order.quantity, order.price, order.display_quantity
        )
        write = partial(self._execution_fields, execution, exec_id, terms, reject_reason)
        return Report(order.member, "8", exec_id, write)

    def _execution_fields(self, execution: Execution, exec_id: bytes, terms: _Terms, reject_reason: int) -> list[Field]:
        order = execution.order
        fields: list[Field] = [(37, self.order_id(order).encode()), (11, terms.client_order_id.encode())]
        if terms.original_client_order_id:
            fields.append((41, terms.original_client_order_id.encode()))
        fields += [
            (17, exec_id),
            (150, execution.kind.value.encode()),
            (39, execution.state.value.encode()),
        ]
        if execution.kind is ExecutionKind.REJECTED:
            fields.append((103, b"%d" % reject_reason))
        self._order_terms(fields, order, terms)
        if execution.kind is ExecutionKind.TRADE:
            fields += [(32, b"%d" % execution.quantity), (31, price_to_text(execution.price).encode())]
        self._figures(fields, execution.leaves, execution.cumulative, execution.notional, execution.now)
        if order.text and execution.kind in _ENDS:
            fields.append((58, order.text.encode()))
        return fields

    def status(self, request: StatusRequest, order: Order, number: int, now: int) -> Report:
        """Answer to OrderStatusRequest (150=I)."""
        exec_id = self.exec_id(number).encode()
        fields: list[Field] = [
            (37, self.order_id(order).encode()),
            (11, request.client_order_id.encode()),
            (17, exec_id),
            (150, b"I"),
            (39, order.state.value.encode()),
        ]
        self._order_terms(fields, order, _Terms("", "", order.quantity, order.price, order.display_quantity))
        self._figures(fields, order.leaves, order.cumulative, order.notional, now)
        return Report(order.member, "8", exec_id, lambda: fields)

    def unknown_status(self, member: str, request: StatusRequest, number: int, now: int) -> Report:
        """Answer to OrderStatusRequest for an order that the venue does not know."""
        exec_id = self.exec_id(number).encode()
        fields: list[Field] = [
            (37, _NO_ORDER),
            (11, request.client_order_id.encode()),
            (17, exec_id),
            (150, b"I"),
            (39, OrderState.REJECTED.value.encode()),
            (103, b"%d" % ORD_REJ_UNKNOWN_ORDER),
            (55, request.symbol.encode()),
            (54, _side_code(request.side)),
        ]
        self._figures(fields, 0, 0, 0, now)
        fields.append((58, b"unknown order"))
        return Report(member, "8", exec_id, lambda: fields)

    def duplicate(self, member: str, order: NewOrder, number: int, now: int) -> Report:
        """Reject of an order whose ClOrdID the member has used before; the first order is untouched."""
        exec_id = self.exec_id(number).encode()
        fields: list[Field] = [
            (37, _NO_ORDER),
            (11, order.client_order_id.encode()),
            (17, exec_id),
            (150, ExecutionKind.REJECTED.value.encode()),
            (39, OrderState.REJECTED.value.encode()),
            (103, b"%d" % ORD_REJ_DUPLICATE_ORDER),
            (1, order.account.encode()),
            (55, order.symbol.encode()),
            (54, _side_code(order.side)),
            (38, b"%d" % order.quantity),
        ]
        self._figures(fields, 0, 0, 0, now)
        fields.append((58, b"duplicate ClOrdID"))
        return Report(member, "8", exec_id, lambda: fields)

    def cancel_reject(
        self, member: str, request: CancelRequest | ReplaceRequest, order: Order | None, reason: int, text: str, now: int
    ) -> Report:
        """OrderCancelReject in answer to an OrderCancelRequest (434=1) or an OrderCancelReplaceRequest (434=2)."""
        state = OrderState.REJECTED if order is None else order.state
        fields: list[Field] = [
            (37, _NO_ORDER if order is None else self.order_id(order).encode()),
            (11, request.client_order_id.encode()),
            (41, request.original_client_order_id.encode()),
            (39, state.value.encode()),
            (60, self._timestamps.write(now)),
            (434, b"2" if isinstance(request, ReplaceRequest) else b"1"),
            (102, b"%d" % reason),
            (58, text.encode()),
        ]
        return Report(member, "9", b"", lambda: fields)

    def mass_cancel(self, member: str, request: MassCancelRequest, number: int, affected: int, now: int) -> Report:
        """OrderMassCancelReport: taken, `affected` orders are cancelled; their own reports follow it."""
        fields = self._mass_cancel_head(request, number, request.kind)
        fields.append((533, b"%d" % affected))
        self._mass_cancel_scope(fields, request, now)
        return Report(member, "r", b"", lambda: fields)

    def mass_cancel_reject(self, member: str, request: MassCancelRequest, number: int, reason: int, text: str, now: int) -> Report:
        """OrderMassCancelReport: refused (531=0), nothing is cancelled."""
        fields = self._mass_cancel_head(request, number, b"0")
        fields += [(532, b"%d" % reason), (533, b"0")]
        self._mass_cancel_scope(fields, request, now)
        fields.append((58, text.encode()))
        return Report(member, "r", b"", lambda: fields)

    def _mass_cancel_head(self, request: MassCancelRequest, number: int, response: bytes) -> list[Field]:
        # OrderID (37) of this report is the venue's own id of the request.
        return [
            (11, request.client_order_id.encode()),
            (37, self.exec_id(number).encode()),
            (530, request.kind),
            (531, response),
        ]

    def _mass_cancel_scope(self, fields: list[Field], request: MassCancelRequest, now: int) -> None:
        if request.symbol:
            fields.append((55, request.symbol.encode()))
        if request.side:
            fields.append((54, _side_code(request.side)))
        fields.append((60, self._timestamps.write(now)))

    def _order_terms(self, fields: list[Field], order: Order, terms: _Terms) -> None:
        fields += [
            (1, order.account.encode()),
            (55, order.symbol.encode()),
            (54, _side_code(order.side)),
            (38, b"%d" % terms.quantity),
            (40, ORD_TYPE_CODES[order.type]),
        ]
        if terms.price:
            fields.append((44, price_to_text(terms.price).encode()))
        fields.append((59, TIME_IN_FORCE_CODES[order.time_in_force]))
        if terms.display_quantity:
            fields.append((111, b"%d" % terms.display_quantity))

    def _figures(self, fields: list[Field], leaves: int, cumulative: int, notional: int, now: int) -> None:
        # AvgPx has no exact decimal; half up at the sixth place. The notional itself is exact, from the trades.
        average = (2 * notional + cumulative) // (2 * cumulative) if cumulative else 0
        fields += [
            (151, b"%d" % leaves),
            (14, b"%d" % cumulative),
            (6, price_to_text(average).encode()),
            (60, self._timestamps.write(now)),
        ]


def _side_code(side: int) -> bytes:
    return b"1" if side == BUY else b"2"

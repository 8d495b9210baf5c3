"""The dialect of a venue's order messages: which tags carry what, and by which codes. Data of a plugin.

Message types, ids of orders (11, 41) and the session layer are FIX's own and the same at every venue. All else is agreed with a
venue, and neither built-in exchange publishes what it agrees: a plugin writes it down here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from exchanges.api import OrderType, PluginError, TimeInForce
from exchanges.exchange_service import OrderState, Side
from exchanges.fix.message import SOH
from exchanges.fix.shape import SET_BY_SESSION, is_plain

NEW_ORDER_SINGLE: Final = "D"
ORDER_CANCEL_REQUEST: Final = "F"
ORDER_CANCEL_REPLACE_REQUEST: Final = "G"
ORDER_STATUS_REQUEST: Final = "H"
EXECUTION_REPORT: Final = "8"
ORDER_CANCEL_REJECT: Final = "9"

CL_ORD_ID: Final = 11
ORIG_CL_ORD_ID: Final = 41


class Term(StrEnum):
    """What a field of a message to the venue carries."""

    CLIENT_ORDER_ID = "client_order_id"
    ORIGINAL_CLIENT_ORDER_ID = "original_client_order_id"
    ACCOUNT = "account"
    SYMBOL = "symbol"
    MIC = "mic"
    SIDE = "side"
    ORDER_TYPE = "order_type"
    TIME_IN_FORCE = "time_in_force"
    QUANTITY = "quantity"
    PRICE = "price"
    TRANSACT_TIME = "transact_time"


class ReportKind(StrEnum):
    """What an execution report says happened."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REPLACED = "REPLACED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    STATUS = "STATUS"
    """Nothing: it answers a status request."""


class DialectError(PluginError):
    """A dialect cannot be spoken; the text names the message and the piece that is missing or wrong."""


DialectField = tuple[int, Term | bytes]
"""Tag, and what it carries: a term, or the same bytes in every message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDialect:
    """How the venue's execution reports (8) and cancel rejects (9) are read. Codes that are not listed say nothing new."""

    exec_id: int = 17
    venue_order_id: int = 37
    kind: int = 150
    state: int = 39
    last_quantity: int = 32
    last_price: int = 31
    cumulative: int = 14
    leaves: int = 151
    average_price: int = 6
    transact_time: int = 60
    text: int = 58
    reject_reason: int = 103
    cancel_reject_reason: int = 102
    kinds: Mapping[bytes, ReportKind]
    states: Mapping[bytes, OrderState]
    duplicate_order: frozenset[bytes] = frozenset({b"6"})
    """Codes of ``reject_reason``: the venue has an order of this id already."""
    unknown_order: frozenset[bytes] = frozenset({b"5"})
    """Codes of ``reject_reason``: the venue knows no such order."""
    cancel_too_late: frozenset[bytes] = frozenset({b"0"})
    """Codes of ``cancel_reject_reason``."""
    cancel_unknown_order: frozenset[bytes] = frozenset({b"1"})

    def __post_init__(self) -> None:
        missing = {ReportKind.NEW, ReportKind.TRADE, ReportKind.CANCELED, ReportKind.REJECTED} - set(self.kinds.values())
        if missing:
            raise DialectError(f"reports: no code says {', '.join(sorted(missing))}")
        if OrderState.NEW not in self.states.values() or OrderState.FILLED not in self.states.values():
            raise DialectError("reports: the states need codes for NEW and FILLED")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDialect:
    """Body fields of each message in the order of sending, and the codes of their values.

    A field that carries PRICE is left out of orders without a price, and one that carries TIME_IN_FORCE out of those whose time in
    force has an empty code. ``replace`` or ``status`` without fields: the venue has no such message. Raises ``DialectError``.
    """

    new_order: tuple[DialectField, ...]
    cancel: tuple[DialectField, ...]
    replace: tuple[DialectField, ...] = ()
    status: tuple[DialectField, ...] = ()
    sides: Mapping[str, bytes] = field(default_factory=lambda: {Side.BUY: b"1", Side.SELL: b"2"})
    """Keys here and below are the names of ``Side``, ``OrderType`` and ``TimeInForce``."""
    order_types: Mapping[str, bytes]
    times_in_force: Mapping[str, bytes]
    reports: ReportDialect

    def __post_init__(self) -> None:
        which = {Term.SYMBOL, Term.SIDE}
        amounts = {Term.QUANTITY, Term.PRICE, Term.ORDER_TYPE}
        _check("new order", self.new_order, which | amounts | {Term.TRANSACT_TIME})
        _check("cancel", self.cancel, which | {Term.ORIGINAL_CLIENT_ORDER_ID})
        if self.replace:
            _check("replace", self.replace, which | amounts | {Term.ORIGINAL_CLIENT_ORDER_ID})
        if self.status:
            _check("status request", self.status, which)
        if set(self.sides) != set(Side):
            raise DialectError("sides: BUY and SELL need a code each")
        if OrderType.LIMIT not in self.order_types or not self.times_in_force:
            raise DialectError("order types: LIMIT and at least one time in force need a code")
        codes = [*self.sides.values(), *self.order_types.values(), *(code for code in self.times_in_force.values() if code)]
        if any(not code or SOH in code for code in codes):
            raise DialectError("codes: a code is at least one byte, and none is the field separator")


def _check(message: str, fields: Iterable[DialectField], needed: set[Term]) -> None:
    seen: set[int] = set()
    carried: dict[Term, int] = {}
    for tag, content in fields:
        if tag in SET_BY_SESSION or not is_plain(tag):
            raise DialectError(f"{message}: tag {tag} is the session's own")
        if tag in seen:
            raise DialectError(f"{message}: tag {tag} stands twice")
        seen.add(tag)
        if isinstance(content, Term):
            carried[content] = tag
        elif not content or SOH in content:
            raise DialectError(f"{message}: the constant of tag {tag} cannot be sent")
    if missing := (needed | {Term.CLIENT_ORDER_ID}) - set(carried):
        raise DialectError(f"{message}: no field carries {', '.join(sorted(missing))}")
    own = {Term.CLIENT_ORDER_ID: CL_ORD_ID, Term.ORIGINAL_CLIENT_ORDER_ID: ORIG_CL_ORD_ID}
    for term, tag in own.items():
        if carried.get(term, tag) != tag:
            raise DialectError(f"{message}: {term} is tag {tag} at every venue")


_TERMS: Final[tuple[DialectField, ...]] = (
    (1, Term.ACCOUNT),
    (21, b"1"),
    (55, Term.SYMBOL),
    (207, Term.MIC),
    (54, Term.SIDE),
    (60, Term.TRANSACT_TIME),
    (38, Term.QUANTITY),
    (40, Term.ORDER_TYPE),
    (44, Term.PRICE),
    (59, Term.TIME_IN_FORCE),
)
"""What a new order and a replaced one say alike."""

FIX44_REPORTS: Final = ReportDialect(
    kinds={
        b"0": ReportKind.NEW,
        b"F": ReportKind.TRADE,
        b"4": ReportKind.CANCELED,
        b"5": ReportKind.REPLACED,
        b"8": ReportKind.REJECTED,
        b"C": ReportKind.EXPIRED,
        b"I": ReportKind.STATUS,
    },
    states={
        b"A": OrderState.PENDING_NEW,
        b"0": OrderState.NEW,
        b"1": OrderState.PARTIALLY_FILLED,
        b"2": OrderState.FILLED,
        b"4": OrderState.CANCELED,
        b"C": OrderState.EXPIRED,
        b"8": OrderState.REJECTED,
        b"6": OrderState.PENDING_CANCEL,
        b"E": OrderState.PENDING_REPLACE,
    },
)
FIX44_ORDERS: Final = OrderDialect(
    new_order=((11, Term.CLIENT_ORDER_ID), *_TERMS),
    cancel=(
        (41, Term.ORIGINAL_CLIENT_ORDER_ID),
        (11, Term.CLIENT_ORDER_ID),
        (1, Term.ACCOUNT),
        (55, Term.SYMBOL),
        (54, Term.SIDE),
        (60, Term.TRANSACT_TIME),
        (38, Term.QUANTITY),
    ),
    replace=((41, Term.ORIGINAL_CLIENT_ORDER_ID), (11, Term.CLIENT_ORDER_ID), *_TERMS),
    status=((11, Term.CLIENT_ORDER_ID), (1, Term.ACCOUNT), (55, Term.SYMBOL), (54, Term.SIDE)),
    order_types={OrderType.MARKET: b"1", OrderType.LIMIT: b"2"},
    times_in_force={TimeInForce.DAY: b"0", TimeInForce.IMMEDIATE_OR_CANCEL: b"3", TimeInForce.FILL_OR_KILL: b"4"},
    reports=FIX44_REPORTS,
)
"""Order entry as the FIX 4.4 specification has it, which the venue simulator speaks. No exchange is claimed to speak it."""

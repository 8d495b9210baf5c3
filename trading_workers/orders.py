"""What goes into the order path and what comes out of it: plain values, no behaviour.

Prices are int64 micros (millionths of the currency unit), quantities int64 shares, times int64 nanoseconds UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from trading_workers.reasons import Reason

MAX_BATCH = 500
"""Instructions in one batch."""


class Name(StrEnum):
    """A name that is a key in the tables of the order path: the hash of its text, not of ``Enum``, which is Python code."""

    __hash__ = str.__hash__


class Side(Name):
    UNSPECIFIED = "UNSPECIFIED"
    """Nothing, or a value this version does not know: refused as malformed."""
    BUY = "BUY"
    SELL = "SELL"


class OrderType(Name):
    UNSPECIFIED = "UNSPECIFIED"
    MARKET = "MARKET"
    LIMIT = "LIMIT"


class TimeInForce(Name):
    UNSPECIFIED = "UNSPECIFIED"
    DAY = "DAY"
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    FILL_OR_KILL = "FILL_OR_KILL"


class OrderState(Name):
    """FIX 4.4 names (OrdStatus, tag 39). DENIED is ours: refused before anything was sent to the venue."""

    PENDING_NEW = "PENDING_NEW"
    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    PENDING_CANCEL = "PENDING_CANCEL"
    DENIED = "DENIED"


class NewOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as the caller sent it. ``price`` is 0 for a market order."""

    account: str
    client_order_id: str
    exchange: str
    symbol: str
    side: Side
    type: OrderType
    time_in_force: TimeInForce
    quantity: int
    price: int


class CancelOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """``client_order_id`` names this instruction, ``orig_client_order_id`` the order to cancel."""

    account: str
    client_order_id: str
    orig_client_order_id: str


Instruction = NewOrder | CancelOrder


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends a batch, as the verified token or the client certificate says."""

    tenant: str
    """The slug."""
    user: str
    role: str
    """administrator, trader, viewer or operator; only a trader may place and cancel."""
    accounts: frozenset[str] | None
    """Codes that are open to the caller; None: every account of the tenant."""
    door: str
    """grpc-stream, grpc, rest, page or command."""
    trace_id: str = ""

    def may_use(self, account: str) -> bool:
        return self.accounts is None or account in self.accounts


class Refusal(msgspec.Struct, frozen=True):
    """Why an instruction was refused. ``figures`` are texts, prices as decimals: what the rule compared."""

    reason: Reason
    figures: Mapping[str, str]


class Answer(msgspec.Struct, kw_only=True):
    """The acknowledgement of one instruction."""

    client_order_id: str
    account: str
    order_id: int
    """0 when refused; for a cancel, the order that is being cancelled."""
    state: OrderState
    refusal: Refusal | None = None
    journal_sequence: int = 0
    """Set when the batch is committed; 0 for an answer that no record holds."""
    duplicate: bool = False


class ExecutionKind(Name):
    """What a venue's execution report says happened (ExecType, tag 150)."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"


class VenueReport(msgspec.Struct, frozen=True, kw_only=True):
    """An ExecutionReport (8) of a venue, typed. Quantities and prices of the last fill are 0 unless it is a trade."""

    order_id: int
    exec_id: str
    kind: ExecutionKind
    venue_order_id: str
    last_quantity: int
    last_price: int
    cumulative: int
    """As the venue counts; compared with our own count, never taken over."""
    text: str
    transact_time: int
    line: str
    fix_number: int


class VenueCancelReject(msgspec.Struct, frozen=True, kw_only=True):
    """An OrderCancelReject (9) of a venue, typed."""

    order_id: int
    cancel_id: int
    text: str
    line: str
    fix_number: int


class OrderReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a client hears about its order after a venue's report. Fields as in ``tradsys.v1.ExecutionReport``."""

    tenant: str
    order_id: int
    client_order_id: str
    account: str
    exchange: str
    symbol: str
    side: Side
    state: OrderState
    exec_id: str
    last_quantity: int
    last_price: int
    cumulative: int
    leaves: int
    time: int
    venue_order_id: str
    text: str


FixField = tuple[int, bytes]


class FixIntent(msgspec.Struct, frozen=True):
    """A message that must go out on ``line`` once the batch is written: body fields in wire order, without the header."""

    line: str
    msg_type: str
    fields: list[FixField]
    order_id: int

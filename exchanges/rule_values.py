"""The shape of a dated rule's value, by the rule's kind. Pure.

Every kind has one shape; a field that it does not know, or a text that is no decimal, is refused by name. Rates are decimal
texts in per cent, moves of a price are basis points, hours are local wall time. ``None`` says: not stated by any source.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from exchanges.dated_rules import RuleError, RuleKind

Text = Annotated[str, Meta(min_length=1)]
DecimalText = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?$")]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]
Minutes = Annotated[int, Meta(gt=0, le=24 * 60)]
Weekday = Annotated[int, Meta(ge=1, le=7)]
"""ISO: 1 is Monday."""
HourText = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]
SecondText = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$")]
Hours = tuple[HourText, HourText]
"""From and until."""
CurrencyCode = Annotated[str, Meta(pattern=r"^[A-Z]{3}$")]


class Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule's value."""


class TimeZone(Value, frozen=True):
    zone: Text
    """IANA name."""


class Weekdays(Value, frozen=True):
    days: Annotated[tuple[Weekday, ...], Meta(min_length=1)]


class SessionPhase(Value, frozen=True):
    phase: Text
    """A value of ``exchanges.api.Phase``."""
    start: HourText
    end: HourText
    random_end_from: HourText | None = None
    """The phase ends at a moment drawn between these two."""
    random_end_to: HourText | None = None


class Session(Value, frozen=True):
    phases: Annotated[tuple[SessionPhase, ...], Meta(min_length=1)]


class Nothing(Value, frozen=True):
    """The dates say everything."""


class Closure(Value, frozen=True):
    reason: Text
    conditional: bool = False
    """It hangs on something not yet known, such as the sighting of the moon: inactive until somebody confirms it."""
    confirmed: str = ""
    """Who confirmed a conditional closure, and when."""


class Emergency(Value, frozen=True):
    """Closed from ``since`` on the first day until ``until`` on the last one, whatever else holds."""

    reason: Text
    since: SecondText = "00:00"
    until: SecondText | None = None
    """``None``: until the day's end."""


class TickStep(Value, frozen=True):
    from_price: DecimalText = msgspec.field(name="from")
    tick: DecimalText


class Tick(Value, frozen=True):
    bands: Annotated[tuple[TickStep, ...], Meta(min_length=1)]


class DailyLimit(Value, frozen=True):
    """Of the reference price."""

    up_bp: Annotated[int, Meta(ge=0)]
    down_bp: BasisPoints


class Currency(Value, frozen=True):
    currency: CurrencyCode
    also: tuple[CurrencyCode, ...] = ()


class InvestorId(Value, frozen=True):
    name: Text
    name_ar: str = ""
    also: str = ""
    """A second number, such as an investor trading account."""
    custodian: bool | None = None
    """Each account also names a custodian."""


class Settlement(Value, frozen=True):
    cycle: Annotated[str, Meta(pattern=r"^T\+[0-9]$")]
    depository: str = ""
    latest_cycle: str | None = None
    """Where the parties agree on a day: no later than this cycle."""


class Depository(Value, frozen=True):
    name: Text
    terms: str = ""
    members: tuple[str, ...] = ()
    """Kinds of clearing member."""


class HaltLevel(Value, frozen=True):
    fall_bp: BasisPoints
    minutes: Minutes | None = None
    auction_minutes: Minutes | None = None
    """Not a stop: an auction of that length."""
    action: str = ""


class Halt(Value, frozen=True):
    trigger: str = ""
    move_bp: BasisPoints | None = None
    minutes: Minutes | None = None
    action: str = ""
    index: str = ""
    levels: tuple[HaltLevel, ...] = ()
    once_per_day: bool | None = None
    phases: tuple[str, ...] = ()


class TakenOrders(Value, frozen=True):
    types: Annotated[tuple[Text, ...], Meta(min_length=1)]
    times_in_force: Annotated[tuple[Text, ...], Meta(min_length=1)]
    phases: Annotated[tuple[Text, ...], Meta(min_length=1)]


class OrderTypes(Value, frozen=True):
    takes: tuple[TakenOrders, ...] = ()
    """Every combination of each entry; see ``exchanges.order_types``."""
    iceberg: bool = False
    hidden: bool = False


class Board(Value, frozen=True):
    """What a board allows; ``None`` is not stated, and so not allowed."""

    same_day: bool | None
    """Bought and sold on one day, settled T+0."""
    next_day_sale: bool | None
    margin_percent: DecimalText | None = None
    """Of the market value, as collateral."""
    short_sale: str | None = None
    """Which of its instruments may be sold short; ``None``: none."""


class BoardMembers(Value, frozen=True):
    """The instruments of a board (the rule's scope) while the list holds."""

    symbols: tuple[Text, ...]


class SideSession(Value, frozen=True):
    registration: Hours | None = None
    counter_order: Hours | None = None
    allocation: Hours | None = None
    hours: Hours | None = None
    weekdays: tuple[Weekday, ...] = ()


class Lot(Value, frozen=True):
    shares: Annotated[int, Meta(gt=0)] | None
    """``None``: no board lots."""


class ReferencePrice(Value, frozen=True):
    """How the price is found from which the next day's limits are counted."""

    first: str = ""
    otherwise: str = ""
    minutes: Minutes | None = None
    minimum_value: DecimalText | None = None
    """Of the trades that may move it, in the exchange's currency."""
    minimum_share_of_average_percent: DecimalText | None = None


class FirstDay(Value, frozen=True):
    """Limits of a line's first day of trading."""

    up_bp: Annotated[int, Meta(ge=0)] | None = None
    down_bp: BasisPoints | None = None


class BlockTrade(Value, frozen=True):
    minimum_value: DecimalText | None = None
    above_average_day: bool | None = None
    """Its value is above the day's average value."""
    minimum_votes_percent: DecimalText | None = None
    minimum_capital_percent: DecimalText | None = None
    no_change_before: Minutes | None = None
    """Nothing may be changed in the last minutes before the deal."""
    approval_above: DecimalText | None = None
    """Per investor number, in the exchange's currency."""
    consent: str = ""


class Cross(Value, frozen=True):
    price: str | None
    """``None``: not stated."""
    phases: tuple[str, ...] = ()


class Margin(Value, frozen=True):
    notice_to: tuple[str, ...] = ()
    """Who is told the funded amount beforehand."""
    initial_percent: DecimalText | None = None
    leverage: DecimalText | None = None
    exit_days: Annotated[int, Meta(gt=0)] | None = None
    """Trading days."""
    minimum: DecimalText | None = None


class Ownership(Value, frozen=True):
    general_cap_percent: DecimalText | None = None
    cap_percent: DecimalText | None = None
    """Of one instrument, the rule's scope."""
    range_percent: tuple[DecimalText, DecimalText] | None = None
    by: str = ""


class ShortSale(Value, frozen=True):
    lender: str = ""
    matching: tuple[str, ...] = ()
    """In this order."""
    cash_cover_percent: DecimalText | None = None
    broker_equity: DecimalText | None = None
    broker_equity_with_margin: DecimalText | None = None
    liquid_capital_percent: DecimalText | None = None
    liquid_capital_months: Annotated[int, Meta(gt=0)] | None = None
    initial_margin_percent: DecimalText | None = None
    price: str = ""
    stop_fall_bp: BasisPoints | None = None
    stop_days: Annotated[int, Meta(gt=0)] | None = None
    cap_percent_of_capital: DecimalText | None = None
    open_to: tuple[str, ...] = ()


class ClientCap(Value, frozen=True):
    """What one client may trade the same day."""

    shares_one_in: Annotated[int, Meta(gt=0)]
    """One in so many of the listed shares."""


class ClientBan(Value, frozen=True):
    """The regulator bars a client for a time."""

    from_trades: tuple[Text, ...]
    months: Annotated[int, Meta(gt=0)] | None
    months_if_prosecuted: Annotated[int, Meta(gt=0)] | None = None


class PreTradeCheck(Value, frozen=True):
    """What must be known before an order is entered."""

    side: Annotated[str, Meta(pattern="^(buy|sell)$")]
    requires: str | None
    """``None``: not stated."""


class Duty(Value, frozen=True):
    """What a regulator wants done or recorded, in words; ``None``: not found."""

    duty: str | None


class Fee(Value, frozen=True):
    """Per side."""

    rate_percent: DecimalText | None = None
    minimum: DecimalText | None = None
    per_order: DecimalText | None = None
    cap: DecimalText | None = None
    resident_percent: DecimalText | None = None
    non_resident_percent: DecimalText | None = None
    same_day_exempt: bool | None = None
    of: str = ""
    """What the rate is taken of, where it is not the trade's value."""


class Claim(Value, frozen=True):
    """What somewhere is said of the market and was not believed, kept so that it is not believed later."""

    claim: Text
    finding: Text


SHAPES: Mapping[RuleKind, type[Value]] = {
    RuleKind.TIME_ZONE: TimeZone,
    RuleKind.WEEKDAYS: Weekdays,
    RuleKind.SESSION: Session,
    RuleKind.RAMADAN: Nothing,
    RuleKind.CLOSURE: Closure,
    RuleKind.EMERGENCY: Emergency,
    RuleKind.TICK: Tick,
    RuleKind.PRICE_LIMIT: DailyLimit,
    RuleKind.CURRENCY: Currency,
    RuleKind.INVESTOR_ID: InvestorId,
    RuleKind.SETTLEMENT: Settlement,
    RuleKind.DEPOSITORY: Depository,
    RuleKind.HALT: Halt,
    RuleKind.ORDER_TYPES: OrderTypes,
    RuleKind.BOARD: Board,
    RuleKind.BOARD_MEMBERS: BoardMembers,
    RuleKind.SIDE_SESSION: SideSession,
    RuleKind.LOT: Lot,
    RuleKind.REFERENCE_PRICE: ReferencePrice,
    RuleKind.FIRST_DAY: FirstDay,
    RuleKind.BLOCK_TRADE: BlockTrade,
    RuleKind.CROSS: Cross,
    RuleKind.MARGIN: Margin,
    RuleKind.OWNERSHIP: Ownership,
    RuleKind.SHORT_SALE: ShortSale,
    RuleKind.CLIENT_CAP: ClientCap,
    RuleKind.CLIENT_BAN: ClientBan,
    RuleKind.PRE_TRADE_CHECK: PreTradeCheck,
    RuleKind.DUTY: Duty,
    RuleKind.FEE: Fee,
    RuleKind.CLAIM: Claim,
}


def typed_value(kind: RuleKind, value: Mapping[str, Any]) -> Value:
    """Return the value in its kind's shape. Raises ``RuleError`` naming the field."""
    try:
        return msgspec.convert(value, SHAPES[kind])
    except msgspec.ValidationError as error:
        raise RuleError(str(error)) from error


def local_time(text: str) -> time:
    """Return the wall time of an hour or second text."""
    return time.fromisoformat(text)

"""The checks in their order, and the decision they lead to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from exchanges.routing.router import RouteDecision
from trading_workers.checks import identity, instrument, licence, price, regulator, risk, route, session, sharia
from trading_workers.checks.candidate import Candidate, WorkerState, candidate, refuse
from trading_workers.configuration_view import ConfigurationView
from trading_workers.orders import Caller, Instruction, NewOrder, Refusal, Side
from trading_workers.reasons import Reason

Check = Callable[[Candidate], Refusal | None]

CHECKS: Final[tuple[Check, ...]] = (
    licence.configuration_fresh,
    identity.account_known,
    identity.account_active,
    licence.licence_present,
    licence.licence_started,
    licence.licence_not_expired,
    licence.licence_active,
    licence.door_licensed,
    licence.exchange_licensed,
    licence.asset_type_licensed,
    licence.sharia_licensed,
    licence.within_daily_cap,
    licence.within_rate,
    instrument.instrument_known,
    instrument.instrument_tradable,
    instrument.reference_data_signed,
    session.session_open,
    session.order_type_allowed,
    price.price_given,
    price.reference_price_known,
    price.price_on_tick,
    price.price_within_band,
    price.quantity_positive,
    price.quantity_on_lot,
    regulator.investor_id_present,
    sharia.verdict_given,
    sharia.instrument_compliant,
    risk.no_kill_switch,
    risk.quantity_within_limit,
    risk.value_within_limit,
    risk.buy_is_covered,
    risk.sell_is_covered,
    risk.no_self_trade,
)
"""What comes before the choice of a line."""


class Accepted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    line: str
    route: RouteDecision
    currency: str
    verdict_id: str
    reserve_price: int
    """Micros of cash per share that a buy reserves; 0 for a sell, which reserves its shares."""
    trading_day: int


def check_caller(caller: Caller, instruction: Instruction) -> Refusal | None:
    """What an order and a cancel have in common: the stages before the look for a duplicate."""
    return (
        identity.well_formed(instruction)
        or identity.client_order_id_valid(instruction)
        or identity.role_permitted(caller)
        or identity.account_open_to_caller(caller, instruction.account)
    )


def decide(caller: Caller, view: ConfigurationView | None, state: WorkerState, order: NewOrder, now: int) -> Accepted | Refusal:
    """The first refusal in the order of ``CHECKS``, then the router's, is the answer.

    Changes nothing but the view's rows: an order like one that passed is decided by its row alone.
    """
    if view is None:
        return refuse(Reason.CONFIGURATION_MISSING, tenant=caller.tenant)
    row = view.row(order.account, order.exchange, order.symbol, caller.door, now)
    worst = 0 if row is None else row.worst_price(order, state, now)
    if row is None or not worst:
        subject = candidate(caller, view, state, order, now)
        for check in CHECKS:
            refusal = check(subject)
            if refusal is not None:
                return refusal
        row, worst = view.keep_row(subject), subject.worst_price
    routed = route.routed(row, caller.tenant, order, state, now)
    if routed.line is None:
        return route.no_route(order, routed)
    return Accepted(
        line=routed.line,
        route=routed,
        currency=row.currency,
        verdict_id=row.verdict_id,
        reserve_price=worst if order.side is Side.BUY else 0,
        trading_day=row.trading_day,
    )


def passed_rate_check(refusal: Refusal) -> bool:
    """Whether an order that was refused so had already passed, and so used up, the licence's rate."""
    return refusal.reason.number > Reason.RATE_LIMIT_EXCEEDED.number

"""Stage 8: what the account can bear."""

from __future__ import annotations

from exchanges.prices import price_to_text
from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import Refusal, Side
from trading_workers.reasons import Reason


def no_kill_switch(candidate: Candidate) -> Refusal | None:
    if candidate.platform.killed:
        return refuse(Reason.KILL_SWITCH_ON, switch="platform")
    if candidate.exchange.killed:
        return refuse(Reason.KILL_SWITCH_ON, switch=f"exchange {candidate.exchange.code}")
    if candidate.tenant.killed:
        return refuse(Reason.KILL_SWITCH_ON, switch=f"tenant {candidate.tenant.tenant}")
    if candidate.account.killed:
        return refuse(Reason.KILL_SWITCH_ON, switch=f"account {candidate.account.code}")
    return None


def quantity_within_limit(candidate: Candidate) -> Refusal | None:
    limit = candidate.account.max_order_quantity
    if candidate.order.quantity > limit:
        return refuse(Reason.ORDER_QUANTITY_LIMIT, quantity=str(candidate.order.quantity), limit=str(limit))
    return None


def value_within_limit(candidate: Candidate) -> Refusal | None:
    """A market order is valued at the upper band."""
    value, limit = candidate.order.quantity * candidate.worst_price, candidate.account.max_order_value
    if value > limit:
        return refuse(
            Reason.ORDER_VALUE_LIMIT,
            value=price_to_text(value),
            limit=price_to_text(limit),
            currency=candidate.instrument.currency,
        )
    return None


def buy_is_covered(candidate: Candidate) -> Refusal | None:
    order = candidate.order
    if order.side is not Side.BUY:
        return None
    currency, account = candidate.instrument.currency, candidate.account
    needed = order.quantity * candidate.worst_price
    book = candidate.state.ledger.book(candidate.caller.tenant, account.code)
    available = book.buying_power(currency, account.cash.get(currency, 0))
    if needed > available:
        return refuse(
            Reason.INSUFFICIENT_BUYING_POWER,
            needed=price_to_text(needed),
            available=price_to_text(available),
            currency=currency,
        )
    return None


def sell_is_covered(candidate: Candidate) -> Refusal | None:
    order = candidate.order
    if order.side is not Side.SELL:
        return None
    instrument, account = candidate.instrument.key, candidate.account
    book = candidate.state.ledger.book(candidate.caller.tenant, account.code)
    available = book.available_shares(instrument, account.shares.get(instrument, 0))
    if order.quantity > available:
        return refuse(Reason.INSUFFICIENT_POSITION, needed=str(order.quantity), available=str(available), instrument=instrument)
    return None


def no_self_trade(candidate: Candidate) -> Refusal | None:
    """Open means that the venue may still trade it: an order with a cancel under way counts."""
    order = candidate.order
    meets = candidate.state.store.would_meet(
        candidate.caller.tenant, order.account, order.exchange, order.symbol, order.side, candidate.meeting_price
    )
    if meets is not None:
        return refuse(Reason.SELF_TRADE, open_order=str(meets), price=price_to_text(order.price))
    return None

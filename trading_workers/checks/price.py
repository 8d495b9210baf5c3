"""Stage 6, first half: price and quantity."""

from __future__ import annotations

from exchanges.prices import price_to_text
from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.orders import OrderType, Refusal
from trading_workers.reasons import Reason


def price_given(candidate: Candidate) -> Refusal | None:
    order = candidate.order
    if (order.price <= 0) if order.type is OrderType.LIMIT else (order.price != 0):
        return refuse(Reason.PRICE_REQUIRED, type=order.type.value, price=price_to_text(order.price))
    return None


def reference_price_known(candidate: Candidate) -> Refusal | None:
    instrument = candidate.instrument
    for name, value in (
        ("reference price", instrument.reference_price),
        ("lower limit", instrument.band_low),
        ("upper limit", instrument.band_high),
    ):
        if value is None or value <= 0:
            return refuse(Reason.REFERENCE_PRICE_MISSING, instrument=instrument.key, missing=name)
    return None


def price_on_tick(candidate: Candidate) -> Refusal | None:
    order = candidate.order
    if order.type is not OrderType.LIMIT:
        return None
    tick = candidate.instrument.tick_at(order.price)
    if tick <= 0 or order.price % tick:
        return refuse(Reason.PRICE_OFF_TICK, price=price_to_text(order.price), tick=price_to_text(tick))
    return None


def price_within_band(candidate: Candidate) -> Refusal | None:
    order, instrument = candidate.order, candidate.instrument
    if order.type is not OrderType.LIMIT:
        return None
    low, high = instrument.band_low, instrument.band_high
    if low is None or high is None or not low <= order.price <= high:
        return refuse(
            Reason.PRICE_OUTSIDE_BAND,
            price=price_to_text(order.price),
            low=price_to_text(low or 0),
            high=price_to_text(high or 0),
            reference=price_to_text(instrument.reference_price or 0),
        )
    return None


def quantity_positive(candidate: Candidate) -> Refusal | None:
    if candidate.order.quantity <= 0:
        return refuse(Reason.QUANTITY_NOT_POSITIVE, quantity=str(candidate.order.quantity))
    return None


def quantity_on_lot(candidate: Candidate) -> Refusal | None:
    lot = candidate.instrument.lot
    if lot <= 0 or candidate.order.quantity % lot:
        return refuse(Reason.QUANTITY_OFF_LOT, quantity=str(candidate.order.quantity), lot=str(lot))
    return None

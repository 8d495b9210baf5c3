"""Stage 5, first half: the instrument may be traded at all."""

from __future__ import annotations

from trading_workers.checks.candidate import Candidate, refuse
from trading_workers.configuration_view import UNKNOWN_INSTRUMENT
from trading_workers.orders import Refusal
from trading_workers.reasons import Reason


def instrument_known(candidate: Candidate) -> Refusal | None:
    if candidate.instrument is UNKNOWN_INSTRUMENT:
        return refuse(Reason.INSTRUMENT_UNKNOWN, exchange=candidate.order.exchange, symbol=candidate.order.symbol)
    return None


def instrument_tradable(candidate: Candidate) -> Refusal | None:
    if not candidate.instrument.tradable:
        return refuse(Reason.INSTRUMENT_NOT_TRADABLE, instrument=candidate.instrument.key)
    return None


def reference_data_signed(candidate: Candidate) -> Refusal | None:
    if not candidate.instrument.lot_signed:
        return refuse(Reason.REFERENCE_DATA_UNSIGNED, instrument=candidate.instrument.key, unsigned="lot")
    if not candidate.instrument.reference_signed:
        return refuse(Reason.REFERENCE_DATA_UNSIGNED, instrument=candidate.instrument.key, unsigned="reference price")
    return None

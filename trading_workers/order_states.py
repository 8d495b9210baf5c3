"""The states of an order and every step between them: one table, FIX 4.4 names, nothing guessed.

An order that waits for a cancel remembers the state it would otherwise be in, so that a refused cancel brings it
back there. A fill that arrives after the cancel is accepted: the venue's fills are facts. The caller drops repeated
execution ids before it asks here.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple

from trading_workers.orders import OrderState

PENDING_NEW: Final = OrderState.PENDING_NEW
NEW: Final = OrderState.NEW
PARTIALLY_FILLED: Final = OrderState.PARTIALLY_FILLED
FILLED: Final = OrderState.FILLED
CANCELED: Final = OrderState.CANCELED
EXPIRED: Final = OrderState.EXPIRED
REJECTED: Final = OrderState.REJECTED
PENDING_CANCEL: Final = OrderState.PENDING_CANCEL

OPEN_STATES: Final = frozenset({PENDING_NEW, NEW, PARTIALLY_FILLED, PENDING_CANCEL})
"""The venue may still trade it: it holds reservations and can be cancelled."""


class OrderEvent(Enum):
    VENUE_ACCEPTED = auto()
    PARTIAL_FILL = auto()
    """A fill that leaves some quantity of the order unfilled."""
    FILL = auto()
    """The fill that completes the order's quantity."""
    CANCEL_SENT = auto()
    CANCEL_REFUSED = auto()
    CANCELED = auto()
    EXPIRED = auto()
    REJECTED = auto()


class Standing(NamedTuple):
    """Where an order stands. ``remembered`` is its state beneath a pending cancel, otherwise equal to ``state``."""

    state: OrderState
    remembered: OrderState

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_STATES


START: Final = Standing(PENDING_NEW, PENDING_NEW)

_STEPS: Final[dict[tuple[OrderState, OrderEvent], OrderState]] = {
    (PENDING_NEW, OrderEvent.VENUE_ACCEPTED): NEW,
    # A venue may leave out the report New when the order trades or ends at once.
    (PENDING_NEW, OrderEvent.PARTIAL_FILL): PARTIALLY_FILLED,
    (PENDING_NEW, OrderEvent.FILL): FILLED,
    (PENDING_NEW, OrderEvent.CANCELED): CANCELED,
    (PENDING_NEW, OrderEvent.EXPIRED): EXPIRED,
    (PENDING_NEW, OrderEvent.REJECTED): REJECTED,
    (NEW, OrderEvent.PARTIAL_FILL): PARTIALLY_FILLED,
    (NEW, OrderEvent.FILL): FILLED,
    (NEW, OrderEvent.CANCELED): CANCELED,
    (NEW, OrderEvent.EXPIRED): EXPIRED,
    (NEW, OrderEvent.REJECTED): REJECTED,
    (PARTIALLY_FILLED, OrderEvent.PARTIAL_FILL): PARTIALLY_FILLED,
    (PARTIALLY_FILLED, OrderEvent.FILL): FILLED,
    (PARTIALLY_FILLED, OrderEvent.CANCELED): CANCELED,
    (PARTIALLY_FILLED, OrderEvent.EXPIRED): EXPIRED,
    # Fills that were on their way when the order ended.
    (CANCELED, OrderEvent.PARTIAL_FILL): CANCELED,
    (CANCELED, OrderEvent.FILL): FILLED,
    (EXPIRED, OrderEvent.PARTIAL_FILL): EXPIRED,
    (EXPIRED, OrderEvent.FILL): FILLED,
    # The cancel came too late, and the venue says so after the order has already ended.
    (FILLED, OrderEvent.CANCEL_REFUSED): FILLED,
    (CANCELED, OrderEvent.CANCEL_REFUSED): CANCELED,
    (EXPIRED, OrderEvent.CANCEL_REFUSED): EXPIRED,
    (REJECTED, OrderEvent.CANCEL_REFUSED): REJECTED,
}

_ENDS: Final = frozenset({FILLED, CANCELED, EXPIRED, REJECTED})


def step(standing: Standing, event: OrderEvent) -> Standing | None:
    """Return where ``event`` leads, or None when the table has no such step: the caller reports it and changes nothing."""
    if standing.state is not PENDING_CANCEL:
        if event is OrderEvent.CANCEL_SENT:
            return Standing(PENDING_CANCEL, standing.state) if standing.is_open else None
        after = _STEPS.get((standing.state, event))
        return None if after is None else Standing(after, after)
    if event is OrderEvent.CANCEL_REFUSED:
        return Standing(standing.remembered, standing.remembered)
    after = _STEPS.get((standing.remembered, event))
    if after is None:
        return None
    return Standing(after, after) if after in _ENDS else Standing(PENDING_CANCEL, after)

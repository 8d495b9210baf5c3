"""What can be wrong with a feed, by name. Pure."""

from __future__ import annotations

from enum import StrEnum


class FeedDefect(StrEnum):
    """Closed: each is the label ``defect`` of a counter, and stands in the log beside what was found."""

    GAP = "GAP"
    """A number of the instrument's feed is missing."""
    CROSSED = "CROSSED"
    """The best bid is at or above the best offer while orders match."""
    UNKNOWN_LEVEL = "UNKNOWN_LEVEL"
    """A price level is changed or deleted that is not there."""
    UNKNOWN_ORDER = "UNKNOWN_ORDER"
    """An order is changed or deleted that is not there."""
    REPEATED_ORDER = "REPEATED_ORDER"
    """An order is added under an id that another one has."""
    TRADE_OUTSIDE_BAND = "TRADE_OUTSIDE_BAND"
    """A trade's price is outside the day's limits; it is in no ticker and no candle."""
    INDICATIVE_OUTSIDE_BAND = "INDICATIVE_OUTSIDE_BAND"
    """An auction's indicative price is outside the day's limits; it is not shown."""
    BAD_FIELD = "BAD_FIELD"
    """A field is missing or cannot be read."""
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    """The message is about an instrument that is not listed."""
    UNKNOWN_STATUS = "UNKNOWN_STATUS"
    """A trading status or phase that nothing is known of; the last one stays."""
    SUBSCRIPTION_REFUSED = "SUBSCRIPTION_REFUSED"
    """The venue does not give an instrument's market data."""


class FeedBroken(Exception):
    """The book can no longer be trusted; the text says why. Only a new snapshot helps."""

    def __init__(self, defect: FeedDefect, text: str) -> None:
        super().__init__(text)
        self.defect = defect

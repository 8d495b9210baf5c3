"""What the order path knows of each FIX line: whether it takes new orders, how many it owes an answer to, how fast it answers.

Pure. Times are nanoseconds of a clock that never steps; the caller brings them. It is the ``LineHealth`` of routing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

WEIGHT: Final = 8
"""The newest answer counts one part in so many."""


class _Line:
    __slots__ = ("in_flight", "latency_ns", "up", "up_since_sent")

    def __init__(self) -> None:
        self.up = False
        self.in_flight: dict[int, int] = {}
        """New order → when it was sent, oldest first."""
        self.up_since_sent: set[int] = set()
        """Of those in flight the ones that were sent since the line came up: only their times say how fast it is now."""
        self.latency_ns = 0


class LineStates:
    """Lines by name (``EGX-1``). A line that nobody has spoken of is down."""

    def __init__(self) -> None:
        self._lines: dict[str, _Line] = {}

    # What a balancer asks

    def is_up(self, line: str) -> bool:
        """Whether it takes new orders."""
        found = self._lines.get(line)
        return found is not None and found.up

    def __contains__(self, line: object) -> bool:
        return isinstance(line, str) and self.is_up(line)

    def in_flight(self, line: str) -> int:
        """New orders that were sent and not yet answered, those that wait for the line's return included."""
        found = self._lines.get(line)
        return 0 if found is None else len(found.in_flight)

    def recent_latency_ns(self, line: str) -> int:
        """A decaying average of the time from a new order to its first report; 0 while none is known since the line came up."""
        found = self._lines.get(line)
        return 0 if found is None else found.latency_ns

    @property
    def up(self) -> frozenset[str]:
        """Lines that take new orders."""
        return frozenset(name for name, line in self._lines.items() if line.up)

    # What the lines tell

    def set_up(self, line: str, up: bool) -> None:
        """A line that goes down forgets how fast it was, and what was sent before does not say how fast it will be."""
        found = self._line(line)
        found.up = up
        if not up:
            found.latency_ns = 0
            found.up_since_sent.clear()

    def sent(self, line: str, order_ids: Iterable[int], now: int) -> None:
        """These new orders went out, or wait in the journal until the line is back."""
        found = self._line(line)
        for order_id in order_ids:
            found.in_flight[order_id] = now
            if found.up:
                found.up_since_sent.add(order_id)

    def answered(self, line: str, order_ids: Iterable[int], now: int) -> None:
        """The venue reported on these; only the first report of an order counts."""
        found = self._lines.get(line)
        if found is None or not found.in_flight:
            return
        for order_id in order_ids:
            sent_at = found.in_flight.pop(order_id, None)
            if sent_at is None or order_id not in found.up_since_sent:
                continue
            found.up_since_sent.discard(order_id)
            took = max(now - sent_at, 1)
            found.latency_ns = took if not found.latency_ns else found.latency_ns + (took - found.latency_ns) // WEIGHT

    def _line(self, line: str) -> _Line:
        found = self._lines.get(line)
        if found is None:
            found = self._lines[line] = _Line()
        return found

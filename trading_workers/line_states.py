"""Which order lines of one worker take orders, and how they do."""

from __future__ import annotations


class LineStates:
    """The lines of one worker by name; see ``exchanges.routing.health.LineHealth``. A line that was never up is down."""

    def __init__(self) -> None:
        self._up: set[str] = set()

    def set_up(self, line: str, up: bool) -> None:
        if up:
            self._up.add(line)
        else:
            self._up.discard(line)

    def is_up(self, line: str) -> bool:
        return line in self._up

    def in_flight(self, line: str) -> int:
        return 0

    def recent_latency_ns(self, line: str) -> int:
        return 0

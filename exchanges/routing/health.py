"""What the router asks about a line before it gives it an order."""

from __future__ import annotations

from typing import Protocol


class LineHealth(Protocol):
    """The lines of one worker as they are now. A line that nobody knows is down."""

    def is_up(self, line: str) -> bool:
        """Whether the line may take new orders."""

    def in_flight(self, line: str) -> int:
        """Orders that were sent and are not answered yet."""

    def recent_latency_ns(self, line: str) -> int:
        """From an order to its first report, lately; 0 where no figure is known yet."""


class ImaginedHealth:
    """Lines of which all are up except those named: for a question, not for orders."""

    def __init__(self, down: frozenset[str] = frozenset()) -> None:
        self._down = down

    def is_up(self, line: str) -> bool:
        return line not in self._down

    def in_flight(self, line: str) -> int:
        return 0

    def recent_latency_ns(self, line: str) -> int:
        return 0

"""How long a routing decision takes, measured on one order of every batch: looking at the clock for each would cost as much."""

from __future__ import annotations

from collections.abc import Callable


class RouteTimer:
    """`steady` gives nanoseconds of a clock that never steps; None: nothing is measured."""

    __slots__ = ("_began", "_steady", "took_ns", "waiting")

    def __init__(self, steady: Callable[[], int] | None = None) -> None:
        self._steady = steady
        self._began = 0
        self.waiting = False
        """Whether the next decision is to be measured."""
        self.took_ns: int | None = None
        """Of the batch's first decision; None where there was none."""

    def begin_batch(self) -> None:
        self.waiting, self.took_ns = self._steady is not None, None

    def start(self) -> None:
        if self._steady is not None:
            self._began = self._steady()

    def stop(self) -> None:
        self.waiting = False
        if self._steady is not None:
            self.took_ns = self._steady() - self._began

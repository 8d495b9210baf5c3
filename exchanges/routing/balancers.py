"""Which of a pool's lines that are up takes the next order. Pure; what a pool remembers is given in and changed by `took` alone.

Whatever the balancer, a line that has just come up gets its turn and no more: for `SETTLING_NS` its pool goes round. The figures
of a line arrive later than the decisions (a batch is sent as a whole), so orders of the last `UNSENT_NS` count as on their way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from exchanges.routing.health import LineHealth

SETTLING_NS: Final = 2_000_000_000
"""How long a pool goes round after one of its lines came up: the line's figures say nothing yet, and its queue is empty."""
UNSENT_NS: Final = 5_000_000
"""Longer than a group of orders takes from its decision to the wire."""
LOOK_AGAIN: Final = 16
"""Of so many orders one goes round even where the quickest line is wanted: without orders a line would keep its old figure."""


class Balancer(StrEnum):
    ROUND_ROBIN = "round_robin"
    """One line after the other."""
    LEAST_IN_FLIGHT = "least_in_flight"
    """The line with the fewest unanswered orders."""
    LOWEST_LATENCY = "lowest_latency"
    """The line whose answer is expected first: its recent latency times the orders before it in the queue."""


class LinePool(msgspec.Struct, frozen=True, kw_only=True):
    """Lines that lead to one exchange. A pool of one line may have the line's name."""

    name: str
    exchange: str
    lines: tuple[str, ...]
    balancer: Balancer = Balancer.ROUND_ROBIN


class PoolMemory(msgspec.Struct):
    """What the orders before leave behind. Times in nanoseconds UTC."""

    last: str = ""
    """The line that took the latest order."""
    taken: int = 0
    up: frozenset[str] = frozenset()
    """Lines that were up at the latest order; kept only where the balancer looks at figures."""
    newest_up_at: int = 0
    unsent: dict[str, int] = {}
    """Line → orders that it took since `unsent_since`."""
    unsent_since: int = 0


_NOTHING_TAKEN: Final = PoolMemory()


class BalancerMemory:
    """The pools of one worker, by name."""

    __slots__ = ("_pools",)

    def __init__(self) -> None:
        self._pools: dict[str, PoolMemory] = {}

    def of(self, pool: str) -> PoolMemory:
        """To be read only."""
        return self._pools.get(pool, _NOTHING_TAKEN)

    def took(self, pool: BalancedPool, line: str, health: LineHealth, now: int) -> None:
        """`line` of `pool` has taken an order at `now`."""
        if pool.only is not None:
            return
        memory = self._pools.get(pool.name)
        if memory is None:
            memory = self._pools[pool.name] = PoolMemory(unsent={})
        memory.last = line
        memory.taken += 1
        if pool.goes_round:
            return
        up = frozenset([each for each in pool.lines if health.is_up(each)])
        if not up <= memory.up:
            memory.newest_up_at = now
        memory.up = up
        if not 0 <= now - memory.unsent_since < UNSENT_NS:
            memory.unsent.clear()
            memory.unsent_since = now
        memory.unsent[line] = memory.unsent.get(line, 0) + 1


class BalancedPool:
    """A pool made ready for choosing. `only`: its one line."""

    __slots__ = ("_choose", "_following", "goes_round", "lines", "name", "only")

    def __init__(self, pool: LinePool, balancer: Balancer | None = None) -> None:
        """`balancer` None: the pool's own."""
        chosen = pool.balancer if balancer is None else balancer
        self.name = pool.name
        self.lines = lines = pool.lines
        self.only = lines[0] if len(lines) == 1 else None
        self.goes_round = chosen is Balancer.ROUND_ROBIN
        self._choose = _BALANCERS[chosen]
        self._following = {line: lines[place + 1 :] + lines[: place + 1] for place, line in enumerate(lines)}

    def choose(self, health: LineHealth, memory: BalancerMemory, now: int) -> str | None:
        """The line for an order at `now`, None where all are down. Changes nothing: see `BalancerMemory.took`."""
        if self.only is not None:
            return self.only if health.is_up(self.only) else None
        seen = memory.of(self.name)
        following = self._following.get(seen.last, self.lines)
        if self.goes_round:
            for line in following:
                if health.is_up(line):
                    return line
            return None
        up = [line for line in following if health.is_up(line)]
        if len(up) < 2:
            return up[0] if up else None
        if 0 <= now - seen.newest_up_at < SETTLING_NS or not seen.up.issuperset(up):
            return up[0]
        unsent = seen.unsent if 0 <= now - seen.unsent_since < UNSENT_NS else {}
        return self._choose(up, health, seen, unsent)


def _round_robin(up: Sequence[str], _health: LineHealth, _seen: PoolMemory, _unsent: Mapping[str, int]) -> str:
    return up[0]


def _least_in_flight(up: Sequence[str], health: LineHealth, _seen: PoolMemory, unsent: Mapping[str, int]) -> str:
    # Of equals min takes the first, and the first is the one that has waited longest for its turn.
    return min(up, key=lambda line: health.in_flight(line) + unsent.get(line, 0))


def _lowest_latency(up: Sequence[str], health: LineHealth, seen: PoolMemory, unsent: Mapping[str, int]) -> str:
    latencies = [health.recent_latency_ns(line) for line in up]
    if 0 in latencies:
        return up[0]
    if seen.taken % LOOK_AGAIN == LOOK_AGAIN - 1:
        return sorted(up)[seen.taken // LOOK_AGAIN % len(up)]
    waits = [latency * (1 + health.in_flight(line) + unsent.get(line, 0)) for line, latency in zip(up, latencies, strict=True)]
    return up[waits.index(min(waits))]


_Choose = Callable[[Sequence[str], LineHealth, PoolMemory, Mapping[str, int]], str]
_BALANCERS: Final[Mapping[Balancer, _Choose]] = {
    Balancer.ROUND_ROBIN: _round_robin,
    Balancer.LEAST_IN_FLIGHT: _least_in_flight,
    Balancer.LOWEST_LATENCY: _lowest_latency,
}
"""Takes the lines that are up, two or more, beginning with the one whose turn it is."""

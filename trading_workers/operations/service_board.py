"""What the page "Services" shows, made of one reading and of what earlier readings held. Pure; the caller brings the time.

A process that should be there is shown whether it is or not: the configuration names those that are expected, and an instance
that vanished stays for a while as gone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum

from trading_workers.operations.registry_reading import Reading
from trading_workers.snapshot.documents import PLATFORM
from tradsys.mesh.registry.instance import SERVING, Instance

NS_PER_MS = 1_000_000
NS = 1_000_000_000
GONE_NS = 180 * NS
"""How long an instance that vanished is shown."""
NEW_NS = 60 * NS
RATE_WINDOW_NS = NS
"""Calls per second are taken over at least so long."""
DOCUMENTS_SHOWN = 20


class State(StrEnum):
    """Worst first."""

    GONE = "gone"
    MISSING = "missing"
    NOT_SERVING = "not_serving"
    BREAKER_OPEN = "breaker_open"
    DEGRADED = "degraded"
    BEHIND = "behind"
    UNKNOWN = "unknown"
    SERVING = "serving"

    @property
    def tone(self) -> str:
        """bad, warn, quiet or good."""
        return _TONES[self]


_TONES = {
    State.GONE: "bad",
    State.MISSING: "bad",
    State.NOT_SERVING: "bad",
    State.BREAKER_OPEN: "warn",
    State.DEGRADED: "warn",
    State.BEHIND: "warn",
    State.UNKNOWN: "quiet",
    State.SERVING: "good",
}
_SEVERITY = {state: number for number, state in enumerate(State)}


class BreakerState(StrEnum):
    OPEN = "open"
    HALF_OPEN = "half_open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class ServiceHealth:
    name: str
    """Without the package: ``OrderService``."""
    serving: bool
    reason: str
    """Why it does not serve, or what it lacks although it does."""


@dataclass(frozen=True, slots=True)
class DocumentLag:
    """One configuration document in one instance. `held` None: published, but not held."""

    name: str
    held: int | None
    newest: int
    lag_ms: int | None

    @property
    def behind(self) -> int:
        return self.newest - self.held if self.held is not None else self.newest


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One configuration document across those that hold any: `held` in the order of `Board.holders`; None: not held."""

    name: str
    newest: int
    held: tuple[DocumentLag | None, ...]


@dataclass(frozen=True, slots=True)
class Breaker:
    name: str
    process: str
    state: str
    """A BreakerState, or what the process calls it."""

    @property
    def tone(self) -> str:
        return {BreakerState.CLOSED: "good", BreakerState.HALF_OPEN: "warn"}.get(self.state, "bad")  # type: ignore[call-overload]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One instance, or a process of which there is none."""

    process: str
    state: State
    instance: Instance | None = None
    lease_left_ms: int = 0
    uptime_s: int = 0
    rate: float | None = None
    """Calls answered per second; None before the second reading."""
    services: tuple[ServiceHealth, ...] = ()
    documents: tuple[DocumentLag, ...] = ()
    behind: int = 0
    """How many documents are not at their newest revision."""
    worst_lag_ms: int | None = None
    restarted: bool = False
    gone_s: int = 0

    @property
    def anchor(self) -> str:
        return f"line-{self.instance.instance if self.instance else self.process}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything the page shows. `age_s` is that of the copy while Redis is away."""

    lines: tuple[Line, ...]
    breakers: tuple[Breaker, ...]
    holders: tuple[Line, ...]
    """Lines that hold configuration documents."""
    documents: tuple[DocumentRow, ...]
    """The furthest behind first, `DOCUMENTS_SHOWN` at most."""
    documents_left_out: int
    unreadable: tuple[str, ...]
    redis_away: bool
    age_s: int
    ever_read: bool

    @property
    def troubled(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.state.tone in ("bad", "warn"))


@dataclass(slots=True)
class _Seen:
    instance: Instance
    seen_at: int
    counted: int
    counted_at: int
    rate: float | None = None


@dataclass(slots=True)
class BoardMemory:
    """What one process of the web remembers between two looks. Safe to use from several threads."""

    expected: tuple[str, ...]
    _seen: dict[str, _Seen] = field(default_factory=dict)
    _last: Reading | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def board(self, reading: Reading | None, *, now: int) -> Board:
        """The board at `now` (ns UTC). `reading` None: Redis is away, the last copy is shown with its age."""
        with self._lock:
            if reading is not None:
                self._take(reading)
                self._last = reading
            shown = self._last
            lines = self._lines(shown, now=now, away=reading is None)
            live = [line.instance for line in lines if line.instance is not None and line.state is not State.GONE]
            holders = tuple(line for line in lines if line.documents)
            documents = _rows(holders, shown.published if shown is not None else {})
            return Board(
                lines=lines,
                breakers=_breakers(live),
                holders=holders,
                documents=documents[:DOCUMENTS_SHOWN],
                documents_left_out=max(len(documents) - DOCUMENTS_SHOWN, 0),
                unreadable=shown.unreadable if shown is not None else (),
                redis_away=reading is None,
                age_s=(now - shown.read_at) // NS if shown is not None else 0,
                ever_read=shown is not None,
            )

    def forget(self) -> None:
        with self._lock:
            self._seen.clear()
            self._last = None

    def _take(self, reading: Reading) -> None:
        for each in reading.instances:
            seen = self._seen.get(each.instance)
            if seen is None:
                self._seen[each.instance] = _Seen(each, reading.read_at, each.calls, each.renewed_at)
                continue
            passed = each.renewed_at - seen.counted_at
            if passed >= RATE_WINDOW_NS:
                seen.rate = max(each.calls - seen.counted, 0) * NS / passed
                seen.counted, seen.counted_at = each.calls, each.renewed_at
            seen.instance, seen.seen_at = each, reading.read_at
        for name in [name for name, seen in self._seen.items() if reading.read_at - seen.seen_at > GONE_NS]:
            del self._seen[name]

    def _lines(self, reading: Reading | None, *, now: int, away: bool) -> tuple[Line, ...]:
        present = {each.instance for each in reading.instances} if reading is not None else set()
        published: Mapping[str, int] = reading.published if reading is not None else {}
        lines = [self._live(self._seen[name], published, present, now=now, away=away) for name in present if name in self._seen]
        running = {line.process for line in lines}
        newest_gone: dict[str, _Seen] = {}
        for name, seen in self._seen.items():
            # A process that runs again has a line already; its earlier start is told there.
            process = seen.instance.process
            if name not in present and process not in running:
                held = newest_gone.get(process)
                if held is None or seen.instance.started_at > held.instance.started_at:
                    newest_gone[process] = seen
        lines += [
            Line(process=process, state=State.GONE, instance=seen.instance, gone_s=max(now - seen.seen_at, 0) // NS)
            for process, seen in newest_gone.items()
        ]
        known = running | set(newest_gone)
        absent = State.UNKNOWN if reading is None else State.MISSING
        lines += [Line(process=process, state=absent) for process in self.expected if process not in known]
        order = {process: number for number, process in enumerate(self.expected)}
        return tuple(sorted(lines, key=lambda line: (order.get(line.process, len(order)), line.process, line.anchor)))

    def _live(self, seen: _Seen, published: Mapping[str, int], present: Set[str], *, now: int, away: bool) -> Line:
        instance = seen.instance
        services = tuple(_health(name, instance) for name in sorted(instance.services))
        documents = _documents(instance, published)
        late = [each for each in documents if each.behind > 0]
        state = State.SERVING
        if late:
            state = State.BEHIND
        if any(each.reason for each in services):
            state = State.DEGRADED
        if any(held != BreakerState.CLOSED for held in instance.breakers.values()):
            state = State.BREAKER_OPEN
        if any(not each.serving for each in services):
            state = State.NOT_SERVING
        if away:
            state = State.UNKNOWN
        return Line(
            process=instance.process,
            state=state,
            instance=instance,
            lease_left_ms=min(max(instance.lease_ms - (now - instance.renewed_at) // NS_PER_MS, 0), instance.lease_ms),
            uptime_s=max(now - instance.started_at, 0) // NS,
            rate=seen.rate,
            services=services,
            documents=documents,
            behind=len(late),
            worst_lag_ms=max(instance.lag_ms.values(), default=None),
            restarted=now - instance.started_at < NEW_NS and self._ran_before(instance, present),
        )

    def _ran_before(self, instance: Instance, present: Set[str]) -> bool:
        return any(
            seen.instance.process == instance.process and name not in present and seen.instance.started_at < instance.started_at
            for name, seen in self._seen.items()
        )


def worst(states: Iterable[State]) -> State:
    """The worst of several states; SERVING of none."""
    return min(states, key=_SEVERITY.__getitem__, default=State.SERVING)


def _health(name: str, instance: Instance) -> ServiceHealth:
    status, _, reason = instance.health.get(name, "").partition(":")
    return ServiceHealth(name.rpartition(".")[2], status == SERVING, reason.strip())


def _documents(instance: Instance, published: Mapping[str, int]) -> tuple[DocumentLag, ...]:
    """Those behind first, the furthest first. Who holds a tenant's document needs every tenant's; others what they hold."""
    held = set(instance.revisions)
    names = held | set(published) if held - {PLATFORM} else held
    found = [
        DocumentLag(
            name=name,
            held=instance.revisions.get(name),
            newest=max(published.get(name, 0), instance.revisions.get(name, 0)),
            lag_ms=instance.lag_ms.get(name),
        )
        for name in names
    ]
    return tuple(sorted(found, key=lambda each: (-each.behind, each.name)))


def _rows(holders: Iterable[Line], published: Mapping[str, int]) -> tuple[DocumentRow, ...]:
    held = [{each.name: each for each in line.documents} for line in holders]
    newest = dict(published)
    for documents in held:
        for name, each in documents.items():
            newest[name] = max(newest.get(name, 0), each.newest)
    rows = [DocumentRow(name, revision, tuple(documents.get(name) for documents in held)) for name, revision in newest.items()]
    return tuple(sorted(rows, key=lambda row: (-max((each.behind for each in row.held if each), default=0), row.name)))


def _breakers(instances: Iterable[Instance]) -> tuple[Breaker, ...]:
    found = [Breaker(name, each.process, state) for each in instances for name, state in each.breakers.items()]
    tones = ("bad", "warn", "good")
    return tuple(sorted(found, key=lambda each: (tones.index(each.tone), each.name, each.process)))

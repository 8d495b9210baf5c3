"""This process's copy of the registry: what callers resolve names from, whether Redis answers or not. No I/O.

Readers take whole immutable tuples; a writer swaps them in one assignment, so any thread may read without a lock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from tradsys.mesh.registry.instance import Instance

log = logging.getLogger("tradsys.registry")

OnChange = Callable[[tuple[Instance, ...]], None]


class _View:
    __slots__ = ("by_service", "instances")

    def __init__(self, instances: Iterable[Instance]) -> None:
        self.instances = tuple(sorted(instances, key=lambda each: (each.process, -each.started_at, each.instance)))
        by_service: dict[str, list[Instance]] = {}
        for each in self.instances:
            for service in each.services:
                by_service.setdefault(service, []).append(each)
        self.by_service: Mapping[str, tuple[Instance, ...]] = MappingProxyType({k: tuple(v) for k, v in by_service.items()})


class Registry:
    """Instances with a lease in force, as last read; before the first reading, those of `fallback`.

    Sorted by process name, the newest start of a process first.
    """

    def __init__(self, fallback: Iterable[Instance] = ()) -> None:
        self._view = _View(fallback)
        self._callbacks: list[OnChange] = []
        self.read = False
        """Whether Redis has ever been read; False: the instances are the configuration's, and nobody knows whether they live."""
        self.reachable = False
        """Whether the last reading succeeded."""
        self.refused: Mapping[str, str] = MappingProxyType({})
        """Documents that are no instances: name → why."""
        self._settled_at = 0

    @property
    def instances(self) -> tuple[Instance, ...]:
        return self._view.instances

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(sorted(self._view.by_service))

    def of(self, service: str) -> tuple[Instance, ...]:
        """Instances of `service`, whatever their health; empty for an unknown name."""
        return self._view.by_service.get(service, ())

    def on_change(self, callback: OnChange) -> None:
        """`callback` gets all instances after each change of members, addresses or health, in the watcher's thread."""
        self._callbacks.append(callback)

    # The watcher's side

    def replace(self, found: Sequence[Instance], refused: Mapping[str, str], *, now: int) -> None:
        """Redis holds exactly `found`. `now` is any steady clock, in nanoseconds.

        While Redis has only just come back, an instance that it does not hold yet keeps its place: its next renewal may not have
        got through.
        """
        names = {each.instance for each in found}
        kept = [each for each in self._view.instances if each.instance not in names] if now < self._settled_at and self.read else []
        self.refused = MappingProxyType(dict(refused))
        self.read = self.reachable = True
        self._swap([*found, *kept])

    def lost(self) -> None:
        """Redis does not answer: the copy stays as it is."""
        self.reachable = False

    def back(self, *, settled_at: int) -> None:
        """Redis answers again after it did not; what it lacks counts as gone from `settled_at` (of `replace`'s clock) on."""
        self._settled_at = settled_at

    def _swap(self, instances: Iterable[Instance]) -> None:
        before, view = self._view, _View(instances)
        self._view = view
        if _shape(before.instances) == _shape(view.instances):
            return
        for callback in self._callbacks:
            try:
                callback(view.instances)
            except Exception:
                log.exception("a reader of the registry's changes failed")


def _shape(instances: Sequence[Instance]) -> list[tuple[object, ...]]:
    """What a change is: load figures and renewals are none."""
    return [(each.instance, each.mesh_address, each.client_address, each.services, each.health) for each in instances]

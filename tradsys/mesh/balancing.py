"""Which instance a call goes to: round-robin, least-loaded, or the one that an account belongs to. Pure.

Account-affine is rendezvous hashing: each (process, account) pair has a score, and the account belongs to the process with the
highest. A process that comes takes only the accounts whose new highest score is its own; one that goes gives up only its own.
The process's name is hashed, not the instance's, so a restart moves nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from hashlib import blake2b
from itertools import count

from tradsys.mesh.config.schema import BalancingPolicy, LoadBalancerConfig
from tradsys.mesh.registry.instance import Instance

_HASH_KEY = b"tradsys account affinity"


def affinity_score(process: str, affinity: str) -> int:
    """64 bits, evenly spread, the same in every process and after every restart."""
    digest = blake2b(affinity.encode(), digest_size=8, key=_HASH_KEY, person=blake2b(process.encode(), digest_size=16).digest())
    return int.from_bytes(digest.digest(), "big")


def by_affinity(processes: Collection[str], affinity: str) -> list[str]:
    """Process names, the one that `affinity` belongs to first, then those it would move to."""
    return sorted(processes, key=lambda name: (-affinity_score(name, affinity), name))


def one_of_each(service: str, instances: Sequence[Instance]) -> list[Instance]:
    """One instance per process, sorted: its newest start that serves. A dead one's lease is in force for a while."""
    best: dict[str, tuple[bool, int, str]] = {}
    found: dict[str, Instance] = {}
    for each in instances:
        rank = each.serves(service), each.started_at, each.instance
        if each.process not in best or rank > best[each.process]:
            best[each.process] = rank
            found[each.process] = each
    return [found[name] for name in sorted(found)]


class Balancer:
    """Orders the instances of one service for one call, best first. Threads may share it.

    `load` tells how many calls of this process an instance is answering now.
    """

    def __init__(self, policy: BalancingPolicy, load: Callable[[Instance], int]) -> None:
        self.policy = policy
        self._load = load
        self._turn = count()

    def order(
        self,
        service: str,
        instances: Sequence[Instance],
        *,
        passed_over: Collection[str] = (),
        affinity: str = "",
        stay: bool = False,
    ) -> list[Instance]:
        """Instances that may be called, best first; empty when there is none.

        An instance that does not serve `service` is left out. `passed_over` holds instance names that could not be reached
        lately: they come last. With `stay` an account is called on its own process or nowhere.
        """
        if self.policy == "account_affine" and affinity:
            return self._affine(service, one_of_each(service, instances), passed_over, affinity, stay)
        serving = [each for each in one_of_each(service, instances) if each.serves(service)]
        if len(serving) > 1:
            turn = next(self._turn) % len(serving)
            serving = serving[turn:] + serving[:turn]
            if self.policy == "least_loaded":
                # A stable sort: among equals the turn decides.
                serving.sort(key=lambda each: each.in_flight + self._load(each))
        return _reachable_first(serving, passed_over)

    def _affine(
        self, service: str, instances: list[Instance], passed_over: Collection[str], affinity: str, stay: bool
    ) -> list[Instance]:
        by_name = {each.process: each for each in instances}
        ordered = [by_name[name] for name in by_affinity(by_name, affinity)]
        if stay:
            return [each for each in ordered[:1] if each.serves(service)]
        return _reachable_first([each for each in ordered if each.serves(service)], passed_over)


def _reachable_first(instances: list[Instance], passed_over: Collection[str]) -> list[Instance]:
    if not passed_over:
        return instances
    return sorted(instances, key=lambda each: each.instance in passed_over)


class Balancers:
    """One balancer per service, by the configuration."""

    def __init__(self, config: LoadBalancerConfig, load: Callable[[Instance], int]) -> None:
        self._config = config
        self._load = load
        self._balancers: dict[str, Balancer] = {}

    def of(self, service: str) -> Balancer:
        found = self._balancers.get(service)
        if found is None:
            policy = self._config.services.get(service, self._config.default_policy)
            found = self._balancers.setdefault(service, Balancer(policy, self._load))
        return found

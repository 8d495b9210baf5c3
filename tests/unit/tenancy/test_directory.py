"""The map of hosts in the process's memory: when it answers by itself and when it reads again."""

from __future__ import annotations

import pytest

from tenants.kernel import directory as module
from tenants.kernel.context import TenantScope
from tenants.kernel.directory import FRESH_SECONDS, MISS_SECONDS, TenantDirectory, TenantEntry, UnknownTenant

NILE = TenantEntry(TenantScope(1, "nile", "t_nile"), suspended=False)
CORNICHE = TenantEntry(TenantScope(2, "corniche", "t_corniche"), suspended=False)


class World:
    """A database that can be counted and a clock that can be set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reads = 0
        self.tenants = {"nile": NILE}

    def read(self) -> tuple[dict[str, TenantEntry], dict[str, TenantEntry]]:
        self.reads += 1
        return {f"{slug}.localhost": entry for slug, entry in self.tenants.items()}, dict(self.tenants)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(module, "read_entries", world.read)
    return world


@pytest.fixture
def hosts(world: World) -> TenantDirectory:
    return TenantDirectory(clock=lambda: world.now)


def test_a_known_host_is_read_once_and_then_answered_from_memory(world: World, hosts: TenantDirectory) -> None:
    assert hosts.known_host("nile.localhost") is None
    for _ in range(100):
        assert hosts.find_host("nile.localhost") is NILE
        assert hosts.known_host("nile.localhost") is NILE
    assert world.reads == 1


def test_a_stale_map_is_read_again(world: World, hosts: TenantDirectory) -> None:
    hosts.find_host("nile.localhost")
    world.tenants.clear()
    world.now += FRESH_SECONDS
    assert hosts.find_host("nile.localhost") is NILE
    world.now += 0.01
    assert hosts.known_host("nile.localhost") is None
    assert hosts.find_host("nile.localhost") is None


def test_a_new_tenant_is_found_at_the_first_question_after_a_second(world: World, hosts: TenantDirectory) -> None:
    hosts.find_host("nile.localhost")
    world.tenants["corniche"] = CORNICHE
    world.now += MISS_SECONDS + 0.01
    assert hosts.find_host("corniche.localhost") is CORNICHE
    assert hosts.find_slug("corniche") is CORNICHE


def test_a_flood_of_unknown_hosts_reads_at_most_once_a_second(world: World, hosts: TenantDirectory) -> None:
    for number in range(1000):
        assert hosts.find_host(f"{number}.localhost") is None
        world.now += 0.005
    assert world.reads <= 6


def test_a_change_in_this_process_is_seen_at_once(world: World, hosts: TenantDirectory) -> None:
    hosts.find_host("nile.localhost")
    world.tenants["corniche"] = CORNICHE
    hosts.forget()
    assert hosts.find_host("corniche.localhost") is CORNICHE


def test_an_unknown_slug_raises(world: World, hosts: TenantDirectory) -> None:
    with pytest.raises(UnknownTenant, match="'gamma'"):
        hosts.find_slug("gamma")

"""Which worker an account belongs to: stays put, moves little, spreads evenly."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.mesh_documents import SERVICE, an_instance, mesh_config
from tradsys.mesh.balancing import Balancer, Balancers, by_affinity
from tradsys.mesh.registry.instance import SERVING

WORKERS = st.sets(st.from_regex(r"worker-[1-9][0-9]?", fullmatch=True), min_size=1, max_size=12)
ACCOUNTS = st.lists(st.text(min_size=1, max_size=20), min_size=1, max_size=15, unique=True)
LOTS = [f"nile/NILE-{number:05}" for number in range(4000)]


def affine(load: int = 0) -> Balancer:
    return Balancer("account_affine", lambda instance: load)


@given(WORKERS, ACCOUNTS, st.from_regex(r"new-[a-z]{1,8}", fullmatch=True))
def test_a_worker_that_comes_takes_accounts_only_for_itself(workers: set[str], accounts: list[str], newcomer: str) -> None:
    for account in accounts:
        before, after = by_affinity(workers, account)[0], by_affinity({*workers, newcomer}, account)[0]
        assert after in (before, newcomer)


@given(WORKERS, ACCOUNTS, st.data())
def test_a_worker_that_goes_gives_up_only_its_own_accounts(workers: set[str], accounts: list[str], data: st.DataObject) -> None:
    gone = data.draw(st.sampled_from(sorted(workers)))
    left = workers - {gone}
    for account in accounts:
        before = by_affinity(workers, account)
        if left:
            assert by_affinity(left, account) == [each for each in before if each != gone]


@pytest.mark.parametrize("workers", [2, 3, 8])
def test_accounts_spread_evenly_and_about_one_in_n_moves(workers: int) -> None:
    names = [f"worker-{number}" for number in range(1, workers + 1)]
    homes = Counter(by_affinity(names, account)[0] for account in LOTS)
    fair = len(LOTS) / workers
    assert all(abs(homes[name] - fair) < 5 * fair**0.5 for name in names), homes
    grown = [*names, f"worker-{workers + 1}"]
    moved = sum(by_affinity(names, account)[0] != by_affinity(grown, account)[0] for account in LOTS)
    expected = len(LOTS) / (workers + 1)
    assert abs(moved - expected) < 5 * expected**0.5


def test_the_home_of_an_account_never_changes_between_versions() -> None:
    names = ["worker-1", "worker-2", "worker-3"]
    assert "".join(by_affinity(names, account)[0][-1] for account in LOTS[:8]) == "11112313"


def test_a_restart_moves_nobody_and_the_newest_start_is_called() -> None:
    old = [an_instance(f"worker-{number}") for number in (1, 2, 3)]
    new = [an_instance(f"worker-{number}", started_at=9) for number in (1, 2, 3)]
    for account in LOTS[:200]:
        [before, *_] = affine().order(SERVICE, old, affinity=account)
        [after, *_] = affine().order(SERVICE, [*old, *new], affinity=account)
        assert (after.process, after.started_at) == (before.process, 9)


def test_while_the_new_start_is_not_ready_the_old_one_that_serves_is_called() -> None:
    old, new = an_instance("worker-1"), an_instance("worker-1", started_at=9, health={SERVICE: "NOT_SERVING: starting"})
    assert affine().order(SERVICE, [old, new], affinity="nile/A") == [old]


def test_an_instance_that_does_not_serve_is_left_out_and_a_suspect_one_comes_last() -> None:
    ill = an_instance("worker-1", health={SERVICE: "NOT_SERVING: journal full"})
    suspect, well = an_instance("worker-2"), an_instance("worker-3")
    elsewhere = an_instance("worker-4", services=("tradsys.v1.RiskService",), health={"tradsys.v1.RiskService": SERVING})
    nowhere = an_instance("worker-5", mesh_address="")
    everything = [ill, suspect, well, elsewhere, nowhere]
    for policy in ("round_robin", "least_loaded", "account_affine"):
        balancer = Balancer(policy, lambda instance: 0)
        for _ in range(4):
            assert balancer.order(SERVICE, everything, passed_over={suspect.instance}, affinity="nile/A") == [well, suspect]


def test_with_stay_an_account_is_called_at_home_or_nowhere() -> None:
    names = ["worker-1", "worker-2"]
    home, other = by_affinity(names, "nile/A")
    well = {name: an_instance(name) for name in names}
    ordered = affine().order(SERVICE, list(well.values()), affinity="nile/A", stay=True)
    assert ordered == [well[home]]
    suspect = affine().order(SERVICE, list(well.values()), passed_over={well[home].instance}, affinity="nile/A", stay=True)
    assert suspect == [well[home]]
    ill = an_instance(home, health={SERVICE: "NOT_SERVING: draining"})
    assert affine().order(SERVICE, [ill, well[other]], affinity="nile/A", stay=True) == []
    assert affine().order(SERVICE, [ill, well[other]], affinity="nile/A") == [well[other]]
    assert affine().order(SERVICE, [well[other]], affinity="nile/A", stay=True) == [well[other]]


@given(st.integers(1, 6), st.integers(1, 5))
def test_round_robin_gives_everybody_the_same_number_of_turns(workers: int, rounds: int) -> None:
    balancer = Balancer("round_robin", lambda instance: 0)
    instances = [an_instance(f"worker-{number}") for number in range(workers)]
    turns = Counter(balancer.order(SERVICE, instances)[0].process for _ in range(workers * rounds))
    assert set(turns.values()) == {rounds}


def test_least_loaded_adds_what_the_instance_says_and_what_goes_there_from_here() -> None:
    own = {"a": 0, "b": 5, "c": 0}
    balancer = Balancer("least_loaded", lambda instance: own[instance.process])
    instances = [an_instance("a", in_flight=4), an_instance("b"), an_instance("c", in_flight=2)]
    assert [each.process for each in balancer.order(SERVICE, instances)] == ["c", "a", "b"]
    own["c"] = 9
    assert [each.process for each in balancer.order(SERVICE, instances)] == ["a", "b", "c"]


def test_least_loaded_takes_turns_among_equals() -> None:
    balancer = Balancer("least_loaded", lambda instance: 0)
    instances = [an_instance("a"), an_instance("b"), an_instance("c")]
    assert {balancer.order(SERVICE, instances)[0].process for _ in range(3)} == {"a", "b", "c"}


def test_without_an_account_an_affine_service_is_called_in_turn() -> None:
    instances = [an_instance("a"), an_instance("b")]
    balancer = affine()
    assert {balancer.order(SERVICE, instances)[0].process for _ in range(2)} == {"a", "b"}


def test_policies_come_from_the_configuration() -> None:
    balancers = Balancers(mesh_config().load_balancing, lambda instance: 0)
    assert balancers.of(SERVICE).policy == "account_affine"
    assert balancers.of("tradsys.v1.AssetService").policy == "round_robin"
    assert balancers.of(SERVICE) is balancers.of(SERVICE)

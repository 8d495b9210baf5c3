"""The registry's document and this process's copy, without Redis."""

from __future__ import annotations

import json
import threading

import msgspec
import pytest

from tests.mesh_documents import SERVICE, an_instance
from tradsys.configuration import Configuration
from tradsys.mesh.registry.fallback import configured_instances
from tradsys.mesh.registry.instance import Instance, InstanceRefused, decode_instance, encode_instance, instance_name
from tradsys.mesh.registry.local_copy import Registry


def test_a_document_comes_back_as_it_was_written() -> None:
    instance = an_instance("worker-1", in_flight=3, calls=9, breakers={"exchange:EGX": "open"}, revisions={"nile": 4})
    assert decode_instance(encode_instance(instance)) == instance


def test_a_field_of_a_later_version_is_passed_over() -> None:
    document = {**json.loads(encode_instance(an_instance("worker-1"))), "colour": "green"}
    assert decode_instance(json.dumps(document).encode()).process == "worker-1"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"process": "worker-1"}', b"[" * 100_000,
        *(
            json.dumps({**json.loads(encode_instance(an_instance("worker-1"))), **wrong}).encode()
            for wrong in (
                {"process": "Worker 1"}, {"instance": "../other"}, {"in_flight": -1}, {"services": "tradsys.v1.OrderService"},
                {"mesh_address": "http://127.0.0.1/x"}, {"health": {SERVICE: 7}}, {"lease_ms": 1.5}, {"version": "x" * 400},
            )
        ),
    ],
)  # fmt: skip
def test_what_is_no_instance_is_refused(raw: bytes) -> None:
    with pytest.raises(InstanceRefused):
        decode_instance(raw)


def test_two_starts_of_a_process_have_two_names() -> None:
    assert instance_name("worker-1", 7, 1) != instance_name("worker-1", 7, 2)
    assert Instance(process="worker-1", instance=instance_name("worker-1", 7, 1)).services == ()


def test_the_copy_is_sorted_and_knows_services() -> None:
    registry = Registry()
    assert registry.of(SERVICE) == ()
    b, a, older = an_instance("b", started_at=2), an_instance("a"), an_instance("b", started_at=1)
    registry.replace([older, b, a], {}, now=0)
    assert registry.of(SERVICE) == registry.instances == (a, b, older)
    assert registry.services == (SERVICE,)
    assert registry.of("tradsys.v1.Nothing") == ()


def test_callbacks_hear_of_changes_and_not_of_renewals_and_a_bad_one_harms_nobody() -> None:
    registry, heard = Registry(), []

    def broken(_: object) -> None:
        raise RuntimeError("broken")

    registry.on_change(broken)
    registry.on_change(heard.append)
    instance = an_instance("worker-1")
    registry.replace([instance], {}, now=0)
    registry.replace([msgspec.structs.replace(instance, renewed_at=5, in_flight=9, calls=7)], {}, now=0)
    assert len(heard) == 1
    assert registry.instances[0].calls == 7, "figures are kept all the same"
    registry.replace([msgspec.structs.replace(instance, health={SERVICE: "NOT_SERVING: draining"})], {}, now=0)
    registry.replace([], {}, now=0)
    assert [len(each) for each in heard] == [1, 1, 0]


def test_while_redis_is_away_and_settles_nobody_is_taken_for_dead() -> None:
    registry = Registry()
    living, dead = an_instance("worker-1"), an_instance("worker-2")
    registry.replace([living, dead], {}, now=10)
    registry.lost()
    assert not registry.reachable
    assert registry.instances == (living, dead)
    registry.back(settled_at=100)
    registry.replace([], {}, now=50)
    assert registry.reachable
    assert registry.instances == (living, dead)
    registry.replace([living], {}, now=99)
    assert registry.instances == (living, dead)
    registry.replace([living], {}, now=100)
    assert registry.instances == (living,)


def test_the_configurations_addresses_count_until_redis_was_read_and_no_longer() -> None:
    configuration = Configuration.from_environment(
        {
            "TRADSYS_VAR": "/nonexistent",
            "TRADSYS_ORDER_WORKERS": "worker-1=127.0.0.1:1,worker-2=127.0.0.1:2",
            "TRADSYS_SERVICES": "market-data=127.0.0.1:3,services=127.0.0.1:4",
            "TRADSYS_MESH": "worker-1=127.0.0.1:11,market-data=127.0.0.1:13,services=127.0.0.1:14",
        }
    )
    registry = Registry(configured_instances(configuration))
    assert not registry.read
    [worker] = registry.of(SERVICE)
    assert (worker.process, worker.mesh_address, worker.client_address) == ("worker-1", "127.0.0.1:11", "127.0.0.1:1")
    assert worker.serves(SERVICE)
    assert [each.process for each in registry.of("tradsys.v1.MarketDataService")] == ["market-data"]
    assert [each.process for each in registry.of("tradsys.v1.LicensingService")] == ["services"]
    registry.back(settled_at=1_000)
    registry.replace([], {}, now=0)
    assert registry.instances == (), "a registry that answers is believed from its first answer on"


@pytest.mark.parametrize(
    ("said", "serves"),
    [
        ("SERVING", True),
        ("SERVING: lines: down: EGX-2", True),
        ("NOT_SERVING: journal: full", False),
        ("SERVING2", False),
        ("", False),
    ],
)
def test_calls_go_to_a_service_that_is_degraded_and_to_none_that_does_not_serve(said: str, serves: bool) -> None:
    assert an_instance("worker-1", health={SERVICE: said}).serves(SERVICE) is serves


def test_readers_in_other_threads_always_see_a_whole_copy() -> None:
    registry, stop, seen = Registry(), threading.Event(), set()
    one, two = [an_instance("a")], [an_instance("a"), an_instance("b"), an_instance("c")]
    registry.replace(one, {}, now=0)

    def read() -> None:
        while not stop.is_set():
            seen.add(len(registry.of(SERVICE)))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(2000):
        registry.replace(two if turn % 2 else one, {}, now=0)
    stop.set()
    reader.join()
    assert seen <= {1, 3}

"""Both clients of the mesh against real servers: who is called, what is tried again, what never is."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc
import pytest

from tests.integration.mesh.backends import PATH, Backend, backends
from tests.mesh_documents import SERVICE, mesh_config
from tradsys.mesh.balancing import by_affinity
from tradsys.mesh.calls import Call, CallIdentity, current_call
from tradsys.mesh.channels.blocking import BlockingMeshChannels
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.channels.course import CallNotSent
from tradsys.mesh.config.schema import ServiceMeshConfig
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.resilience.deadlines import DeadlinePassed, reset_deadline, set_deadline
from tradsys.mesh.telemetry.metrics import METRICS

OFTEN = {"initial_backoff_ms": 5, "max_backoff_ms": 20, "budget_min_per_second": 1000}
IN_TURN = {"services": {}}


class Client(Protocol):
    """What both clients are to these tests."""

    breakers: Any

    async def call(self, request: bytes = b"", **options: Any) -> str: ...

    async def check(self) -> None: ...

    async def close(self) -> None: ...


class AsyncClient:
    def __init__(self, registry: Registry, config: ServiceMeshConfig, trust: Any = None) -> None:
        self.channels = MeshChannels(registry, config, trust)
        self.breakers = self.channels.breakers

    async def call(self, request: bytes = b"", **options: Any) -> str:
        return await self.channels.call(PATH, request, response=bytes.decode, **options)

    async def check(self) -> None:
        await self.channels.check()

    async def close(self) -> None:
        await self.channels.close()


class ThreadClient:
    def __init__(self, registry: Registry, config: ServiceMeshConfig, trust: Any = None) -> None:
        self.channels = BlockingMeshChannels(registry, config, trust)
        self.breakers = self.channels.breakers

    async def call(self, request: bytes = b"", **options: Any) -> str:
        return await asyncio.to_thread(self.channels.call, PATH, request, response=bytes.decode, **options)

    async def check(self) -> None:
        await asyncio.to_thread(self.channels.check)

    async def close(self) -> None:
        await asyncio.to_thread(self.channels.close)


Make = Callable[[list[Backend], ServiceMeshConfig], Any]


@pytest.fixture(params=[AsyncClient, ThreadClient], ids=["asyncio", "threads"])
def client_of(request: pytest.FixtureRequest) -> Make:
    """``async with client_of(backends, config) as client``."""

    @asynccontextmanager
    async def make(found: list[Backend], config: ServiceMeshConfig) -> AsyncIterator[Client]:
        registry = Registry()
        registry.replace([each.instance for each in found], {}, now=0)
        client = request.param(registry, config)
        client.registry = registry
        try:
            yield client
        finally:
            await client.close()

    return make


async def test_calls_go_to_everybody_in_turn(client_of: Make) -> None:
    async with backends("a", "b") as found, client_of(found, mesh_config(load_balancing=IN_TURN)) as client:
        answers = Counter([await client.call(b"x") for _ in range(6)])
        assert answers == {"a:x": 3, "b:x": 3}


async def test_an_account_is_always_called_on_its_own_worker(client_of: Make) -> None:
    async with backends("worker-1", "worker-2") as found, client_of(found, mesh_config()) as client:
        for account in ("nile/NILE-001", "nile/NILE-002", "amana/AMA-001", "corniche/COR-001"):
            home = by_affinity(["worker-1", "worker-2"], account)[0]
            assert {await client.call(affinity=account) for _ in range(3)} == {f"{home}:"}


async def test_a_call_that_changes_something_is_sent_once_though_the_connection_dies_under_it(client_of: Make) -> None:
    async with backends("worker-1", "worker-2") as found, client_of(found, mesh_config(retry=OFTEN)) as client:
        for each in found:
            each.slam = True
        with pytest.raises(grpc.RpcError) as caught:
            await client.call(affinity="nile/NILE-001")
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert sum(each.calls for each in found) == 1
        # The door lets new connections in, so a second copy would have arrived by now.
        await asyncio.sleep(0.3)
        assert sum(each.calls for each in found) == 1


async def test_an_idempotent_call_goes_on_to_another_instance(client_of: Make) -> None:
    async with backends("a", "b") as found, client_of(found, mesh_config(retry=OFTEN, load_balancing=IN_TURN)) as client:
        found[0].slam = True
        assert {await client.call(idempotent=True) for _ in range(4)} == {"b:"}
        assert found[0].calls == 1, "whoever could not be reached is passed over for a while"


async def test_an_idempotent_call_is_tried_as_often_as_configured_and_no_more(client_of: Make) -> None:
    config = mesh_config(retry={**OFTEN, "max_attempts": 3}, load_balancing=IN_TURN)
    async with backends("a", "b") as found, client_of(found, config) as client:
        for each in found:
            each.abort = grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError):
            await client.call(idempotent=True)
        assert sum(each.calls for each in found) == 3


async def test_without_budget_nothing_is_tried_again(client_of: Make) -> None:
    config = mesh_config(retry={**OFTEN, "budget_percent": 0, "budget_min_per_second": 0})
    async with backends("a", "b") as found, client_of(found, config) as client:
        for each in found:
            each.abort = grpc.StatusCode.UNAVAILABLE
        with pytest.raises(grpc.RpcError):
            await client.call(idempotent=True)
        assert sum(each.calls for each in found) == 1


@pytest.mark.parametrize("refusal", [CallRefusal.CONFIGURATION_MISSING, CallRefusal.LICENSE_EXPIRED, CallRefusal.QUOTA_EXCEEDED])
async def test_a_refusal_of_the_service_is_its_answer_and_no_fault_of_it(client_of: Make, refusal: CallRefusal) -> None:
    config = mesh_config(retry={**OFTEN, "codes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]})
    async with backends("a", "b") as found, client_of(found, config) as client:
        for each in found:
            each.refusal = refusal
        for _ in range(8):
            with pytest.raises(grpc.RpcError):
                await client.call(idempotent=True, affinity="x")
        assert sum(each.calls for each in found) == 8
        assert set(client.breakers.states().values()) == {"closed"}


async def test_a_draining_instance_is_left_for_another_without_blame(client_of: Make) -> None:
    async with backends("a", "b") as found, client_of(found, mesh_config(retry=OFTEN, load_balancing=IN_TURN)) as client:
        found[0].refusal = CallRefusal.SERVICE_DRAINING
        assert {await client.call(idempotent=True) for _ in range(8)} == {"b:"}
        assert set(client.breakers.states().values()) == {"closed"}


async def test_a_call_that_changes_something_waits_for_a_worker_that_is_starting(client_of: Make) -> None:
    async with backends("worker-1") as found, client_of(found, mesh_config()) as client:
        found[0].door.lock()
        calling = asyncio.create_task(client.call(affinity="nile/A", stay=True, timeout=5, wait=5))
        await asyncio.sleep(0.4)
        assert not calling.done()
        await found[0].door.unlock()
        assert await calling == "worker-1:"
        assert found[0].calls == 1


async def test_an_account_does_not_move_while_its_worker_has_a_lease(client_of: Make) -> None:
    async with backends("worker-1", "worker-2") as found, client_of(found, mesh_config()) as client:
        home = by_affinity(["worker-1", "worker-2"], "nile/A")[0]
        [at_home] = [each for each in found if each.process == home]
        [other] = [each for each in found if each.process != home]
        at_home.door.lock()
        with pytest.raises(CallNotSent) as caught:
            await client.call(affinity="nile/A", stay=True, wait=0.1)
        assert caught.value.refusal is CallRefusal.DEPENDENCY_UNAVAILABLE
        assert other.calls == 0
        assert await client.call(affinity="nile/A") == f"{other.process}:", "a caller that does not ask to stay moves on"
        client.registry.replace([other.instance], {}, now=0)
        assert await client.call(affinity="nile/A", stay=True) == f"{other.process}:", "its lease is gone"


async def test_nobody_there_is_refused_with_its_code_and_counted(client_of: Make) -> None:
    labels = {"service": SERVICE, "reason": "DEPENDENCY_UNAVAILABLE"}
    before = METRICS.registry.get_sample_value("tradsys_calls_refused_total", labels) or 0
    async with client_of([], mesh_config()) as client:
        with pytest.raises(CallNotSent) as caught:
            await client.call(wait=0.05)
    assert caught.value.refusal is CallRefusal.DEPENDENCY_UNAVAILABLE
    assert METRICS.registry.get_sample_value("tradsys_calls_refused_total", labels) == before + 1


async def test_a_slow_dependency_opens_its_breaker_and_takes_nobody_down(client_of: Make) -> None:
    breaker = {"default": {"failures": 3, "window_ms": 10_000, "open_ms": 300, "slow_call_ms": 50}}
    config = mesh_config(circuit_breaker=breaker, load_balancing=IN_TURN)
    async with backends("quick", "slow") as found, client_of(found, config) as client:
        _, slow = found
        slow.delay = 0.1
        for _ in range(6):
            await client.call()
        assert client.breakers.states() == {f"{SERVICE}/quick": "closed", f"{SERVICE}/slow": "open"}
        assert METRICS.registry.get_sample_value("tradsys_circuit_breaker_state", {"breaker": f"{SERVICE}/slow"}) == 2
        began = time.monotonic()
        assert {await client.call() for _ in range(10)} == {"quick:"}
        assert time.monotonic() - began < 0.5
        assert slow.calls == 3
        slow.delay = 0.0
        await asyncio.sleep(0.3)
        assert "slow:" in {await client.call() for _ in range(2)}
        assert client.breakers.states()[f"{SERVICE}/slow"] == "closed"


async def test_while_one_trial_is_under_way_everybody_else_is_refused_at_once(client_of: Make) -> None:
    breaker = {"default": {"failures": 1, "window_ms": 10_000, "open_ms": 100, "slow_call_ms": 500}}
    async with backends("a") as found, client_of(found, mesh_config(circuit_breaker=breaker)) as client:
        found[0].abort = grpc.StatusCode.INTERNAL
        with pytest.raises(grpc.RpcError):
            await client.call()
        with pytest.raises(CallNotSent) as caught:
            await client.call()
        assert caught.value.refusal is CallRefusal.BREAKER_OPEN
        assert found[0].calls == 1
        await asyncio.sleep(0.12)
        found[0].abort, found[0].delay = None, 0.2
        trial = asyncio.create_task(client.call())
        await asyncio.sleep(0.1)
        with pytest.raises(CallNotSent) as caught:
            await client.call()
        assert caught.value.refusal is CallRefusal.BREAKER_OPEN
        assert await trial == "a:"
        assert await client.call() == "a:"


async def test_calls_to_one_instance_are_limited_and_the_wait_for_a_place_is_bounded(client_of: Make) -> None:
    pool = {"max_calls_per_instance": 2, "acquire_ms": 200}
    async with backends("a") as found, client_of(found, mesh_config(connection_pool=pool)) as client:
        await client.call()
        found[0].delay = 0.5
        under_way = [asyncio.create_task(client.call()) for _ in range(2)]
        await asyncio.sleep(0.1)
        assert METRICS.registry.get_sample_value("tradsys_connection_pool_usage", {"pool": f"{SERVICE}/a"}) == 1
        with pytest.raises(CallNotSent) as caught:
            await client.call()
        assert caught.value.refusal is CallRefusal.POOL_EXHAUSTED
        assert found[0].calls == 3
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(client.call())
        await asyncio.gather(*under_way)
        found[0].delay = 0.0
        assert await waiting == "a:", "a place that became free in time is taken"
        assert METRICS.registry.get_sample_value("tradsys_connection_pool_usage", {"pool": f"{SERVICE}/a"}) == 0


async def test_a_call_for_another_call_ends_no_later_than_that_one(client_of: Make) -> None:
    async with backends("a") as found, client_of(found, mesh_config()) as client:
        await client.call()
        token = set_deadline(0.15)
        try:
            found[0].delay = 0.5
            with pytest.raises(grpc.RpcError) as caught:
                await client.call(timeout=5)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert found[0].time_remaining is not None
            assert found[0].time_remaining < 0.2
            calls = found[0].calls
            with pytest.raises(DeadlinePassed):
                await client.call(idempotent=True)
            assert found[0].calls == calls, "nothing is sent for somebody who does not wait any more"
        finally:
            reset_deadline(token)
        assert client.breakers.states() == {f"{SERVICE}/a": "closed"}


async def test_a_health_check_finds_the_ill_and_the_recovered(client_of: Make) -> None:
    config = mesh_config(load_balancing={**IN_TURN, "suspect_ms": 60_000})
    async with backends("a", "b") as found, client_of(found, config) as client:
        assert {await client.call() for _ in range(2)} == {"a:", "b:"}
        await found[0].serves(False)
        await client.check()
        assert {await client.call() for _ in range(4)} == {"b:"}
        await found[0].serves(True)
        await client.check()
        assert {await client.call() for _ in range(2)} == {"a:", "b:"}


async def test_idle_channels_and_those_of_gone_instances_are_closed(client_of: Make) -> None:
    config = mesh_config(load_balancing=IN_TURN, connection_pool={"idle_ms": 1000})
    async with backends("a", "b") as found, client_of(found, config) as client:
        await client.call()
        await client.call()
        client.registry.replace([found[0].instance], {}, now=0)
        await client.check()
        links = client.channels._links
        assert [service_instance[1] for service_instance in links] == [found[0].instance.instance]
        client.channels._steady = lambda: time.monotonic_ns() + 2_000_000_000
        await client.check()
        [link] = links.values()
        assert link.channels.take_for_check() is None
        client.channels._steady = time.monotonic_ns
        assert await client.call() == "a:"
        assert found[0].door.connections == 2


async def test_the_trace_of_the_incoming_call_goes_on(client_of: Make) -> None:
    call = Call(identity=CallIdentity(), method="x/Y", door="grpc", began_at=0, trace=f"{'a' * 32}-{'b' * 16}")
    async with backends("a") as found, client_of(found, mesh_config()) as client:
        token = current_call.set(call)
        await client.call(metadata=(("tradsys-door", "rest"),))
        current_call.reset(token)
        assert found[0].metadata["traceparent"] == f"00-{'a' * 32}-{'b' * 16}-01"
        assert found[0].metadata["tradsys-door"] == "rest"


async def test_a_path_that_names_no_method_is_a_mistake_of_the_caller() -> None:
    channels = MeshChannels(Registry(), mesh_config(), None)
    for path in ("Say", "tradsys.v1.OrderService/Say", "//Say", "/tradsys.v1.OrderService/"):
        with pytest.raises(ValueError, match="is not /package"):
            await channels.call(path, b"", response=bytes)


async def test_a_call_that_is_cancelled_here_gives_its_place_and_its_permit_back() -> None:
    breaker = {"default": {"failures": 1, "window_ms": 10_000, "open_ms": 100, "slow_call_ms": 5000}}
    config = mesh_config(connection_pool={"max_calls_per_instance": 1}, circuit_breaker=breaker)
    async with backends("a") as found:
        registry = Registry()
        registry.replace([found[0].instance], {}, now=0)
        client = AsyncClient(registry, config)
        found[0].delay = 5.0
        calling = asyncio.create_task(client.call())
        await asyncio.sleep(0.1)
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
        found[0].delay = 0.0
        assert await client.call() == "a:"
        assert client.breakers.states() == {f"{SERVICE}/a": "closed"}
        await client.close()

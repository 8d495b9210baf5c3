"""What every call goes through: who calls, for which tenant, whether table and licence allow it; and what is counted of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grpc_health.v1 import health_pb2, health_pb2_grpc

from licensing.licence_check import LicenceCheck
from tests.mesh_calls import end_of, refused
from tradsys.mesh.admission import Admission
from tradsys.mesh.calls import Call, CallIdentity, current_call
from tradsys.mesh.grpc_server import StandardServices, abort_with_refusal, new_server
from tradsys.mesh.interceptor import CallInterceptor
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.service import OPERATOR, TRADER, VIEWER, MethodRule
from tradsys.mesh.telemetry.metrics import METRICS
from tradsys.mesh.tokens import Claims, TokenVerifier, issue
from tradsys.mesh.trust.identity import Peer

KEY = Ed25519PrivateKey.generate()
SERVICE = "tests.v1.Echo"
SECOND = 1_000_000_000

RULES = (
    MethodRule(name="Say", about="Says it again.", roles=frozenset({TRADER})),
    MethodRule(name="Feature", about="Needs more.", roles=frozenset({TRADER, VIEWER}), features=("exchange:ADX",)),
    MethodRule(name="Free", about="Works without a licence.", roles=frozenset({TRADER, OPERATOR}), licensed=False, meter=""),
    MethodRule(name="Own", about="For the platform's own services.", services=frozenset({"web"})),
    MethodRule(name="Fail", about="Has a fault.", roles=frozenset({TRADER})),
    MethodRule(name="Watch", about="Goes on.", roles=frozenset({TRADER}), features=("exchange:EGX",), streaming=True),
    MethodRule(name="Hasty", about="Is refused as it begins.", roles=frozenset({TRADER}), streaming=True),
    MethodRule(name="Flood", about="Sends more than fits.", roles=frozenset({TRADER}), streaming=True),
)
FLOOD = bytes(3_000_000)
"""More than a connection takes before the reader reads."""


@dataclass(frozen=True)
class Licence:
    plan: str = "Test"
    status: str = "active"
    valid_from: int = 0
    valid_until: int = 2**62
    features: tuple[str, ...] = ("exchange:EGX",)
    api_calls_per_month_cap: int | None = None
    api_calls_per_second: int | None = None
    billing_time_zone: str = "UTC"


@dataclass
class Usage:
    recorded: list[dict[str, Any]] = field(default_factory=list)

    def record(
        self, tenant: str, meter: str, operation: str, door: str, subject: str, success: bool, duration: int, time: int
    ) -> None:
        event = {"tenant": tenant, "meter": meter, "operation": operation, "door": door, "subject": subject}
        self.recorded.append({**event, "success": success, "duration": duration, "time": time})


@dataclass
class Echo:
    """A server with the interceptor, and everything a test may look at or change."""

    check: LicenceCheck
    usage: Usage
    interceptor: CallInterceptor
    channel: grpc.aio.Channel
    calls: list[Call]
    revoked: set[str]
    peer: list[Peer]

    async def say(self, method: str = "Say", *, token: str | None = "", **metadata: str) -> bytes:
        if token == "":
            token = token_of()
        pairs = [(name.replace("_", "-"), text) for name, text in metadata.items()]
        if token is not None:
            pairs.append(("authorization", f"Bearer {token}"))
        try:
            answer: bytes = await self.channel.unary_unary(f"/{SERVICE}/{method}")(b"hello", metadata=pairs, timeout=5)
        except grpc.aio.AioRpcError as error:
            raise refused(error) from error
        finally:
            self.interceptor.settle()
        return answer

    async def refusal(self, method: str = "Say", **options: Any) -> str:
        """The code with which a call ends; asserts that its service never saw it and nothing was counted."""
        before, counted = len(self.calls), len(self.usage.recorded)
        with pytest.raises(Exception) as caught:
            await self.say(method, **options)
        assert (len(self.calls), len(self.usage.recorded)) == (before, counted)
        return str(getattr(caught.value, "code", caught.value))


def token_of(tenant: str = "nile", role: str = TRADER, *, age: int = 0, **more: Any) -> str:
    return issue(
        KEY, subject=f"{tenant}-{role}", tenant=tenant, role=role, accounts=["*"], now=time.time_ns() - age * SECOND, **more
    )


@asynccontextmanager
async def echo_server(licence: Licence | None = None) -> AsyncIterator[Echo]:
    check, usage, calls, revoked, peer = LicenceCheck(), Usage(), [], set(), [Peer()]
    check.apply("nile", licence or Licence(), revision=1, lease_until=2**62)

    async def say(request: bytes, context: Any) -> bytes:
        calls.append(current_call.get())
        return request

    async def fail(request: bytes, context: Any) -> bytes:
        raise RuntimeError("a fault")

    async def watch(request: bytes, context: Any) -> AsyncIterator[bytes]:
        calls.append(current_call.get())
        yield b"first"
        await asyncio.sleep(30)

    async def hasty(request: bytes, context: Any) -> None:
        # The refusal comes at the very next turn of the loop, with the first sending under way.
        revoked.add("nile-trader")
        asyncio.get_running_loop().call_soon(interceptor.look_at_streams)
        if request == b"Hasty abort":
            revoked.clear()
            writing = asyncio.create_task(context.write(b"first"))
            for _ in range(2):
                await asyncio.sleep(0)  # the task begins, and its sending
            writing.cancel()
            await abort_with_refusal(context, CallRefusal.TOKEN_REVOKED, {})
        if request == b"Hasty metadata":
            await context.send_initial_metadata((("sequence", "1"),))
        await context.write(b"first")
        await asyncio.sleep(30)

    async def flood(request: bytes, context: Any) -> None:
        calls.append(current_call.get())
        while True:
            await context.write(FLOOD)

    def is_revoked(claims: Claims) -> bool:
        return claims.token_id in revoked or claims.subject in revoked

    def permits(method: str, identity: CallIdentity) -> bool:
        rule = next(each for each in RULES if f"{SERVICE}/{each.name}" == method)
        return identity.role in rule.roles or (not identity.role and identity.service in rule.services)

    admission = Admission(
        tokens=TokenVerifier(KEY.public_key(), revoked=is_revoked),
        peer_of=lambda _context: peer[0],
        permits=permits,
        gate=check,
        now=time.time_ns,
    )
    interceptor = CallInterceptor(admission, {SERVICE: RULES}, usage)  # type: ignore[arg-type]
    server = new_server(interceptors=[interceptor])
    handlers: dict[str, Any] = {
        name: grpc.unary_unary_rpc_method_handler(say) for name in ("Say", "Feature", "Free", "Own", "Undeclared")
    }
    handlers["Fail"] = grpc.unary_unary_rpc_method_handler(fail)
    handlers["Watch"] = grpc.unary_stream_rpc_method_handler(watch)
    handlers["Hasty"] = grpc.unary_stream_rpc_method_handler(hasty)
    handlers["Flood"] = grpc.unary_stream_rpc_method_handler(flood)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    standard = StandardServices(server, [SERVICE])
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await standard.serving()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield Echo(check, usage, interceptor, channel, calls, revoked, peer)
    await server.stop(0)


async def test_a_call_reaches_its_service_with_the_identity_of_its_token_and_is_counted_once() -> None:
    async with echo_server() as echo:
        assert await echo.say() == b"hello"
        [call] = echo.calls
        assert (call.identity.tenant, call.identity.role, call.identity.accounts, call.door) == ("nile", TRADER, None, "grpc")
        [event] = echo.usage.recorded
        assert (event["tenant"], event["operation"], event["success"], event["meter"]) == (
            "nile",
            f"{SERVICE}/Say",
            True,
            "api_calls",
        )
        assert event["duration"] > 0 and abs(event["time"] - time.time_ns()) < 5 * SECOND


async def test_without_a_good_token_nothing_is_reached() -> None:
    async with echo_server() as echo:
        stranger = issue(Ed25519PrivateKey.generate(), subject="x", tenant="nile", role=TRADER, accounts=["*"], now=time.time_ns())
        for token in (None, "not-a-token", stranger, token_of(age=700)):
            assert await echo.refusal(token=token) == "UNAUTHENTICATED", token
        assert await echo.refusal(token=None, authorization="Basic abc") == "UNAUTHENTICATED"


async def test_a_role_that_the_table_does_not_name_is_denied() -> None:
    async with echo_server() as echo:
        assert await echo.refusal(token=token_of(role=VIEWER)) == "METHOD_NOT_PERMITTED"
        assert await echo.refusal("Undeclared") == "METHOD_NOT_PERMITTED"


async def test_a_services_own_method_takes_its_certificate_and_no_ones_token() -> None:
    async with echo_server() as echo:
        assert await echo.refusal("Own") == "METHOD_NOT_PERMITTED"
        echo.peer[0] = Peer(service="relay")
        assert await echo.refusal("Own", token=None) == "METHOD_NOT_PERMITTED"
        echo.peer[0] = Peer(service="web")
        for _ in range(2):  # the second time the caller is known
            assert await echo.say("Own", token=None) == b"hello"
            assert echo.calls[-1].identity == CallIdentity(service="web")
        assert not echo.usage.recorded, "a service that acts for itself uses up no tenant's quota"


async def test_a_stolen_token_of_another_tenant_is_refused_and_counted() -> None:
    async with echo_server() as echo:
        before = METRICS.exposition().count(b"TENANT_MISMATCH")
        echo.peer[0] = Peer(tenant="corniche")
        assert await echo.refusal() == "TENANT_MISMATCH"
        echo.peer[0] = Peer(tenant="nile")
        assert await echo.say() == b"hello"
        assert await echo.refusal(tradsys_tenant="corniche") == "TENANT_MISMATCH"
        assert METRICS.exposition().count(b"TENANT_MISMATCH") > before


async def test_a_revoked_token_is_refused_although_it_was_good_a_moment_ago() -> None:
    async with echo_server() as echo:
        token = token_of()
        assert await echo.say(token=token) == b"hello"
        echo.revoked.add("nile-trader")
        assert await echo.refusal(token=token) == "TOKEN_REVOKED"


async def test_the_door_is_believed_only_from_the_platforms_own_services() -> None:
    async with echo_server() as echo:
        await echo.say(tradsys_door="rest")
        echo.peer[0] = Peer(service="web")
        await echo.say(tradsys_door="rest")
        await echo.say(tradsys_door="backdoor")
        assert [call.door for call in echo.calls] == ["grpc", "rest", "grpc"]
        assert len(echo.usage.recorded) == 2, "what came by REST is counted there"


async def test_without_any_entitlement_document_everything_licensed_is_denied() -> None:
    async with echo_server() as echo:
        assert await echo.refusal(token=token_of("unknown")) == "CONFIGURATION_MISSING"
        assert await echo.say("Free", token=token_of("unknown")) == b"hello"


async def test_feature_quota_and_rate_deny_with_their_own_codes() -> None:
    async with echo_server(Licence(api_calls_per_month_cap=100, api_calls_per_second=2)) as echo:
        assert await echo.refusal("Feature") == "FEATURE_NOT_LICENSED"
        assert await echo.refusal() == "QUOTA_EXCEEDED"
        for _, _, quota in echo.check.quotas():
            quota.remaining, quota.period_end = 50, 2**62
        codes = [await echo.say() for _ in range(2)]
        assert codes == [b"hello", b"hello"]
        assert await echo.refusal() == "RATE_LIMIT_EXCEEDED"
        assert next(echo.check.quotas())[2].spent == 2


async def test_a_fault_of_a_service_is_an_error_and_counts_as_a_call_without_success() -> None:
    async with echo_server() as echo:
        with pytest.raises(Exception, match="UNKNOWN"):
            await echo.say("Fail")
        [event] = echo.usage.recorded
        assert event["success"] is False


async def test_an_open_stream_ends_when_the_entitlement_changes_and_the_caller_is_told_why() -> None:
    async with echo_server() as echo:
        stream = echo.channel.unary_stream(f"/{SERVICE}/Watch")(
            b"", metadata=[("authorization", f"Bearer {token_of()}")], timeout=10
        )
        assert await stream.read() == b"first"
        echo.check.apply("nile", Licence(features=("exchange:EGX", "more")), revision=2, lease_until=2**62)
        echo.interceptor.entitlement_changed("nile")
        await asyncio.sleep(0.05)
        assert echo.interceptor.open_streams == 1, "what is still licensed goes on"
        echo.check.apply("nile", Licence(features=()), revision=3, lease_until=2**62)
        echo.interceptor.entitlement_changed("nile")
        assert (await end_of(stream)).code == "FEATURE_NOT_LICENSED"
        assert echo.interceptor.open_streams == 0


async def test_an_open_stream_ends_when_its_token_is_revoked_or_its_licence_ends_by_the_clock() -> None:
    async with echo_server(Licence(valid_until=time.time_ns() + SECOND // 2)) as echo:

        def opened() -> Any:
            return echo.channel.unary_stream(f"/{SERVICE}/Watch")(
                b"", metadata=[("authorization", f"Bearer {token_of()}")], timeout=10
            )

        first = opened()
        assert await first.read() == b"first"
        echo.revoked.add("nile-trader")
        echo.interceptor.look_at_streams()
        assert (await end_of(first)).code == "TOKEN_REVOKED"
        echo.revoked.clear()
        second = opened()
        assert await second.read() == b"first"
        await asyncio.sleep(0.6)
        echo.interceptor.look_at_streams()
        assert (await end_of(second)).code == "LICENSE_EXPIRED"


@pytest.mark.parametrize("method", ["Hasty", "Hasty metadata", "Hasty abort"])
async def test_a_stream_that_is_refused_during_its_first_sending_still_tells_its_caller_why(method: str) -> None:
    async with echo_server() as echo:
        for _ in range(20):
            echo.revoked.clear()
            stream = echo.channel.unary_stream(f"/{SERVICE}/Hasty")(
                method.encode(), metadata=[("authorization", f"Bearer {token_of()}")], timeout=10
            )
            assert (await end_of(stream)).code == "TOKEN_REVOKED"
        async with asyncio.timeout(5):
            while echo.interceptor.open_streams:
                await asyncio.sleep(0.01)


async def test_a_reader_that_never_reads_does_not_keep_a_refused_stream_open() -> None:
    async with echo_server() as echo:
        stream = echo.channel.unary_stream(f"/{SERVICE}/Flood")(
            b"", metadata=[("authorization", f"Bearer {token_of()}")], timeout=10
        )
        async with asyncio.timeout(5):
            while not echo.calls:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)  # the third write waits for its reader
            echo.revoked.add("nile-trader")
            echo.interceptor.look_at_streams()
            while echo.interceptor.open_streams:
                await asyncio.sleep(0.01)
        assert await stream.read() == FLOOD, "what was being written is whole"
        assert (await end_of(stream)).code == "TOKEN_REVOKED"


async def test_a_server_that_drains_takes_no_new_calls_but_still_says_how_it_is() -> None:
    async with echo_server() as echo:
        echo.interceptor.draining = True
        assert await echo.refusal() == "SERVICE_DRAINING"
        answer = await health_pb2_grpc.HealthStub(echo.channel).Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_calls_in_flight_are_counted_and_end_at_zero() -> None:
    async with echo_server() as echo:
        in_flight, calls = METRICS.load()
        await asyncio.gather(*[echo.say() for _ in range(20)])
        assert METRICS.load() == (in_flight, calls + 20)

"""One service on a real gRPC server, called by whoever the test says: a fake interceptor believes it, the rest is real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from tradsys.mesh.calls import Call, CallIdentity, current_call
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.handlers import HandledService
from tradsys.mesh.refusals import CallRefusal
from tradsys.mesh.resilience.deadlines import set_deadline
from tradsys.mesh.service import TRADER, LicenseGate


def member(
    tenant: str = "alpha", *, role: str = TRADER, accounts: frozenset[str] | None = None, expires_at: int = 0
) -> CallIdentity:
    """A person of `tenant`; `accounts` None: all of the tenant's."""
    return CallIdentity(tenant=tenant, subject=f"{tenant}-{role}", role=role, accounts=accounts, expires_at=expires_at)


@dataclass
class Gate:
    """Tenant → features of its licence; a tenant that is not named has no configuration."""

    features: dict[str, set[str]] = field(default_factory=dict)
    revisions: dict[str, int] = field(default_factory=dict)

    def check(self, tenant: str, features: tuple[str, ...], meter: str, now: int) -> CallRefusal | None:
        held = self.features.get(tenant)
        if held is None:
            return CallRefusal.CONFIGURATION_MISSING
        return None if held.issuperset(features) else CallRefusal.FEATURE_NOT_LICENSED

    def revision(self, tenant: str) -> int:
        return self.revisions.get(tenant, 0)


class Refused(Exception):
    """A failed call: the code, and the figures of its ErrorInfo."""

    def __init__(self, code: str, figures: Mapping[str, str]) -> None:
        super().__init__(code)
        self.code = code
        self.figures = dict(figures)


class _CallsFrom(grpc.aio.ServerInterceptor):
    """Lets a call in by the method's own rule: role or service, then licence; quotas and rates are the real one's."""

    def __init__(self, service: HandledService, caller: Callable[[], CallIdentity]) -> None:
        self._service = service
        self._caller = caller

    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        handler = await continuation(details)
        if handler is None:
            return None
        rule = self._service.method_rules()[details.method.rpartition("/")[2]]

        def bound(method: Any) -> Any:
            async def call(raw: bytes, context: Any) -> Any:
                caller = self._caller()
                if caller.role not in rule.roles and caller.service not in rule.services:
                    await abort_with_refusal(context, CallRefusal.METHOD_NOT_PERMITTED, {})
                if rule.licensed and self._service.license_gate is not None:
                    refusal = self._service.license_gate.check(caller.tenant, rule.features, "", self._service.now())
                    if refusal is not None:
                        await abort_with_refusal(context, refusal, {})
                set_deadline(context.time_remaining())
                current_call.set(Call(identity=caller, method=details.method.lstrip("/"), door="grpc", began_at=1))
                return await method(raw, context)

            return call

        if handler.unary_stream is not None:
            return grpc.unary_stream_rpc_method_handler(bound(handler.unary_stream))
        return grpc.unary_unary_rpc_method_handler(bound(handler.unary_unary))


class ServiceUnderTest:
    """``await called("GetQuote", request, answer_type)``; a refused call raises Refused."""

    def __init__(self, service: HandledService, channel: grpc.aio.Channel) -> None:
        self.service = service
        self.channel = channel
        self.caller = member()

    async def called(self, method: str, request: Message | bytes, answer: Any, *, by: CallIdentity | None = None) -> Any:
        self.caller = by or self.caller
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        metadata = (("authorization", f"Bearer {self.caller.subject}"),)
        try:
            call = self.channel.unary_unary(f"/{self.service.NAME}/{method}")(raw, timeout=5, metadata=metadata)
            return answer.FromString(await call)
        except grpc.aio.AioRpcError as error:
            raise refused(error) from error

    def stream(self, method: str, request: Message, *, by: CallIdentity | None = None) -> Any:
        """The open call; it gives serialised messages."""
        self.caller = by or self.caller
        return self.channel.unary_stream(f"/{self.service.NAME}/{method}")(request.SerializeToString(), timeout=10)


def refused(error: grpc.aio.AioRpcError) -> Refused:
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            info = error_details_pb2.ErrorInfo()
            status_pb2.Status.FromString(value).details[0].Unpack(info)
            return Refused(info.reason, info.metadata)
    return Refused(error.code().name, {"details": error.details() or ""})


@asynccontextmanager
async def serving(service: HandledService, gate: LicenseGate) -> AsyncIterator[ServiceUnderTest]:
    service.license_gate = gate
    under_test: list[ServiceUnderTest] = []
    server = grpc.aio.server(interceptors=(_CallsFrom(service, lambda: under_test[0].caller),))
    service.add_to(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await service.initialize()
    await service.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        under_test.append(ServiceUnderTest(service, channel))
        yield under_test[0]
    await service.stop()
    await server.stop(0)


async def message_of(stream: Any, answer: Any) -> Any:
    """The next message of an open stream, within 5 s."""
    async with asyncio.timeout(5):
        return answer.FromString(await stream.read())


async def end_of(stream: Any) -> Refused:
    """Why an open stream ends with an error, within 5 s; what still comes is passed over."""
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        async with asyncio.timeout(5):
            while await stream.read() is not grpc.aio.EOF:  # type: ignore[attr-defined]
                pass
    return refused(ended.value)

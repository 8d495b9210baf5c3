"""From bytes to a servicer's method and back: requests read strictly, refusals told with their code.

A service whose methods are named in ``unary`` and ``streams`` needs no gRPC code of its own: a method gets the parsed request
and returns the answer, or raises ``CallRefused``. Handlers take bytes, so that what cannot be parsed is refused with its code.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from tradsys.mesh.calls import CallIdentity, current_call
from tradsys.mesh.grpc_server import abort_with_refusal
from tradsys.mesh.refusals import CallRefusal, CallRefused
from tradsys.mesh.server_streams import OutgoingStream, OutgoingStreams
from tradsys.mesh.service import UnifiedService

M = TypeVar("M", bound=Message)

current_authorization: ContextVar[str] = ContextVar("current_authorization", default="")
"""The call's ``authorization`` metadata, for a service that goes on to call another in the same caller's name."""

QUEUED_MESSAGES = 2_000
"""What may wait for the reader of one stream."""


class Unary(NamedTuple):
    request: type[Message]
    method: Callable[[Any], Awaitable[Message]]
    acts_for_caller: bool = False
    """Whether the method needs `current_authorization`."""


class ServerStream(NamedTuple):
    """`method` fills the stream that it is given and returns when nothing more will come; it may also run until it is cancelled."""

    request: type[Message]
    method: Callable[[Any, OutgoingStream], Coroutine[Any, Any, None]]


class HandledService(UnifiedService):
    """A service of unary calls and server streams. `now` gives nanoseconds UTC."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.now = now
        self.streams = OutgoingStreams(QUEUED_MESSAGES)

    @abstractmethod
    def handled(self) -> Mapping[str, Unary | ServerStream]:
        """Method name as in the .proto → what answers it; exactly the names in ``METHODS``."""

    def add_to(self, server: Any) -> None:
        handled = self.handled()
        if handled.keys() != self.method_rules().keys():
            raise ValueError(f"{self.NAME} handles {sorted(handled)} and declares {sorted(self.method_rules())}")
        handlers: dict[str, Any] = {}
        for name, each in handled.items():
            if isinstance(each, Unary):
                handlers[name] = grpc.unary_unary_rpc_method_handler(_unary(each))
            else:
                handlers[name] = grpc.unary_stream_rpc_method_handler(self._server_stream(each))
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(self.NAME, handlers),))

    def drain(self) -> None:
        self.streams.drain()

    def require(self, feature: str, **figures: str) -> None:
        """What the request's content needs beyond the method's own rule. Counts nothing. Raises CallRefused with `figures`."""
        refusal = self._missing(current_call.get().identity, (feature,))
        if refusal is not None:
            raise CallRefused(refusal, feature=feature, **figures)

    def _missing(self, identity: CallIdentity, features: tuple[str, ...]) -> CallRefusal | None:
        if self.license_gate is None:
            return CallRefusal.CONFIGURATION_MISSING
        return self.license_gate.check(identity.tenant, features, "", self.now())

    def _revision(self, tenant: str) -> int:
        return 0 if self.license_gate is None else self.license_gate.revision(tenant)

    def _server_stream(self, stream: ServerStream) -> Callable[[bytes, Any], AsyncIterator[bytes]]:
        async def handle(raw: bytes, context: Any) -> None:
            identity = current_call.get().identity
            outgoing = self.streams.open()
            try:
                request = parse_known(raw, stream.request)
                await outgoing.serve(
                    context,
                    stream.method(request, outgoing),
                    expires_at=identity.expires_at,
                    now=self.now,
                    revision=lambda: self._revision(identity.tenant),
                    denied=lambda: self._missing(identity, outgoing.features) if outgoing.features else None,
                )
            except CallRefused as refused:
                await abort_with_refusal(context, refused.refusal, refused.figures)
            finally:
                self.streams.discard(outgoing)

        return handle  # type: ignore[return-value]


def _unary(unary: Unary) -> Callable[[bytes, Any], Awaitable[bytes]]:
    async def handle(raw: bytes, context: Any) -> bytes:
        try:
            if unary.acts_for_caller:
                current_authorization.set(str(dict(context.invocation_metadata() or ()).get("authorization", "")))
            answer = await unary.method(parse_known(raw, unary.request))
        except CallRefused as refused:
            await abort_with_refusal(context, refused.refusal, refused.figures)
        return answer.SerializeToString()

    return handle


def parse_known(raw: bytes, kind: type[M]) -> M:
    """The message in `raw`. Raises CallRefused (ARGUMENT_INVALID) for what cannot be parsed and for unknown fields."""
    name = kind.DESCRIPTOR.name
    try:
        message = kind.FromString(raw)
    except DecodeError as error:
        raise CallRefused(CallRefusal.ARGUMENT_INVALID, message=name, problem=str(error)[:120]) from error
    before = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != before:
        raise CallRefused(CallRefusal.ARGUMENT_INVALID, message=name, problem="it has a field that this version does not know")
    return message


def invalid(field: str, expected: str, found: object) -> CallRefused:
    """To be raised for a field outside its range."""
    return CallRefused(CallRefusal.ARGUMENT_INVALID, field=field, expected=expected, found=str(found)[:80])


def code(field: str, value: str, *, longest: int = 32) -> str:
    """`value` if it can be a code: 1 to `longest` printable ASCII characters without a space. Raises CallRefused."""
    if not 0 < len(value) <= longest or not value.isascii() or not value.isprintable() or " " in value:
        raise invalid(field, f"1 to {longest} printable characters", value)
    return value

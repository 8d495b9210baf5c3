"""What every gRPC server here has: keepalive, message size, health, reflection, channelz, errors with a machine code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import grpc
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_channelz.v1 import channelz, channelz_pb2_grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

_CHANNELZ = "grpc.channelz.v1.Channelz"
ERROR_DOMAIN = "tradsys"
STATUS_DETAILS = "grpc-status-details-bin"
LARGEST_MESSAGE_BYTES = 1024 * 1024
LONGEST_FIGURE = 200

# A client pings every 30 s at most; the server must tolerate that or it answers GOAWAY too_many_pings.
KEEPALIVE_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.http2.max_ping_strikes", 3),
)

_CODES = {
    400: (grpc.StatusCode.INVALID_ARGUMENT, code_pb2.INVALID_ARGUMENT),
    401: (grpc.StatusCode.UNAUTHENTICATED, code_pb2.UNAUTHENTICATED),
    403: (grpc.StatusCode.PERMISSION_DENIED, code_pb2.PERMISSION_DENIED),
    404: (grpc.StatusCode.NOT_FOUND, code_pb2.NOT_FOUND),
    413: (grpc.StatusCode.INVALID_ARGUMENT, code_pb2.INVALID_ARGUMENT),
    429: (grpc.StatusCode.RESOURCE_EXHAUSTED, code_pb2.RESOURCE_EXHAUSTED),
    503: (grpc.StatusCode.UNAVAILABLE, code_pb2.UNAVAILABLE),
}
# Licence (402), conflict (409) and rule (422): the caller cannot succeed by sending the same again.
_OTHERWISE = (grpc.StatusCode.FAILED_PRECONDITION, code_pb2.FAILED_PRECONDITION)


class RefusalReason(Protocol):
    """A member of the enum of reasons."""

    @property
    def name(self) -> str: ...

    @property
    def http_status(self) -> int: ...

    @property
    def rule(self) -> str: ...


def new_server(*, max_message_bytes: int = LARGEST_MESSAGE_BYTES, interceptors: Sequence[Any] = ()) -> grpc.aio.Server:
    """A server of this process's event loop. Two processes never share a port: a taken one is an error."""
    return grpc.aio.server(
        interceptors=tuple(interceptors),
        options=(
            *KEEPALIVE_OPTIONS,
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.so_reuseport", 0),
        ),
    )


class StandardServices:
    """Health, reflection and channelz of one server. Everything is NOT_SERVING until `serving`."""

    def __init__(self, server: grpc.aio.Server, service_names: Iterable[str]) -> None:
        self._names = tuple(service_names)
        self._health = health.aio.HealthServicer()  # type: ignore[attr-defined]
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        channelz_servicer = channelz.aio.ChannelzServicer()  # type: ignore[attr-defined]
        channelz_pb2_grpc.add_ChannelzServicer_to_server(channelz_servicer, server)
        reflection.enable_server_reflection((*self._names, health.SERVICE_NAME, _CHANNELZ, reflection.SERVICE_NAME), server)

    async def serving(self) -> None:
        await self.say(dict.fromkeys(self._names, True))

    async def not_serving(self) -> None:
        await self.say(dict.fromkeys(self._names, False))

    async def say(self, serving: Mapping[str, bool]) -> None:
        """Of each service; the process as a whole serves when all of them do."""
        for name, serves in (("", all(serving.values())), *serving.items()):
            answer = health_pb2.HealthCheckResponse
            await self._health.set(name, answer.SERVING if serves else answer.NOT_SERVING)


def refusal_status(reason: RefusalReason, figures: Mapping[str, str]) -> tuple[grpc.StatusCode, str, bytes]:
    """Code, message and serialised ``google.rpc.Status`` of a refusal; its ErrorInfo holds code, rule and figures."""
    code, number = _CODES.get(reason.http_status, _OTHERWISE)
    info = error_details_pb2.ErrorInfo(reason=reason.name, domain=ERROR_DOMAIN)
    info.metadata["rule"] = reason.rule
    for name, figure in figures.items():
        info.metadata[name] = figure[:LONGEST_FIGURE]
    detail = any_pb2.Any()
    detail.Pack(info)
    message = f"{reason.name}: {reason.rule}"
    return code, message, status_pb2.Status(code=number, message=message, details=[detail]).SerializeToString()


async def abort_with_refusal(context: Any, reason: RefusalReason, figures: Mapping[str, str]) -> NoReturn:
    """End the call with the refusal; does not return."""
    code, message, details = refusal_status(reason, figures)
    await context.abort(code, message, trailing_metadata=((STATUS_DETAILS, details),))
    raise AssertionError("abort returned")

"""Options of every channel of the mesh, and what goes with every call. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import grpc
from grpc_health.v1 import health_pb2

from tradsys.mesh.grpc_server import KEEPALIVE_OPTIONS, STATUS_DETAILS
from tradsys.mesh.telemetry.tracing import outgoing_traceparent

Metadata = Sequence[tuple[str, str | bytes]]

CHANNEL_OPTIONS: tuple[tuple[str, int], ...] = (
    # gRPC would send a call again by itself, also one whose first copy was accepted. What may be repeated is decided here.
    ("grpc.enable_retries", 0),
    # Several channels to one address are several connections, and a new one does not inherit the old one's backoff.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 500),
    *(option for option in KEEPALIVE_OPTIONS if option[0].startswith("grpc.keepalive")),
)
HEALTH_CHECK = "/grpc.health.v1.Health/Check"
DEFAULT_WAIT_SECONDS = 1.0
"""Until an instance is reached."""
_TRACEPARENT = "traceparent"


class Trust(Protocol):
    """``ChannelTrust``: credentials of the channels, and when they have changed."""

    def version(self) -> int:
        """Rises when the certificate files have changed."""
        ...

    def credentials(self) -> grpc.ChannelCredentials: ...


def channel_version(trust: Trust | None) -> Callable[[], int]:
    """When channels have to be made anew."""
    return (lambda: 0) if trust is None else trust.version


def service_of_method(path: str) -> str:
    """``tradsys.v1.OrderService`` of ``/tradsys.v1.OrderService/PlaceOrder``. Raises ValueError for anything else."""
    _, service, method = path.split("/") if path.count("/") == 2 else ("", "", "")
    if not service or not method or not path.startswith("/"):
        raise ValueError(f"{path!r} is not /package.Service/Method")
    return service


def with_trace(metadata: Metadata) -> tuple[tuple[str, str | bytes], ...]:
    """`metadata` and the trace of the running code, as a W3C traceparent."""
    traceparent = outgoing_traceparent()
    if not traceparent or any(key == _TRACEPARENT for key, _ in metadata):
        return tuple(metadata)
    return (*metadata, (_TRACEPARENT, traceparent))


def status_details(trailing_metadata: Any) -> bytes | None:
    """The serialised ``google.rpc.Status`` of an error."""
    for key, value in trailing_metadata or ():
        if key == STATUS_DETAILS:
            return value if isinstance(value, bytes) else str(value).encode("latin-1")
    return None


def as_bytes(request: Any) -> bytes:
    """`request` is a protobuf message or its bytes."""
    return request if isinstance(request, bytes) else bytes(request.SerializeToString())


def health_request(service: str) -> bytes:
    return bytes(health_pb2.HealthCheckRequest(service=service).SerializeToString())


def is_serving(raw: bytes) -> bool:
    """Whether the answer of a health check lets calls go there."""
    return bool(health_pb2.HealthCheckResponse.FromString(raw).status != health_pb2.HealthCheckResponse.NOT_SERVING)


def is_reached(code: grpc.StatusCode) -> bool:
    """A server without the health service, or without this name in it, was reached all the same."""
    return code in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND)

"""What the end of an attempt says of the instance, and whether the call may be tried again. Pure."""

from __future__ import annotations

from enum import Enum

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from tradsys.mesh.grpc_server import ERROR_DOMAIN
from tradsys.mesh.refusals import CallRefusal


class Outcome(Enum):
    ANSWERED = "answered"
    """The service did its work, if only to refuse: nothing is wrong with it."""
    BROKEN = "broken"
    """It was reached and failed, or did not answer in time."""
    UNREACHABLE = "unreachable"
    """The connection was refused, or ended under the call."""
    ELSEWHERE = "elsewhere"
    """The instance says itself that another one should be asked; its service has not seen the call."""
    UNKNOWN = "unknown"
    """It was given up here, before anything could be told of the instance."""


_BROKEN = frozenset(
    {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS, grpc.StatusCode.DEADLINE_EXCEEDED}
)
_ELSEWHERE = frozenset({CallRefusal.SERVICE_DRAINING.name, CallRefusal.DEPENDENCY_UNAVAILABLE.name})


def outcome_of(code: grpc.StatusCode, details: bytes | None) -> Outcome:
    """`details` is the serialised ``google.rpc.Status`` of the trailing metadata, if there was one."""
    reason = _reason(details)
    if reason in _ELSEWHERE:
        return Outcome.ELSEWHERE
    if reason:
        return Outcome.ANSWERED
    if code is grpc.StatusCode.UNAVAILABLE:
        return Outcome.UNREACHABLE
    if code is grpc.StatusCode.CANCELLED:
        return Outcome.UNKNOWN
    return Outcome.BROKEN if code in _BROKEN else Outcome.ANSWERED


def _reason(details: bytes | None) -> str:
    """The machine code of one of our own refusals; empty for anything else."""
    if not details:
        return ""
    try:
        status = status_pb2.Status.FromString(details)
    except DecodeError:
        return ""
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) and detail.Unpack(info) and info.domain == ERROR_DOMAIN:
            return str(info.reason)
    return ""

"""What a call of the order path can end with, other than an acknowledgement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from trading_workers.reasons import Reason
from tradsys.mesh.refusals import CallRefusal
from tradsys.v1 import orders_pb2

ERROR_DOMAIN = "tradsys"
_OF_THE_SERVICE = frozenset(
    each.name
    for each in (
        CallRefusal.SERVICE_DRAINING,
        CallRefusal.DEPENDENCY_UNAVAILABLE,
        CallRefusal.BREAKER_OPEN,
        CallRefusal.POOL_EXHAUSTED,
    )
)
"""They speak of the worker, not of the order: another one, or the same one later, may take it."""


class OrderRefused(Exception):
    """The order path refused the instruction; nothing of it was sent or reserved.

    ``code`` is a name of :class:`trading_workers.reasons.Reason`; ``figures`` are what the rule compared, as text.
    """

    def __init__(self, code: str, rule: str, figures: Mapping[str, str]) -> None:
        super().__init__(f"{code}: {rule}" + (f" ({', '.join(f'{k}={v}' for k, v in figures.items())})" if figures else ""))
        self.code = code
        self.rule = rule
        self.figures = dict(figures)

    @property
    def http_status(self) -> int:
        for reasons in (Reason, CallRefusal):
            if self.code in reasons.__members__:
                return int(reasons[self.code].http_status)
        return 422


class OrderPathUnavailable(Exception):
    """No worker answered. The outcome is unknown: send the same instruction with the same client order id again."""


def from_refusal(refusal: orders_pb2.Refusal) -> OrderRefused:
    return OrderRefused(refusal.code, refusal.rule, dict(refusal.figures))


def from_rpc_error(error: Any) -> OrderRefused | OrderPathUnavailable:
    """The refusal that a failed unary call carries in its ``google.rpc.Status``, or why no worker answered.

    ``error`` is what ``grpc`` or ``grpc.aio`` raised.
    """
    status = _status(error)
    if status is not None:
        for detail in status.details:
            info = error_details_pb2.ErrorInfo()
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR) and detail.Unpack(info) and info.domain == ERROR_DOMAIN:
                if info.reason in _OF_THE_SERVICE:
                    return OrderPathUnavailable(status.message)
                figures = dict(info.metadata)
                return OrderRefused(info.reason, figures.pop("rule", status.message), figures)
    code, details = error.code(), error.details()
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return OrderRefused(Reason.UNAUTHENTICATED.name, details or Reason.UNAUTHENTICATED.rule, {})
    return OrderPathUnavailable(f"{code.name}: {details}")


def _status(error: Any) -> Any:
    if isinstance(error, grpc.aio.AioRpcError):
        trailing: Any = error.trailing_metadata() or ()
        for key, value in trailing:
            if key == "grpc-status-details-bin":
                return _parsed(value)
        return None
    return rpc_status.from_call(error)


def _parsed(value: Any) -> Any:
    return status_pb2.Status.FromString(value if isinstance(value, bytes) else value.encode("latin-1"))

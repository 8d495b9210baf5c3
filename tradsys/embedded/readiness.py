"""How the launcher tells that a child is ready: questions that are asked again until the answer is yes."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tradsys.configuration import Address

Question = Callable[[], bool]
_SECONDS_FOR_AN_ANSWER = 2.0


def becomes_true(question: Question, *, seconds: float, pause: float = 0.05) -> bool:
    """Ask until the answer is yes (True) or `seconds` have passed (False)."""
    deadline = time.monotonic() + seconds
    while not question():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def listening(address: Address) -> Question:
    """Does a server accept connections at `address`?"""

    def ask() -> bool:
        try:
            socket.create_connection((address.host, address.port), timeout=_SECONDS_FOR_AN_ANSWER).close()
        except OSError:
            return False
        return True

    return ask


def answers_http(address: Address, path: str, *, host: str | None = None) -> Question:
    """Does ``GET path`` answer with a status below 400? `host` is sent as the Host header."""

    def ask() -> bool:
        connection = http.client.HTTPConnection(address.host, address.port, timeout=_SECONDS_FOR_AN_ANSWER)
        try:
            connection.request("GET", path, headers={"Host": host} if host else {})
            return connection.getresponse().status < 400
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    return ask


def serves_grpc(address: Address, authority: Path | None = None) -> Question:
    """Does the standard gRPC health service at `address` say SERVING? `authority`: PEM file that its certificate has to be of."""
    accepts = listening(address)

    def opened() -> grpc.Channel:
        if authority is None:
            return grpc.insecure_channel(str(address))
        return grpc.secure_channel(str(address), grpc.ssl_channel_credentials(authority.read_bytes()))

    def ask() -> bool:
        if not accepts():  # a channel costs far more than a refused connection
            return False
        with opened() as channel:
            try:
                answer = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=_SECONDS_FOR_AN_ANSWER, wait_for_ready=True
                )
            except grpc.RpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return ask


def log_says(log: Path, *texts: str) -> Question:
    """Does the log hold every one of `texts`? (Every start begins new log files.)"""

    def ask() -> bool:
        try:
            written = log.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return False
        return all(text in written for text in texts)

    return ask

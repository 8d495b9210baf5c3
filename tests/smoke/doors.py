"""The same order through each of the four doors: placed, filled, cancelled."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.smoke.platform import CommandFailed, Platform
from tests.smoke.web_session import WebSession
from trading_workers.client.errors import OrderRefused
from trading_workers.client.gateway import OrderGateway
from trading_workers.client.order_log import ack_fields, order_fields
from trading_workers.doors import order_from_fields
from tradsys.v1 import orders_pb2

RESULT_ORDER = re.compile(r'data-order="(\d+)"')
RESULT_CODE = re.compile(r'data-code="([A-Z_]+)"')


class Refused(Exception):
    """A door refused; ``code`` is the machine code, wherever that door carries it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Door:
    """Places and cancels for one user. ``order`` has the fields of REST, with a client order id."""

    name = ""

    def place(self, order: dict[str, str]) -> dict[str, Any]:
        """The acknowledgement's fields. Raises Refused."""
        raise AssertionError("a door places")

    def cancel(self, order: dict[str, str]) -> None:
        raise AssertionError("a door cancels")


class GrpcDoor(Door):
    name = "gRPC"

    def __init__(self, platform: Platform, tenant: str, user: str) -> None:
        token = platform.manage("issue_token", "--tenant", tenant, "--user", user).strip().splitlines()[-1]
        self._gateway = OrderGateway(platform.worker_door, token, door="grpc")

    def place(self, order: dict[str, str]) -> dict[str, Any]:
        try:
            return ack_fields(self._gateway.place(order_from_fields(order)))
        except OrderRefused as refusal:
            raise Refused(refusal.code) from refusal

    def cancel(self, order: dict[str, str]) -> None:
        self._gateway.cancel(
            orders_pb2.CancelRequest(
                account=order["account"],
                client_order_id=order["client_order_id"] + "-C",
                orig_client_order_id=order["client_order_id"],
            )
        )


class RestDoor(Door):
    name = "REST"

    def __init__(self, session: WebSession) -> None:
        self._session = session

    def place(self, order: dict[str, str]) -> dict[str, Any]:
        body: dict[str, Any] = {**order, "quantity": int(order["quantity"])}
        status, answer = self._session.json("POST", "/api/v1/orders", body)
        if status >= 400:
            raise Refused(answer["code"])
        return answer

    def cancel(self, order: dict[str, str]) -> None:
        status, answer = self._session.json("POST", f"/api/v1/orders/{order['account']}/{order['client_order_id']}/cancel", {})
        assert status == 202, f"REST did not cancel: {status} {answer}"


class PageDoor(Door):
    """The trading page's own forms. The page chooses the client order id; it is read back from the order's row."""

    name = "page"

    def __init__(self, session: WebSession) -> None:
        self._session = session
        status, text = session.request("GET", "/trade")
        assert status == 200, f"the trading page answers {status}: {text[:300]}"

    def place(self, order: dict[str, str]) -> dict[str, Any]:
        status, text = self._session.form(
            "/trade/orders",
            {
                "instrument": f"{order['exchange']}:{order['symbol']}",
                "account": order["account"],
                "side": order["side"],
                "order_type": order.get("type", "LIMIT"),
                "time_in_force": order.get("time_in_force", "DAY"),
                "quantity": order["quantity"],
                "price": order["price"],
            },
        )
        assert status == 200, f"the page answers {status}: {text[:300]}"
        code = RESULT_CODE.search(text)
        if code:
            raise Refused(code[1])
        placed = RESULT_ORDER.search(text)
        assert placed, f"the page says neither accepted nor refused: {text[:300]}"
        order["client_order_id"] = self._client_order_id(int(placed[1]))
        return {"order_id": int(placed[1]), "state": "PENDING_NEW", "duplicate": False}

    def cancel(self, order: dict[str, str]) -> None:
        fields = {"account": order["account"], "client_order_id": order["client_order_id"]}
        status, text = self._session.form("/trade/orders/cancel", fields)
        assert status == 200 and RESULT_ORDER.search(text), f"the page did not cancel: {status} {text[:300]}"

    def _client_order_id(self, order_id: int) -> str:
        def find() -> str | None:
            _status, page = self._session.json("GET", "/api/v1/orders?page_size=20")
            return next((row["client_order_id"] for row in page["results"] if row["order_id"] == order_id), None)

        return str(wait_for(find, "the page's order in the order list"))


class CommandDoor(Door):
    name = "command"

    def __init__(self, platform: Platform, tenant: str, user: str) -> None:
        self._platform = platform
        self._who = ("--tenant", tenant, "--user", user)

    def place(self, order: dict[str, str]) -> dict[str, Any]:
        options = [part for name, text in order.items() for part in (f"--{name.replace('_', '-')}", text)]
        try:
            return self._platform.manage_json("place_order", *self._who, *options)
        except CommandFailed as error:
            raise Refused(error.answer["code"]) from error

    def cancel(self, order: dict[str, str]) -> None:
        account, name = order["account"], order["client_order_id"]
        self._platform.manage_json("cancel_order", *self._who, "--account", account, "--order", name)


class Notebook:
    """The client's own log for doors that keep none: one line per answer, in the format of the stream's log."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def accepted(self, order: dict[str, str], ack: dict[str, Any]) -> None:
        self._write(order, {"order_id": ack["order_id"], "state": "PENDING_NEW", "duplicate": ack["duplicate"]})

    def refused(self, order: dict[str, str], code: str) -> None:
        self._write(order, {"order_id": 0, "state": "DENIED", "duplicate": False, "refusal": {"code": code}})

    def _write(self, order: dict[str, str], answer: dict[str, Any]) -> None:
        line = {
            "kind": "ack",
            "client_order_id": order["client_order_id"],
            "account": order["account"],
            "order": order_fields(order_from_fields(order)),
            **answer,
        }
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")


def wait_for(find: Callable[[], Any], what: str, seconds: float = 10.0) -> Any:
    """Ask until something is found; AssertionError with ``what`` when it does not come."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = find()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError(f"{what} did not come within {seconds:g} s")


def state_in_database(session: WebSession, order: dict[str, str]) -> str:
    status, answer = session.json("GET", f"/api/v1/orders/{order['account']}/{order['client_order_id']}")
    return str(answer["state"]) if status == 200 else ""

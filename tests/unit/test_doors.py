"""The fields of an instruction, as text or JSON, become the order path's messages, or a refusal that names the field."""

from __future__ import annotations

from typing import Any

import pytest

from trading_workers.client.errors import OrderRefused
from trading_workers.doors import MAX_QUANTITY, cancel_from_fields, new_client_order_id, order_from_fields
from tradsys.v1 import orders_pb2

ORDER: dict[str, Any] = {
    "client_order_id": "c-1",
    "account": "NILE-001",
    "exchange": "EGX",
    "symbol": "COMI",
    "side": "BUY",
    "quantity": 10,
    "price": "139.50",
}
CANCEL = {"account": "NILE-001", "client_order_id": "c-2", "orig_client_order_id": "c-1"}


def without(fields: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != name}


def test_an_order_is_a_limit_order_for_the_day_unless_it_says_otherwise() -> None:
    assert order_from_fields(ORDER) == orders_pb2.NewOrder(
        client_order_id="c-1",
        account="NILE-001",
        exchange="EGX",
        symbol="COMI",
        side=orders_pb2.BUY,
        type=orders_pb2.LIMIT,
        time_in_force=orders_pb2.DAY,
        quantity=10,
        price=139_500_000,
    )


@pytest.mark.parametrize(
    ("fields", "attribute", "expected"),
    [
        ({"side": "SELL"}, "side", orders_pb2.SELL),
        ({"type": "MARKET", "price": ""}, "type", orders_pb2.MARKET),
        ({"type": "MARKET", "price": None}, "price", 0),
        ({"time_in_force": "IMMEDIATE_OR_CANCEL"}, "time_in_force", orders_pb2.IMMEDIATE_OR_CANCEL),
        ({"time_in_force": "FILL_OR_KILL"}, "time_in_force", orders_pb2.FILL_OR_KILL),
        ({"quantity": "25"}, "quantity", 25),
        ({"quantity": MAX_QUANTITY}, "quantity", MAX_QUANTITY),
        ({"quantity": str(MAX_QUANTITY)}, "quantity", MAX_QUANTITY),
        # Read as they are: refusing them is the order path's, with its own code.
        ({"quantity": 0}, "quantity", 0),
        ({"quantity": -5}, "quantity", -5),
        ({"price": "-1"}, "price", -1_000_000),
        ({"price": "0.000001"}, "price", 1),
        ({"price": "9223372036854.775807"}, "price", 2**63 - 1),
        ({"symbol": "م"}, "symbol", "م"),
        ({"client_order_id": "x" * 36}, "client_order_id", "x" * 36),
    ],
)
def test_a_field_is_taken_exactly(fields: dict[str, Any], attribute: str, expected: object) -> None:
    assert getattr(order_from_fields(ORDER | fields), attribute) == expected


def test_an_order_without_a_price_field_has_price_zero() -> None:
    assert order_from_fields(without(ORDER, "price")).price == 0


TEXTS = ("client_order_id", "account", "exchange", "symbol")
BAD_TEXTS = (None, "", 5, True, [], {}, b"x", "x" * 65, "a\x00b", "a\nb", "\u202e", "\ud800")


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("value", BAD_TEXTS, ids=ascii)
def test_a_text_that_is_none_is_refused_by_name(name: str, value: object) -> None:
    refused_as("MALFORMED_REQUEST", name, order_from_fields, ORDER | {name: value})


@pytest.mark.parametrize("name", CANCEL)
@pytest.mark.parametrize("value", BAD_TEXTS, ids=ascii)
def test_a_cancels_text_that_is_none_is_refused_by_name(name: str, value: object) -> None:
    refused_as("MALFORMED_REQUEST", name, cancel_from_fields, CANCEL | {name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("side", value) for value in (None, "", "buy", 1, [], "SIDE_UNSPECIFIED")),
        *(("type", value) for value in ("", None, "STOP", 1, "ORDER_TYPE_UNSPECIFIED")),
        *(("time_in_force", value) for value in ("", "GTC", {}, "TIME_IN_FORCE_UNSPECIFIED")),
        *(("quantity", value) for value in (None, "", "1.5", 1.5, 1e3, True, " 1", "+1", "-1", "١", "1e3", "9" * 16, 10**4000)),
        *(("quantity", value) for value in (MAX_QUANTITY + 1, -MAX_QUANTITY - 1, str(MAX_QUANTITY + 1), [], {})),
        *(("price", value) for value in (139.5, 139, 0, True, [], "x", "1e3", "NaN", "Infinity", "1.0000001", "1,5", "٫")),
        *(("price", value) for value in ("9223372036854.775808", "1" * 10_000, " 1", "0x10", "--1")),
    ],
    ids=lambda value: ascii(value)[:24] if not isinstance(value, int) or abs(value) < 10**20 else "huge",
)
def test_a_figure_or_choice_that_cannot_be_read_is_refused_by_name(name: str, value: object) -> None:
    refused_as("MALFORMED_REQUEST", name, order_from_fields, ORDER | {name: value})


@pytest.mark.parametrize("name", ["colour", "Price", "", "orig_client_order_id", "\ud800"], ids=ascii)
def test_an_unknown_field_is_refused_by_name_before_all_others(name: str) -> None:
    refusal = refused_as("UNKNOWN_FIELD", name.replace("\ud800", "\\ud800"), order_from_fields, {name: 1})
    assert refusal.figures["known"].startswith("client_order_id, account")


def test_a_cancel_names_the_order_and_itself() -> None:
    assert cancel_from_fields(CANCEL) == orders_pb2.CancelRequest(**CANCEL)
    refused_as("UNKNOWN_FIELD", "price", cancel_from_fields, CANCEL | {"price": "1"})


def test_a_chosen_client_order_id_is_new_and_short_enough() -> None:
    chosen = {new_client_order_id() for _ in range(100)}
    assert len(chosen) == 100
    assert all(order_from_fields(ORDER | {"client_order_id": each}).client_order_id == each for each in chosen)


def refused_as(code: str, field: str, read: Any, fields: dict[str, Any]) -> OrderRefused:
    with pytest.raises(OrderRefused) as refusal:
        read(fields)
    assert (refusal.value.code, refusal.value.figures["field"]) == (code, field)
    for text in refusal.value.figures.values():
        text.encode("utf-8")
        assert len(text) <= 200
    return refusal.value

"""The client's own record of what it was told, as JSON lines: an independent reader for reconciliation.

Lines: ``{"kind": "ack", …}`` with the instruction as sent and the answer, ``{"kind": "report", …}`` for every
execution report. Prices are int64 millionths, times nanoseconds UTC, states FIX 4.4 names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

from tradsys.v1 import orders_pb2


class OrderLog:
    """Appends to ``path``; each line is whole or absent."""

    def __init__(self, path: Path) -> None:
        self._stream: TextIO = path.open("a", encoding="utf-8", buffering=1)

    def ack(self, instruction: orders_pb2.OrderInstruction, ack: orders_pb2.OrderAck) -> None:
        line = ack_fields(ack)
        if instruction.HasField("place"):
            line["order"] = order_fields(instruction.place)
        else:
            line["cancel"] = {
                "account": instruction.cancel.account,
                "client_order_id": instruction.cancel.client_order_id,
                "orig_client_order_id": instruction.cancel.orig_client_order_id,
            }
        self._write("ack", line)

    def report(self, report: orders_pb2.ExecutionReport) -> None:
        self._write("report", report_fields(report))

    def close(self) -> None:
        self._stream.close()

    def _write(self, kind: str, line: dict[str, Any]) -> None:
        self._stream.write(json.dumps({"kind": kind, **line}, separators=(",", ":")) + "\n")


def order_fields(order: orders_pb2.NewOrder) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "account": order.account,
        "exchange": order.exchange,
        "symbol": order.symbol,
        "side": orders_pb2.Side.Name(order.side),
        "type": orders_pb2.OrderType.Name(order.type),
        "time_in_force": orders_pb2.TimeInForce.Name(order.time_in_force),
        "quantity": order.quantity,
        "price": order.price,
    }


def ack_fields(ack: orders_pb2.OrderAck) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "client_order_id": ack.client_order_id,
        "account": ack.account,
        "order_id": ack.order_id,
        "state": orders_pb2.OrderState.Name(ack.state),
        "journal_sequence": ack.journal_sequence,
        "duplicate": ack.duplicate,
    }
    if ack.HasField("refusal"):
        fields["refusal"] = {
            "code": ack.refusal.code,
            "rule": ack.refusal.rule,
            "figures": dict(ack.refusal.figures),
        }
    return fields


def report_fields(report: orders_pb2.ExecutionReport) -> dict[str, Any]:
    return {
        "order_id": report.order_id,
        "client_order_id": report.client_order_id,
        "account": report.account,
        "exchange": report.exchange,
        "symbol": report.symbol,
        "side": orders_pb2.Side.Name(report.side),
        "state": orders_pb2.OrderState.Name(report.state),
        "exec_id": report.exec_id,
        "last_quantity": report.last_quantity,
        "last_price": report.last_price,
        "cumulative_quantity": report.cumulative_quantity,
        "leaves_quantity": report.leaves_quantity,
        "time": report.time,
        "venue_order_id": report.venue_order_id,
        "text": report.text,
    }

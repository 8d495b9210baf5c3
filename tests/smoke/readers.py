"""The four readers of a smoke run. Each looks at its own source, with its own code, and knows nothing of the others."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from trading_workers.reconciliation import DenialFact, FillFact, Ledger, OrderFact

Holdings = dict[tuple[str, str], int]


def client_ledger(paths: Iterable[Path]) -> Ledger:
    """What the clients were told: acknowledgements, then the last report of each order."""
    ledger = Ledger("client")
    sent: dict[int, dict[str, Any]] = {}
    last: dict[int, dict[str, Any]] = {}
    for line in _lines(paths):
        if line["kind"] == "report":
            last[line["order_id"]] = line
            if line["last_quantity"] > 0:
                ledger.add_fill(FillFact(line["exec_id"], line["order_id"], line["last_quantity"], line["last_price"]))
        elif "order" in line and "refusal" in line:
            ledger.add_denial(DenialFact(line["account"], line["client_order_id"], line["refusal"]["code"]))
        elif "order" in line:
            # The first answer to reach the client may be a repetition: the one before was lost with its connection.
            sent.setdefault(line["order_id"], {**line["order"], "state": line["state"]})
    for order_id, order in sent.items():
        report = last.get(order_id)
        ledger.add_order(
            OrderFact(
                order_id=order_id,
                account=order["account"],
                exchange=order["exchange"],
                symbol=order["symbol"],
                side=order["side"],
                quantity=order["quantity"],
                price=order["price"],
                state=report["state"] if report else order["state"],
                cumulative=report["cumulative_quantity"] if report else 0,
            )
        )
    return ledger


def journal_ledger(dump: str) -> Ledger:
    """The output of ``manage.py journal dump``: accepted and denied orders, and the executions on them."""
    ledger = Ledger("journal")
    accepted: dict[int, dict[str, Any]] = {}
    for text in dump.splitlines():
        record = json.loads(text)
        payload = record["payload"]
        if record["type"] == "ORDER_ACCEPTED":
            accepted[payload["order_id"]] = {**payload, "state": "PENDING_NEW", "cumulative": 0}
        elif record["type"] == "ORDER_DENIED":
            if payload["takes_id"] or payload["code"] != "DUPLICATE_ORDER_CONFLICT":
                ledger.add_denial(DenialFact(payload["account"], payload["client_order_id"], payload["code"]))
        elif record["type"] == "EXECUTION":
            order = accepted[payload["order_id"]]
            order["state"], order["cumulative"] = payload["state"], payload["cumulative"]
            if payload["last_quantity"]:
                ledger.add_fill(FillFact(payload["exec_id"], payload["order_id"], payload["last_quantity"], payload["last_price"]))
        elif record["type"] == "CANCEL_REQUESTED":
            accepted[payload["order_id"]]["state"] = "PENDING_CANCEL"
        elif record["type"] == "CANCEL_REJECTED":
            accepted[payload["order_id"]]["state"] = payload["state"]
    for order in accepted.values():
        ledger.add_order(_order(order))
    return ledger


def venue_ledger(admin_addresses: dict[str, str]) -> Ledger:
    """What the exchanges hold of our orders, from their own pages; outside members' orders are not ours to compare."""
    ledger = Ledger("venue")
    ledger.denials = None
    for exchange, address in admin_addresses.items():
        for row in _page(f"{address}/orders"):
            if not row["member"].startswith("TRADSYS-"):
                continue
            ledger.add_order(
                OrderFact(
                    order_id=int(row["client_order_id"]),
                    account=row["account"],
                    exchange=exchange,
                    symbol=row["symbol"],
                    side=row["side"],
                    quantity=row["quantity"],
                    price=row["price"] or 0,
                    state=row["state"],
                    cumulative=row["cumulative"],
                )
            )
        for row in _page(f"{address}/fills"):
            for party in (row["buy"], row["sell"]):
                if party["member"].startswith("TRADSYS-"):
                    ledger.add_fill(FillFact(party["exec_id"], int(party["client_order_id"]), row["quantity"], row["price"]))
    return ledger


def database_ledger(connection: psycopg.Connection[Any], schemas: Iterable[str]) -> Ledger:
    """The projection, by plain SQL on each tenant's schema."""
    ledger = Ledger("database")
    for schema in schemas:
        orders = sql.SQL(
            "SELECT order_id, account, exchange, symbol, side, quantity, price, state, cumulative,"
            " client_order_id, denied_code FROM {}"
        ).format(sql.Identifier(schema, "blotter_order"))
        for row in connection.execute(orders).fetchall():
            if row[0] is None:
                ledger.add_denial(DenialFact(row[1], row[9], row[10]))
            else:
                ledger.add_order(OrderFact(*row[:9]))
        fills = sql.SQL("SELECT exec_id, order_id, quantity, price FROM {}").format(sql.Identifier(schema, "blotter_execution"))
        for row in connection.execute(fills).fetchall():
            ledger.add_fill(FillFact(*row))
    return ledger


def database_holdings(connection: psycopg.Connection[Any], schemas: Iterable[str]) -> dict[str, Holdings]:
    """Four maps by (account, currency or instrument): what the ledgers hold, and what the projection says fills did to it.

    Cash in millionths.
    """
    found: dict[str, Holdings] = {"cash": {}, "shares": {}, "cash_after": {}, "shares_after": {}}
    for schema in schemas:
        account, cash, shares = (
            sql.Identifier(schema, f"blotter_{name}") for name in ("tradingaccount", "cashentry", "shareentry")
        )
        entries = sql.SQL("SELECT a.code, e.currency, sum(e.amount) FROM {} e JOIN {} a ON a.id = e.account_id GROUP BY 1, 2")
        for code, currency, amount in connection.execute(entries.format(cash, account)).fetchall():
            found["cash"][code, currency] = _micros(amount)
        entries = sql.SQL(
            "SELECT a.code, e.exchange || ':' || e.symbol, sum(e.quantity) FROM {} e JOIN {} a ON a.id = e.account_id GROUP BY 1, 2"
        )
        for code, instrument, quantity in connection.execute(entries.format(shares, account)).fetchall():
            found["shares"][code, instrument] = int(quantity)
    found["cash_after"], found["shares_after"] = dict(found["cash"]), dict(found["shares"])
    for schema in schemas:
        moved = sql.SQL("SELECT account, currency, from_fills FROM {}").format(sql.Identifier(schema, "blotter_accountcash"))
        for code, currency, amount in connection.execute(moved).fetchall():
            key = (code, currency)
            found["cash_after"][key] = found["cash_after"].get(key, 0) + _micros(amount)
        moved = sql.SQL("SELECT account, exchange || ':' || symbol, from_fills FROM {}").format(
            sql.Identifier(schema, "blotter_accountposition")
        )
        for code, instrument, quantity in connection.execute(moved).fetchall():
            key = (code, instrument)
            found["shares_after"][key] = found["shares_after"].get(key, 0) + int(quantity)
    return found


def _lines(paths: Iterable[Path]) -> Iterable[dict[str, Any]]:
    for path in paths:
        with path.open(encoding="utf-8") as stream:
            for text in stream:
                yield json.loads(text)


def _page(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return [json.loads(text) for text in answer.read().decode("utf-8").splitlines() if text]


def _order(fields: dict[str, Any]) -> OrderFact:
    names = ("order_id", "account", "exchange", "symbol", "side", "quantity", "price", "state", "cumulative")
    return OrderFact(**{name: fields[name] for name in names})


def _micros(amount: Decimal) -> int:
    micros = amount * 1_000_000
    assert micros == micros.to_integral_value(), f"{amount} has more than six decimals"
    return int(micros)

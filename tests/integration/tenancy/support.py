"""What the proofs of isolation look at: accounts named after their tenant, and what the server itself is told and believes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import connection

from tenants.kernel.entry_points import enter_for_command
from trading_workers.blotter.models import TradingAccount

SLUGS = ("alpha", "beta")


def mark_both_tenants() -> None:
    """One account in each tenant, whose code is the tenant's slug in capitals."""
    for slug in SLUGS:
        with enter_for_command(slug):
            add_account(slug.upper())


def add_account(code: str) -> None:
    TradingAccount.objects.create(code=code, name=code, max_order_quantity=1, max_order_value=1)


def codes() -> list[str]:
    """The accounts the running code sees."""
    return sorted(TradingAccount.objects.values_list("code", flat=True))


def server_search_path() -> str:
    """What the server believes, asked without the kernel's help."""
    with connection.connection.cursor() as cursor:
        return str(cursor.execute("SHOW search_path").fetchone()[0])


@contextmanager
def search_paths_sent() -> Iterator[list[str]]:
    """Collects the `SET search_path` statements of this thread's physical connection."""
    sent: list[str] = []
    connection.ensure_connection()
    physical = connection.connection
    before = physical.cursor_factory

    class Recording(before):  # type: ignore[misc, valid-type]
        def execute(self, query: psycopg.abc.Query, *args: object, **options: object) -> object:
            text = query.as_string(physical) if isinstance(query, psycopg.sql.Composable) else str(query)
            if text.startswith("SET search_path"):
                sent.append(text)
            return super().execute(query, *args, **options)

    physical.cursor_factory = Recording
    try:
        yield sent
    finally:
        physical.cursor_factory = before

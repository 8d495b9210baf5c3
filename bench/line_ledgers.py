"""What client, journal and venues say of the orders of a rig, compared: what was lost, what is there twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.line_rig import LineRig
from tests.smoke import readers
from trading_workers.journal.dump import dump
from trading_workers.reconciliation import Ledger, check_fills_against_orders, compare


class Verdict(NamedTuple):
    orders: int
    """Accepted, by the journal."""
    fills: int
    """Each trade has two."""
    lost: int
    """Orders and fills that one of the three knows and another does not."""
    twice: int
    """Orders and fills that one of the three holds twice."""
    differences: list[str]
    """Everything in which they are not the same, lost and twice included."""


def reconcile(rig: LineRig, logs: Sequence[Path]) -> Verdict:
    """Nothing may be on its way any more. The measure is the journal, which the worker may be writing."""
    pages = {exchange: f"http://{address}" for exchange, address in rig.configuration.venue_admin.items()}
    journal = readers.journal_ledger("\n".join(dump(rig.journal)))
    found = [journal, readers.client_ledger(logs), readers.venue_ledger(pages)]
    differences = [*compare(found), *(each for ledger in found for each in check_fills_against_orders(ledger))]
    lost = sum(_missing(journal, other) for other in found[1:])
    return Verdict(
        len(journal.orders),
        len(journal.fills),
        lost,
        sum(len(ledger.repeated) for ledger in found),
        [str(each) for each in differences],
    )


def _missing(one: Ledger, other: Ledger) -> int:
    return len(one.orders.keys() ^ other.orders.keys()) + len(one.fills.keys() ^ other.fills.keys())

"""Microseconds per order through ``OrderPath.handle_batch`` and ``commit``: all checks, reservations, records and FIX fields.

One core, one process, no journal file and no socket: ``python -m bench.bench_order_checks [--orders N]``. Orders differ in
account, instrument, side, price and id; 1 % are refused. The last line is JSON; ``journal_us`` is the same with every
batch appended to a journal on the disk (policy os), in a run of its own. The reference is a plain loop of the same run: on
a shared machine only the ratio of two figures says something.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from exchanges.registry import registry
from trading_workers.journal.recovery import recover
from trading_workers.journal.writer import JournalWriter, SyncPolicy
from trading_workers.order_path import OrderPath
from trading_workers.orders import Caller, NewOrder, OrderType, Side, TimeInForce
from trading_workers.snapshot.documents import (
    AccountEntry,
    ExchangeEntry,
    InstrumentEntry,
    LicenceEntry,
    PhaseInterval,
    PhaseOrders,
    PlatformDocument,
    Route,
    TenantDocument,
    TickBand,
    Verdict,
)

MICROS, HOUR = 1_000_000, 3_600 * 1_000_000_000
DAY = 24 * HOUR
BATCH = 100
ACCOUNTS = [f"ACC-{number:03d}" for number in range(200)]
SYMBOLS = [f"SYM{number:02d}" for number in range(50)]
CALLER = Caller(tenant="nile", user="program", role="trader", accounts=None, door="grpc-stream", trace_id="")


def platform(now: int) -> PlatformDocument:
    return PlatformDocument(
        revision=1,
        committed_at=now,
        lease_until=now + DAY,
        exchanges=(
            ExchangeEntry(
                code="EGX",
                mic="XCAI",
                currency="EGP",
                time_zone="Africa/Cairo",
                intervals=tuple(
                    PhaseInterval(now + hour * HOUR, now + (hour + 1) * HOUR, "CONTINUOUS", "bench") for hour in range(-24, 48)
                ),
                investor_id_name="Unified Code",
                order_types=(PhaseOrders("CONTINUOUS", (("LIMIT", "DAY"), ("LIMIT", "IMMEDIATE_OR_CANCEL"), ("MARKET", "DAY"))),),
            ),
        ),
        instruments=tuple(
            InstrumentEntry(
                exchange="EGX",
                symbol=symbol,
                isin=None,
                name=symbol,
                name_ar=symbol,
                asset_type="equity",
                currency="EGP",
                tradable=True,
                lot=1,
                lot_signed=True,
                ticks=(TickBand(0, 1_000), TickBand(2 * MICROS, 10_000)),
                reference_price=100 * MICROS,
                band_low=80 * MICROS,
                band_high=120 * MICROS,
                reference_signed=True,
            )
            for symbol in SYMBOLS
        ),
        routes=(Route(priority=1, exchange="EGX", symbol=None, asset_type=None, line="EGX", fallback=()),),
        default_line=None,
        killed_exchanges=(),
        killed=False,
    )


def tenant(now: int) -> TenantDocument:
    return TenantDocument(
        revision=1,
        committed_at=now,
        lease_until=now + DAY,
        tenant="nile",
        schema="t_nile",
        killed=False,
        licence=LicenceEntry(
            plan="Enterprise",
            status="active",
            valid_from=now - DAY,
            valid_until=now + DAY,
            features=("exchange:EGX", "asset:equity", "door:grpc-stream", "sharia"),
            orders_per_day_included=None,
            orders_per_day_cap=10**9,
            orders_per_second=10**8,
        ),
        accounts=tuple(
            AccountEntry(
                code=code,
                name=code,
                status="active",
                investor_ids={"EGX": "1"},
                cash={"EGP": 10**9 * MICROS},
                shares={f"EGX:{symbol}": 10**9 for symbol in SYMBOLS},
                max_order_quantity=10**6,
                max_order_value=10**9 * MICROS,
                killed=False,
                sharia_board="BOARD" if number % 2 else None,
            )
            for number, code in enumerate(ACCOUNTS)
        ),
        verdicts={"BOARD": {f"EGX:{symbol}": Verdict("compliant", f"V-{symbol}") for symbol in SYMBOLS}},
    )


def orders(first: int) -> list[NewOrder]:
    """A batch. Buys below 100, sells above it, so that no account meets itself; every hundredth is off its tick."""
    made = []
    for number in range(first, first + BATCH):
        buys = number % 3 != 0
        steps = number * 7 % 1_000
        price = (99 * MICROS - steps * 10_000) if buys else (101 * MICROS + steps * 10_000)
        made.append(
            NewOrder(
                account=ACCOUNTS[number % len(ACCOUNTS)],
                client_order_id=f"bench-{number}",
                exchange="EGX",
                symbol=SYMBOLS[number * 31 % len(SYMBOLS)],
                side=Side.BUY if buys else Side.SELL,
                type=OrderType.LIMIT,
                time_in_force=TimeInForce.DAY,
                quantity=1 + number % 100,
                price=price + (1 if number % 100 == 99 else 0),
            )
        )
    return made


def run(count: int, writer: JournalWriter | None) -> tuple[int, int, int]:
    """Return (nanoseconds, accepted, refused)."""
    now = time.time_ns()
    path = OrderPath("bench", 1, registry().clients(("EGX",)))
    path.configure_platform(platform(now))
    path.configure_tenant(tenant(now))
    path.set_line("EGX", up=True)
    accepted, first, elapsed = 0, 1, 0
    for start in range(0, count, BATCH):
        # As in the worker, a batch is decoded just before it is decided; making it is not measured.
        batch = orders(start)
        began = time.perf_counter_ns()
        prepared = path.handle_batch(CALLER, batch, now)
        sequence = first if writer is None else writer.append(prepared.records, now)
        path.commit(prepared, sequence)
        elapsed += time.perf_counter_ns() - began
        first += len(prepared.records)
        accepted += len(prepared.intents)
    return elapsed, accepted, count - accepted


def reference_loop() -> int:
    """Nanoseconds of a million additions in plain Python: how fast the core is just now."""
    began = time.perf_counter_ns()
    total = 0
    for number in range(1_000_000):
        total += number
    return time.perf_counter_ns() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    count = options.orders
    elapsed, accepted, refused = run(count, None)
    reference = reference_loop()
    for _ in range(options.rounds - 1):
        elapsed = min(elapsed, run(count, None)[0])
        reference = min(reference, reference_loop())
    with tempfile.TemporaryDirectory() as folder:
        writer = JournalWriter(Path(folder), recover(Path(folder)), policy=SyncPolicy.OS)
        with_journal, _, _ = run(count, writer)
        writer.close()
    result = {
        "bench": "order_checks",
        "orders": count,
        "accepted": accepted,
        "refused": refused,
        "batch": BATCH,
        "checks_us_per_order": _microseconds(elapsed, count),
        "journal_us": _microseconds(with_journal, count),
        "reference_us_per_1000_additions": _microseconds(reference, 1_000),
    }
    print(json.dumps(result))


def _microseconds(nanoseconds: int, count: int) -> str:
    return f"{nanoseconds / count / 1000:.2f}"


if __name__ == "__main__":
    main()

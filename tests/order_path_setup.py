"""A small platform and one tenant for tests of the order path; every amount is round, so that figures can be read."""

from __future__ import annotations

from typing import Any

import msgspec

from exchanges.registry import registry
from trading_workers.journal.framing import LAST_OF_BATCH, Record
from trading_workers.order_path import OrderPath
from trading_workers.orders import (
    Caller,
    CancelOrder,
    ExecutionKind,
    NewOrder,
    OrderType,
    Side,
    TimeInForce,
    VenueCancelReject,
    VenueReport,
)
from trading_workers.prepared_batch import PreparedBatch
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

MICROS = 1_000_000
SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
"""2027-01-15 08:00 UTC, 10:00 in Cairo."""
DAY = 86_400 * SECOND

FEATURES = ("exchange:EGX", "exchange:ADX", "asset:equity", "door:grpc-stream", "sharia")


ORDER_TYPES = (
    *(PhaseOrders(phase, (("LIMIT", "DAY"),)) for phase in ("PRE_OPEN", "OPENING_AUCTION", "CLOSING_AUCTION", "TRADE_AT_LAST")),
    PhaseOrders(
        "CONTINUOUS",
        tuple((kind, time) for kind in ("LIMIT", "MARKET") for time in ("DAY", "IMMEDIATE_OR_CANCEL", "FILL_OR_KILL")),
    ),
)


def exchange(code: str = "EGX", phase: str = "CONTINUOUS", **changes: Any) -> ExchangeEntry:
    entry = ExchangeEntry(
        code=code,
        mic={"EGX": "XCAI"}.get(code, "XADS"),
        currency={"EGX": "EGP"}.get(code, "AED"),
        time_zone={"EGX": "Africa/Cairo"}.get(code, "Asia/Dubai"),
        intervals=(PhaseInterval(NOW - 10 * DAY, NOW + 10 * DAY, phase, f"test {phase}"),),
        investor_id_name={"EGX": "Unified Code"}.get(code, "NIN"),
        order_types=ORDER_TYPES,
    )
    return msgspec.structs.replace(entry, **changes)


def instrument(symbol: str = "COMI", code: str = "EGX", **changes: Any) -> InstrumentEntry:
    entry = InstrumentEntry(
        exchange=code,
        symbol=symbol,
        isin=None,
        name=symbol,
        name_ar=symbol,
        asset_type="equity",
        currency={"EGX": "EGP"}.get(code, "AED"),
        tradable=True,
        lot=1,
        lot_signed=True,
        ticks=(TickBand(0, 1_000), TickBand(2 * MICROS, 10_000)),
        reference_price=100 * MICROS,
        band_low=80 * MICROS,
        band_high=120 * MICROS,
        reference_signed=True,
    )
    return msgspec.structs.replace(entry, **changes)


def platform(**changes: Any) -> PlatformDocument:
    document = PlatformDocument(
        revision=7,
        committed_at=NOW - SECOND,
        lease_until=NOW + 5 * DAY,
        exchanges=(exchange(), exchange("ADX")),
        instruments=(instrument(), instrument("SWDY"), instrument("FAB", "ADX")),
        routes=(
            Route(priority=10, exchange="EGX", symbol=None, asset_type=None, line="EGX", fallback=("EGX-2",)),
            Route(priority=20, exchange="ADX", symbol=None, asset_type=None, line="ADX", fallback=()),
        ),
        default_line=None,
        killed_exchanges=(),
        killed=False,
    )
    return msgspec.structs.replace(document, **changes)


def account(code: str = "ACC-1", **changes: Any) -> AccountEntry:
    entry = AccountEntry(
        code=code,
        name=code,
        status="active",
        investor_ids={"EGX": "U-1", "ADX": "N-1"},
        cash={"EGP": 100_000 * MICROS, "AED": 100_000 * MICROS},
        shares={"EGX:COMI": 1_000, "EGX:SWDY": 1_000, "ADX:FAB": 1_000},
        max_order_quantity=10_000,
        max_order_value=1_000_000 * MICROS,
        killed=False,
        sharia_board=None,
    )
    return msgspec.structs.replace(entry, **changes)


def licence(**changes: Any) -> LicenceEntry:
    entry = LicenceEntry(
        plan="Test",
        status="active",
        valid_from=NOW - DAY,
        valid_until=NOW + 4 * DAY,
        features=FEATURES,
        orders_per_day_included=None,
        orders_per_day_cap=None,
        orders_per_second=None,
    )
    return msgspec.structs.replace(entry, **changes)


def tenant(**changes: Any) -> TenantDocument:
    document = TenantDocument(
        revision=3,
        committed_at=NOW - SECOND,
        lease_until=NOW + 5 * DAY,
        tenant="nile",
        schema="t_nile",
        killed=False,
        licence=licence(),
        accounts=(account(), account("ACC-2"), account("AMA-1", sharia_board="BOARD")),
        verdicts={
            "BOARD": {
                "EGX:COMI": Verdict("compliant", "V-1"),
                "EGX:SWDY": Verdict("non_compliant", "V-2"),
                "ADX:FAB": Verdict("undetermined", "V-3"),
            }
        },
    )
    return msgspec.structs.replace(document, **changes)


TRADER = Caller(tenant="nile", user="nile-trader", role="trader", accounts=None, door="grpc-stream", trace_id="t1")


def caller(**changes: Any) -> Caller:
    return msgspec.structs.replace(TRADER, **changes)


def order(client_order_id: str = "o1", **changes: Any) -> NewOrder:
    entry = NewOrder(
        account="ACC-1",
        client_order_id=client_order_id,
        exchange="EGX",
        symbol="COMI",
        side=Side.BUY,
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=10,
        price=100 * MICROS,
    )
    return msgspec.structs.replace(entry, **changes)


def cancel(orig: str = "o1", client_order_id: str = "c1", account: str = "ACC-1") -> CancelOrder:
    return CancelOrder(account=account, client_order_id=client_order_id, orig_client_order_id=orig)


def report(order_id: int, kind: ExecutionKind = ExecutionKind.NEW, exec_id: str = "e1", **changes: Any) -> VenueReport:
    entry = VenueReport(
        order_id=order_id,
        exec_id=exec_id,
        kind=kind,
        venue_order_id="V1",
        last_quantity=0,
        last_price=0,
        cumulative=0,
        text="",
        transact_time=NOW,
        line="EGX",
        fix_number=1,
    )
    return msgspec.structs.replace(entry, **changes)


def fill(order_id: int, quantity: int, price: int, cumulative: int, exec_id: str) -> VenueReport:
    return report(order_id, ExecutionKind.TRADE, exec_id, last_quantity=quantity, last_price=price, cumulative=cumulative)


def cancel_reject(order_id: int, cancel_id: int) -> VenueCancelReject:
    return VenueCancelReject(order_id=order_id, cancel_id=cancel_id, text="too late", line="EGX", fix_number=9)


class MemoryJournal:
    """The shell of an order path, with a list for a journal."""

    def __init__(self, path: OrderPath | None = None) -> None:
        self.path = path if path is not None else new_path()
        self.records: list[Record] = []

    def keep(self, prepared: PreparedBatch) -> PreparedBatch:
        first = len(self.records) + 1
        last = len(prepared.records) - 1
        for place, (record_type, payload) in enumerate(prepared.records):
            flags = LAST_OF_BATCH if place == last else 0
            self.records.append(Record(first + place, 1, record_type, flags, prepared.now, payload))
        self.path.commit(prepared, first)
        return prepared

    def place(self, *instructions: NewOrder | CancelOrder, now: int = NOW, by: Caller = TRADER) -> PreparedBatch:
        return self.keep(self.path.handle_batch(by, instructions, now))

    def hear(self, *reports: VenueReport | VenueCancelReject, now: int = NOW) -> PreparedBatch:
        return self.keep(self.path.handle_venue(reports, now))

    def replayed(self) -> OrderPath:
        path = new_path()
        for record in self.records:
            path.replay(record)
        return path


def new_path(platform_document: PlatformDocument | None = None, tenant_document: TenantDocument | None = None) -> OrderPath:
    path = OrderPath("worker-1", 1, registry().clients(("EGX", "ADX")))
    path.configure_platform(platform_document if platform_document is not None else platform())
    path.configure_tenant(tenant_document if tenant_document is not None else tenant())
    path.set_line("EGX", up=True)
    path.set_line("ADX", up=True)
    return path

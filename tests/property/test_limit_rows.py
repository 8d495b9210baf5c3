"""What a row says yes to, every readable check lets through; and the other way round."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.routing.balancers import LinePool
from tests.order_path_setup import (
    DAY,
    MICROS,
    NOW,
    MemoryJournal,
    account,
    caller,
    exchange,
    instrument,
    licence,
    new_path,
    order,
    platform,
    tenant,
)
from trading_workers.checks.candidate import candidate
from trading_workers.checks.decision import CHECKS, Accepted, decide
from trading_workers.configuration_view import ConfigurationView
from trading_workers.orders import OrderType, Side, TimeInForce
from trading_workers.snapshot.documents import PhaseInterval, TickBand

FEATURES = ("exchange:EGX", "exchange:ADX", "asset:equity", "door:grpc-stream", "sharia")

CONTENT = ("account", "exchange", "symbol", "side", "type", "time_in_force", "quantity", "price")

orders = st.builds(
    order,
    account=st.sampled_from(["ACC-1", "AMA-1", "OFF-1", "NONE"]),
    exchange=st.sampled_from(["EGX", "ADX"]),
    symbol=st.sampled_from(["COMI", "SWDY", "FAB", "NOPE"]),
    side=st.sampled_from([Side.BUY, Side.SELL]),
    type=st.sampled_from([OrderType.LIMIT, OrderType.MARKET]),
    time_in_force=st.sampled_from([TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL]),
    quantity=st.one_of(st.sampled_from([1, 10, 100, 1_000, 1_001, 10_000]), st.integers(-1, 20_000)),
    price=st.sampled_from([0, 1, 79_990_000, 80_000_000, 99_990_000, 100_000_000, 100_005_000, 120_000_000, 121_000_000]),
)
documents = st.builds(
    lambda **changes: (
        platform(
            killed=changes["killed"],
            lease_until=NOW + changes["platform_lease"],
            exchanges=(
                exchange(
                    intervals=(
                        PhaseInterval(NOW - DAY, NOW + 2, "CONTINUOUS", "first"),
                        PhaseInterval(NOW + 2, NOW + 4, changes["phase"], "second"),
                    )
                ),
                exchange("ADX"),
            ),
            instruments=(
                instrument(tradable=changes["tradable"], lot=changes["lot"], ticks=changes["ticks"]),
                instrument("SWDY", reference_price=changes["reference"]),
                instrument("FAB", "ADX", lot_signed=changes["signed"]),
            ),
        ),
        tenant(
            lease_until=NOW + changes["tenant_lease"],
            licence=licence(
                features=tuple(changes["features"]),
                valid_from=NOW + changes["start"],
                valid_until=NOW + changes["end"],
                orders_per_day_cap=changes["cap"],
                orders_per_second=changes["rate"],
            ),
            accounts=(account(), account("AMA-1", sharia_board="BOARD"), account("OFF-1", status=changes["status"])),
        ),
    ),
    killed=st.sampled_from([False, False, False, True]),
    tradable=st.booleans(),
    reference=st.sampled_from([None, 100_000_000]),
    signed=st.booleans(),
    features=st.sampled_from([FEATURES, FEATURES, FEATURES[1:], FEATURES[:3], FEATURES[:4]]),
    status=st.sampled_from(["active", "suspended"]),
    platform_lease=st.integers(-2, 6),
    tenant_lease=st.integers(-2, 6),
    phase=st.sampled_from(["CLOSING_AUCTION", "CONTINUOUS", "CLOSED"]),
    lot=st.sampled_from([1, 1, 10]),
    ticks=st.sampled_from(
        [
            (TickBand(0, 1_000), TickBand(2 * MICROS, 10_000)),
            (TickBand(0, 1_000), TickBand(100 * MICROS, 100_000)),
            (TickBand(90 * MICROS, 10_000),),
        ]
    ),
    cap=st.sampled_from([None, 3, 100]),
    rate=st.sampled_from([None, 2, 1_000]),
    start=st.integers(-3, 3),
    end=st.sampled_from([0, 3, DAY]),
)


near_orders = st.builds(
    order,
    account=st.sampled_from(["ACC-1", "ACC-1", "AMA-1"]),
    side=st.sampled_from([Side.BUY, Side.SELL]),
    type=st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET]),
    time_in_force=st.sampled_from([TimeInForce.DAY, TimeInForce.IMMEDIATE_OR_CANCEL]),
    quantity=st.sampled_from([0, 1, 10, 11, 100, 990, 1_000, 1_001, 10_000]),
    price=st.sampled_from([0, 79_990_000, 80_000_000, 99_990_000, 100_000_000, 100_005_000, 120_000_000, 121_000_000]),
)
"""Of two accounts in one instrument, so that most meet a row."""
trading_documents = st.builds(
    lambda phase, lot, ticks, cap, rate, cash: (
        platform(
            exchanges=(
                exchange(
                    intervals=(
                        PhaseInterval(NOW - DAY, NOW + 2, "CONTINUOUS", "first"),
                        PhaseInterval(NOW + 2, NOW + 9, phase, "second"),
                    )
                ),
            ),
            instruments=(instrument(lot=lot, ticks=ticks),),
            routes=(),
            pools=(LinePool(name="EGX", exchange="EGX", lines=("EGX",)),),
        ),
        tenant(
            licence=licence(orders_per_day_cap=cap, orders_per_second=rate),
            accounts=(
                account(cash={"EGP": cash * MICROS}, max_order_value=150_000 * MICROS, max_order_quantity=995),
                account("AMA-1", sharia_board="BOARD", shares={"EGX:COMI": 20_000}),
            ),
        ),
    ),
    phase=st.sampled_from(["CLOSING_AUCTION", "CONTINUOUS", "CLOSED"]),
    lot=st.sampled_from([1, 1, 10]),
    ticks=st.sampled_from(
        [
            (TickBand(0, 1_000), TickBand(2 * MICROS, 10_000)),
            (TickBand(0, 1_000), TickBand(100 * MICROS, 100_000)),
            (TickBand(90 * MICROS, 10_000),),
        ]
    ),
    cap=st.sampled_from([None, None, 3]),
    rate=st.sampled_from([None, None, 2]),
    cash=st.sampled_from([2_000, 120_000, 10_000_000]),
)


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.tuples(
            documents, st.lists(st.tuples(orders, st.integers(-3, 6), st.sampled_from(["grpc-stream", "rest"])), max_size=30)
        ),
        st.tuples(trading_documents, st.lists(st.tuples(near_orders, st.integers(0, 6), st.just("rest")), min_size=8, max_size=30)),
    )
)
def test_an_order_is_decided_by_rows_as_by_every_check(case) -> None:  # type: ignore[no-untyped-def]
    documents, given_orders = case
    journal = MemoryJournal(new_path(*documents))
    path = journal.path
    view = path.view("nile")
    assert view is not None
    for number, (wanted, later, door) in enumerate(given_orders):
        by, now = caller(door=door), NOW + later
        without_rows = ConfigurationView(view.platform, view.tenant)
        expected = decide(by, without_rows, path.state, wanted, now)
        assert decide(by, view, path.state, wanted, now) == expected
        row = view.row(wanted.account, wanted.exchange, wanted.symbol, door, now)
        if row is not None and isinstance(expected, Accepted):
            assert row.worst_price(wanted, path.state, now), "an order that passes is decided by its row"
        # What is accepted rests, reserves and counts: the next order meets it.
        journal.place(order(f"o{number}", **{name: getattr(wanted, name) for name in CONTENT}), now=now, by=by)


@settings(max_examples=200, deadline=None)
@given(trading_documents, st.lists(st.tuples(near_orders, st.integers(0, 6)), min_size=5, max_size=20))
def test_a_row_never_lets_through_what_a_check_refuses(documents, given_orders) -> None:  # type: ignore[no-untyped-def]
    path = new_path(*documents)
    view = path.view("nile")
    assert view is not None
    for wanted, later in given_orders:
        now = NOW + later
        decide(caller(), view, path.state, wanted, now)
        row = view.row(wanted.account, wanted.exchange, wanted.symbol, "grpc-stream", now)
        subject = candidate(caller(), view, path.state, wanted, now)
        worst = 0 if row is None else row.worst_price(wanted, path.state, now)
        assert not worst or (worst == subject.worst_price and not any(check(subject) for check in CHECKS))


def test_a_row_ends_with_the_phase_it_was_made_in() -> None:
    phases = (PhaseInterval(NOW - DAY, NOW + 2, "CONTINUOUS", "first"), PhaseInterval(NOW + 2, NOW + 4, "CLOSED", "second"))
    path = new_path(platform(exchanges=(exchange(intervals=phases), exchange("ADX"))))
    view = path.view("nile")
    assert view is not None
    assert isinstance(decide(caller(), view, path.state, order(), NOW), Accepted)
    assert view.row("ACC-1", "EGX", "COMI", "grpc-stream", NOW + 1) is not None
    assert view.row("ACC-1", "EGX", "COMI", "grpc-stream", NOW + 2) is None
    assert not isinstance(decide(caller(), view, path.state, order(), NOW + 2), Accepted)

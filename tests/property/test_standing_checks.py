"""What a view has cleared is decided as if every check ran on every order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.order_path_setup import DAY, NOW, account, caller, instrument, licence, new_path, order, platform, tenant
from trading_workers.checks.decision import CHECKS, STANDING, decide
from trading_workers.configuration_view import ConfigurationView
from trading_workers.orders import OrderType, Side

FEATURES = ("exchange:EGX", "exchange:ADX", "asset:equity", "door:grpc-stream", "sharia")

orders = st.builds(
    order,
    account=st.sampled_from(["ACC-1", "AMA-1", "OFF-1", "NONE"]),
    exchange=st.sampled_from(["EGX", "ADX"]),
    symbol=st.sampled_from(["COMI", "SWDY", "FAB", "NOPE"]),
    side=st.sampled_from([Side.BUY, Side.SELL]),
    type=st.sampled_from([OrderType.LIMIT, OrderType.MARKET]),
    quantity=st.integers(-1, 20_000),
    price=st.sampled_from([0, 1, 100_000_000, 100_005_000, 121_000_000]),
)
documents = st.builds(
    lambda **changes: (
        platform(
            killed=changes["killed"],
            lease_until=NOW + changes["platform_lease"],
            instruments=(
                instrument(tradable=changes["tradable"]),
                instrument("SWDY", reference_price=changes["reference"]),
                instrument("FAB", "ADX", lot_signed=changes["signed"]),
            ),
        ),
        tenant(
            lease_until=NOW + changes["tenant_lease"],
            licence=licence(
                features=tuple(changes["features"]), valid_from=NOW + changes["start"], valid_until=NOW + changes["end"]
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
    start=st.integers(-3, 3),
    end=st.sampled_from([0, 3, DAY]),
)


@settings(max_examples=300, deadline=None)
@given(documents, st.lists(st.tuples(orders, st.integers(-3, 6), st.sampled_from(["grpc-stream", "rest"])), max_size=30))
def test_a_view_with_a_memory_decides_as_one_without(documents, given_orders) -> None:  # type: ignore[no-untyped-def]
    path = new_path(*documents)
    remembering = path.view("nile")
    assert remembering is not None
    for wanted, later, door in given_orders:
        by = caller(door=door)
        fresh = ConfigurationView(remembering.platform, remembering.tenant)
        expected = decide(by, fresh, path.state, wanted, NOW + later)
        assert decide(by, remembering, path.state, wanted, NOW + later) == expected


def test_standing_checks_are_a_part_of_the_checks() -> None:
    assert set(CHECKS) >= STANDING

"""Programs' side of a running platform: tokens of the demo people, orders, and what the tables say of them."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.smoke.platform import Platform, running_platform
from tradsys.configuration import Configuration
from tradsys.mesh.tokens import issue, load_signing_key
from tradsys.v1 import orders_pb2 as pb

PRICE = 139_000_000
"""Inside the demo band of EGX:COMI and on its tick."""

WITHOUT_PAGES = "web,celery-worker,celery-beat,market-data,services,demo-liquidity,demo-flow"


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Servers, venues, relay, worker and projector with the demo's tenants, on ports of its own."""
    with running_platform(without=WITHOUT_PAGES) as found:
        yield found


def configuration_of(platform: Platform) -> Configuration:
    return Configuration.from_environment({"TRADSYS_VAR": str(platform.var)})


def token(platform: Platform, *, tenant: str = "corniche", role: str = "trader", accounts: tuple[str, ...] = ("*",)) -> str:
    key = load_signing_key(configuration_of(platform).token_signing_key)
    return issue(key, subject=f"{tenant}-{role}", tenant=tenant, role=role, accounts=accounts, now=time.time_ns())


def new_id(prefix: str = "T") -> str:
    return f"{prefix}-{uuid.uuid4().hex[:16]}"


def limit_order(
    side: int, quantity: int, *, account: str = "COR-001", price: int = PRICE, client_order_id: str = ""
) -> pb.NewOrder:
    return pb.NewOrder(
        client_order_id=client_order_id or new_id(),
        account=account,
        exchange="EGX",
        symbol="COMI",
        side=side,
        type=pb.LIMIT,
        time_in_force=pb.DAY,
        quantity=quantity,
        price=price,
    )


@contextmanager
def tenant_tables(platform: Platform, tenant: str = "corniche") -> Iterator[psycopg.Connection[dict[str, object]]]:
    """Read the tenant's tables by plain SQL, past the project's own readers."""
    with psycopg.connect(configuration_of(platform).database_url, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("SELECT set_config('search_path', %s, false)", [f"t_{tenant}"])
        yield connection


def wait_for(condition: Callable[[], object], *, seconds: float = 15.0, what: str = "the condition") -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come true within {seconds} s"
        time.sleep(0.05)


def projected_up_to(platform: Platform) -> int:
    """Sequence of the last journal record that is in the tables; 0 before the first."""
    with psycopg.connect(configuration_of(platform).database_url, autocommit=True) as connection:
        row = connection.execute(
            "SELECT sequence FROM public.trading_workers_projectioncheckpoint WHERE worker = 'worker-1'"
        ).fetchone()
    return int(row[0]) if row else 0

"""What the doors show: a market, a licence, accounts, orders, and the documents published from them."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.utils import timezone

from exchanges.loading import load_reference_data
from exchanges.models import Signer
from exchanges.reference import DEMO_MARKET_PATH
from exchanges.services import import_data_set, save_signer, sign_data_set
from exchanges.signatures import public_key_text
from licensing.models import Plan
from licensing.services import grant_licence, load_reference_plans
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Tenant
from tests import order_path_setup
from trading_workers.blotter.models import Execution, Order, OrderState
from trading_workers.blotter.services import open_account
from trading_workers.snapshot import compile as compiler
from trading_workers.snapshot.documents import PLATFORM
from trading_workers.snapshot.publication import publish
from trading_workers.snapshot.published import announce
from tradsys.configuration import Configuration
from tradsys.mesh.tokens import load_signing_key

ACTOR = "tester"
FIRST_ORDER_ID = 9_007_199_254_740_993
"""Above 2**53: it survives only where no JSON reader turned it into a double."""
MOMENT = 1_790_000_000_000_000_000
LEASE_NS = 86_400 * 1_000_000_000


def prepare_market(slug: str, *, plan: str = "basic") -> None:
    """Reference data, the demonstration's prices, and for `slug` a licence of `plan` and the account ALPHA-1."""
    with platform_scope():
        load_reference_data(actor=ACTOR)
        key = Ed25519PrivateKey.generate()
        signer = save_signer(actor=ACTOR, signer=Signer(name="demo operator", kind="operator", public_key=public_key_text(key)))
        document = DEMO_MARKET_PATH.read_text(encoding="utf-8")
        import_data_set(actor=ACTOR, document=document, signature=sign_data_set(document, key), signer=signer)
        load_reference_plans(actor=ACTOR)
        now = timezone.now()
        grant_licence(
            actor=ACTOR,
            tenant=Tenant.objects.get(slug=slug),
            plan=Plan.objects.get(code=plan),
            valid_from=now - timedelta(days=1),
            valid_until=now + timedelta(days=300),
        )
    with enter_for_command(slug):
        add_account(f"{slug.upper()}-1")


def add_account(code: str) -> None:
    open_account(
        actor=ACTOR,
        code=code,
        name=code,
        investor_ids={"EGX": "U-1"},
        max_order_quantity=1_000,
        max_order_value=Decimal(1_000_000),
    )


def publish_documents(*slugs: str) -> None:
    """The platform's document and each tenant's, numbered, signed with this run's key, stored and announced."""
    key = load_signing_key(Configuration.from_environment().snapshot_signing_key)
    now = time.time_ns()
    lease = {"key": key, "committed_at": now, "lease_until": now + LEASE_NS}
    published = [publish(PLATFORM, lambda numbering: compiler.compile_platform(numbering, now=now).document, **lease)]
    for slug in slugs:
        published.append(publish(slug, lambda numbering, slug=slug: compiler.compile_tenant(slug, numbering, now=now), **lease))
    for signed in published:
        announce(signed.name, signed.revision)


def publish_licence(slug: str, **changes: Any) -> None:
    """A document of `slug` with a licence in force and nothing else; `changes` to the licence."""
    now = time.time_ns()
    licence = msgspec.structs.replace(order_path_setup.licence(valid_from=now - LEASE_NS, valid_until=now + LEASE_NS), **changes)
    key = load_signing_key(Configuration.from_environment().snapshot_signing_key)
    with platform_scope():
        signed = publish(
            slug,
            lambda numbering: order_path_setup.tenant(
                revision=numbering.revision,
                committed_at=now,
                lease_until=now + LEASE_NS,
                tenant=slug,
                schema=f"t_{slug}",
                licence=licence,
                accounts=(),
                verdicts={},
            ),
            key=key,
            committed_at=now,
            lease_until=now + LEASE_NS,
        )
    announce(signed.name, signed.revision)


def add_orders(slug: str, count: int, *, account: str = "", prefix: str = "", same_time: bool = False) -> list[Order]:
    """Orders of `slug`, the last one the newest, partly filled in turn; client ids are `<slug>-order-<number>`."""
    with enter_for_command(slug):
        begun = Order.objects.count()
        found = []
        for number in range(begun, begun + count):
            order = Order.objects.create(**order_fields(slug, number, account=account, prefix=prefix, same_time=same_time))
            if order.cumulative:
                Execution.objects.create(
                    order=order,
                    worker="worker-1",
                    epoch=1,
                    sequence=10_000 + number,
                    exec_id=f"E{number}",
                    quantity=order.cumulative,
                    price=order.price,
                    executed_at=order.changed_at,
                )
            found.append(order)
        return found


def order_fields(slug: str, number: int, *, account: str = "", prefix: str = "", same_time: bool = False) -> dict[str, Any]:
    filled = 4 if number % 2 else 0
    at = MOMENT if same_time else MOMENT + number
    return {
        "order_id": FIRST_ORDER_ID + number,
        "worker": "worker-1",
        "epoch": 1,
        "sequence": number + 1,
        "client_order_id": f"{prefix or slug}-order-{number}",
        "account": account or f"{slug.upper()}-1",
        "exchange": "EGX",
        "symbol": "COMI",
        "side": "BUY",
        "type": "LIMIT",
        "time_in_force": "DAY",
        "quantity": 10,
        "price": 139_500_000,
        "currency": "EGP",
        "state": OrderState.PARTIALLY_FILLED if filled else OrderState.NEW,
        "cumulative": filled,
        "leaves": 10 - filled,
        "filled_value": Decimal("139.50") * filled,
        "user": f"{slug}-trader",
        "door": "rest",
        "accepted_at": at,
        "changed_at": at,
    }

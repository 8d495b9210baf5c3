"""Two tenants with accounts, licences, a board and executions in the database, and the documents that the relay makes of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trading_workers.snapshot.documents import TenantDocument
from trading_workers.snapshot.signing import AnyDocument

if TYPE_CHECKING:
    from licensing.licence_check import LicenceCheck
    from trading_workers.grpc_services.database_readers import DatabaseReaders
    from trading_workers.grpc_services.reference_facts import CurrentFacts
    from trading_workers.snapshot.held_documents import HeldDocuments

T = TypeVar("T")

SECOND = 1_000_000_000
NOW = int(datetime(2026, 11, 25, 9, 30, tzinfo=UTC).timestamp()) * SECOND
"""A Wednesday: 11:30 in Cairo, 13:30 in Dubai, both in continuous trading."""
BOARD = "BOARD"


@contextmanager
def on_the_tests_connection() -> Iterator[None]:
    """Database work within an asynchronous test, inside the test's own transaction: for Django no loop is running meanwhile."""
    loop = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        yield
    finally:
        asyncio._set_running_loop(loop)


@dataclass
class World:
    """What the services stand on; `now` is the clock, which a test may set."""

    documents: HeldDocuments
    readers: DatabaseReaders
    facts: CurrentFacts
    gate: LicenceCheck
    now: int = NOW

    def clock(self) -> int:
        return self.now

    def apply(self, document: AnyDocument) -> None:
        self.documents.apply(document)
        if isinstance(document, TenantDocument):
            self.gate.apply(document.tenant, document.licence, revision=document.revision, lease_until=document.lease_until)

    def compiled_again(self, tenant: str) -> None:
        """What the relay does after a change in the tenant's tables."""
        from trading_workers.snapshot.compile import Numbering, compile_tenant

        held = self.documents.newest_of_tenant(tenant)
        revision = 1 if held is None else held.revision + 1
        numbering = Numbering(revision, self.now, self.now + 86_400 * SECOND)
        with on_the_tests_connection():
            document = compile_tenant(tenant, numbering, now=self.now)
        self.apply(document)

    def platform_again(self) -> None:
        from trading_workers.snapshot.compile import Numbering, compile_platform

        revision = 1
        if self.documents._platform is not None:
            revision = self.documents._platform.revision + 1
        numbering = Numbering(revision, self.now, self.now + 86_400 * SECOND)
        with on_the_tests_connection():
            document = compile_platform(numbering, now=self.now).document
        self.documents.apply(document)


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The tables of a module's tests, filled once in a transaction that is rolled back at its end."""
    from django.db import transaction

    with django_db_blocker.unblock(), transaction.atomic():
        _fill()
        with django_db_blocker.block():
            yield
        transaction.set_rollback(True)


@pytest.fixture
def world(filled: None, django_db_blocker: Any) -> Iterator[World]:
    """alpha: islamic plan, account ALP-001 under the board and ALP-002; beta: basic plan, account BET-001, no board."""
    from django.db import transaction

    from licensing.licence_check import LicenceCheck
    from tenants.kernel.entry_points import platform_scope
    from trading_workers.grpc_services.database_readers import DatabaseReaders
    from trading_workers.grpc_services.reference_facts import CurrentFacts
    from trading_workers.snapshot.held_documents import HeldDocuments

    async def run(question: Callable[[], T]) -> T:
        with on_the_tests_connection():
            return question()

    documents = HeldDocuments()
    world = World.__new__(World)
    readers = DatabaseReaders(run, now=lambda: world.now)
    World.__init__(world, documents, readers, CurrentFacts(documents, readers.reference_facts, lambda: world.now), LicenceCheck())
    with django_db_blocker.unblock():
        with platform_scope():
            before = transaction.savepoint()
        world.platform_again()
        for tenant in ("alpha", "beta"):
            world.compiled_again(tenant)
        yield world
        with platform_scope():
            transaction.savepoint_rollback(before)


def _fill() -> None:
    from exchanges.loading import load_reference_data
    from licensing.models import Plan
    from licensing.services import grant_licence, load_reference_plans
    from tenants.kernel.entry_points import enter_for_command, platform_scope
    from tenants.selectors import tenant_by_slug
    from trading_workers.blotter import services as blotter

    moment = datetime.fromtimestamp(NOW // SECOND, UTC)
    with platform_scope():
        load_reference_data(actor="tester")
        load_reference_plans(actor="tester")
        _define_board()
        publish_verdicts_of({"EGX:COMI": "compliant", "EGX:TMGH": "non_compliant", "ADX:FAB": "doubtful"}, issue=1)
        for slug, plan in (("alpha", "islamic"), ("beta", "basic")):
            grant_licence(
                actor="tester",
                tenant=tenant_by_slug(slug=slug),
                plan=Plan.objects.get(code=plan),
                valid_from=moment - timedelta(days=10),
                valid_until=moment + timedelta(days=100),
            )
    for slug, codes in (("alpha", ("ALP-001", "ALP-002")), ("beta", ("BET-001",))):
        with enter_for_command(slug):
            for each in codes:
                blotter.open_account(
                    actor="tester",
                    code=each,
                    name=each,
                    investor_ids={"EGX": "U-1", "ADX": "N-1"},
                    max_order_quantity=1_000,
                    max_order_value=Decimal(500_000),
                )
    with enter_for_command("alpha"):
        blotter.set_sharia_board(actor="tester", code="ALP-001", board=BOARD)


def _define_board() -> None:
    from compliance.models import Trust
    from compliance.services import activate_rule_set, define_board, draft_rule_set
    from exchanges.models import Signer
    from exchanges.services import save_signer
    from exchanges.signatures import public_key_text

    signer = save_signer(actor="tester", signer=Signer(name="signer", kind="board", public_key=public_key_text(_board_key)))
    board = define_board(actor="tester", code=BOARD, name=BOARD, name_ar="هيئة", signer=signer, demonstration=True)
    rule_set = draft_rule_set(actor="tester", board=board, name="method", source="tests", trust=Trust.DEMONSTRATION)
    activate_rule_set(actor="tester", rule_set=rule_set, now=datetime.fromtimestamp(NOW // SECOND - 3600, UTC))


_board_key = Ed25519PrivateKey.generate()


def publish_verdicts_of(statuses: dict[str, str], *, issue: int) -> None:
    """The board's signed rulings; to be called in the platform's scope."""
    from compliance.services import publish_verdicts
    from exchanges.models import Signer
    from exchanges.services import sign_data_set

    document = json.dumps(
        {
            "name": f"verdicts-{issue}",
            "label": "DEMO verdicts of a test",
            "kind": "verdicts",
            "board": BOARD,
            "rule_set": {"name": "method", "version": 1},
            "as_of": "2026-11-01",
            "verdicts": [
                {
                    "instrument": key,
                    "status": status,
                    "verdict_id": f"V-{key.replace(':', '-')}-{issue}",
                    "reason": f"{status} by figures",
                    "reason_ar": "بالأرقام",
                }
                for key, status in statuses.items()
            ],
        },
        ensure_ascii=False,
    )
    publish_verdicts(
        actor="tester",
        document=document,
        signature=sign_data_set(document, _board_key),
        signer=Signer.objects.get(name="signer"),
        now=datetime.fromtimestamp(NOW // SECOND - 600 + issue, UTC),
    )

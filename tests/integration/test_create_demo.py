"""``manage.py create_demo``: everything is labelled, signed and endowed; a second run changes nothing."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db.models import Sum

from compliance.models import ComplianceProfile, Verdict
from compliance.selectors import verdict_entries
from exchanges.models import DataSet, RuleRow, Signer
from exchanges.selectors import data_set_is_signed
from exchanges.services import save_signer
from licensing.models import Licence
from licensing.selectors import licence_entry
from licensing.services import suspend_licence
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Domain, Membership, Tenant, User
from tests.database import _restore_after_commit
from trading_workers import demonstration
from trading_workers.blotter.models import CashEntry, ShareEntry, TradingAccount
from trading_workers.blotter.selectors import account_entries
from tradsys.audit.models import AuditEvent
from tradsys.embedded.addresses import TENANTS, logins
from tradsys.outbox.models import OutboxMessage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("demo")]

KEYS = ("demo-operator", "demo-board")


def create_demo() -> str:
    output = io.StringIO()
    call_command("create_demo", stdout=output)
    return output.getvalue()


@pytest.fixture(scope="module")
def demo(django_db_setup: None, django_db_blocker: Any) -> Iterator[str]:
    """The demo, made once and committed, as it takes seconds; gives what the command said. Each test is rolled back to it."""
    with django_db_blocker.unblock():
        with platform_scope():
            # The test run has an operator of its own.
            User.objects.filter(username="operator").update(username="test-operator")
        yield create_demo()
        _restore_after_commit(demo)
        for name in KEYS:
            key_file(name).unlink()


def key_file(name: str) -> Path:
    return settings.CONFIGURATION.secrets / f"{name}.pem"


def test_a_second_run_changes_nothing_and_is_quick(demo: str) -> None:
    assert demo.splitlines()[-1].endswith("things made")
    with platform_scope():
        before = (AuditEvent.objects.count(), OutboxMessage.objects.count())
    began = time.perf_counter()
    assert create_demo() == "demo: everything is there\n"
    assert time.perf_counter() - began < 1
    with platform_scope():
        assert (AuditEvent.objects.count(), OutboxMessage.objects.count()) == before


def test_tenants_people_and_licences() -> None:
    with platform_scope():
        demo = Tenant.objects.filter(slug__in=TENANTS)
        assert all("DEMO" in tenant.name and "تجريبي" in tenant.name_ar for tenant in demo)
        assert set(Domain.objects.filter(tenant__in=demo).values_list("domain", flat=True)) == {
            f"{slug}.localhost" for slug in TENANTS
        }
        for name, password in logins().items():
            assert User.objects.get(username=name).check_password(password), name
        assert User.objects.get(username="operator").is_superuser
        assert Membership.objects.filter(tenant__in=demo).count() == 9
        plans = {licence.tenant.slug: licence for licence in Licence.objects.filter(tenant__in=demo)}
        assert {slug: licence.plan.code for slug, licence in plans.items()} == {
            "nile": "professional",
            "corniche": "enterprise",
            "amana": "islamic",
        }
        assert all((each.valid_until - each.valid_from).days == 365 for each in plans.values())
        entry = licence_entry(Tenant.objects.get(slug="corniche"))
        assert entry is not None and entry.orders_per_second is None and entry.orders_per_day_cap is None


def test_demo_data_are_signed_by_demo_signers_and_labelled() -> None:
    with platform_scope():
        sets = {data_set.name: data_set for data_set in DataSet.objects.select_related("signer")}
        assert {name: (each.signed_by, each.signer.kind) for name, each in sets.items()} == {
            "demo-assets": ("DEMO operator", "operator"),
            "demo-market": ("DEMO operator", "operator"),
            "demo-verdicts": ("DEMO board", "board"),
        }
        assert all(data_set_is_signed(each) and each.label.startswith("DEMO") for each in sets.values())
        assert RuleRow.objects.filter(trust="demo", active=True, label__startswith="DEMO: always open").exists()
        verdicts = verdict_entries(board="DEMO-BOARD", now=time.time_ns())
        assert verdicts["EGX:COMI"].status == verdicts["ADX:FAB"].status == verdicts["EGX:EAST"].status == "non_compliant"
        assert verdicts["EGX:TMGH"].status == verdicts["ADX:ADIB"].status == "compliant"
        assert "EGX:VLMR" not in verdicts
        assert Verdict.objects.count() == len(verdicts)
        assert ComplianceProfile.objects.get().tenant.slug == "amana"
    for name in KEYS:
        assert key_file(name).stat().st_mode & 0o777 == 0o600


def test_accounts_and_endowments() -> None:
    for tenant in demonstration.TENANTS:
        with enter_for_command(tenant.slug):
            entries = {entry.code: entry for entry in account_entries()}
            assert set(entries) == {account.code for account in tenant.accounts}
            assert all(set(entry.investor_ids) == {"EGX", "ADX"} for entry in entries.values())
            boards = {entry.sharia_board for entry in entries.values()}
            assert boards == {tenant.board}
    with enter_for_command("corniche"):
        poor = TradingAccount.objects.get(code="COR-POOR")
        assert CashEntry.objects.filter(account=poor).aggregate(Sum("amount"))["amount__sum"] == Decimal(1000)
        assert ShareEntry.objects.filter(account=poor).values_list("symbol", "quantity").get() == ("COMI", 10)
        entries = {entry.code: entry for entry in account_entries()}
        assert entries["COR-BUY"].cash == {"EGP": 100_000_000_000 * 10**6}
        assert entries["COR-SELL"].shares == {"EGX:COMI": 1_000_000_000}
        assert set(entries["COR-001"].cash) == {"EGP", "AED", "USD"}


def test_what_an_operator_changed_stays_changed() -> None:
    with platform_scope():
        suspend_licence(actor="tester", tenant=Tenant.objects.get(slug="nile"))
    create_demo()
    with platform_scope():
        assert Licence.objects.get(tenant__slug="nile").status == "suspended"


def test_what_is_missing_is_made_good() -> None:
    with platform_scope():
        Membership.objects.filter(user__username="nile-viewer").delete()
    assert create_demo() == "demo: user nile-viewer, viewer\ndemo: 1 things made\n"


def test_a_signer_with_another_key_is_refused() -> None:
    with platform_scope():
        DataSet.objects.filter(name="demo-market").update(content_hash="0" * 64)
        signer = Signer.objects.get(name="DEMO operator")
        signer.public_key = "A" * 43 + "="
        save_signer(actor="tester", signer=signer)
    with pytest.raises(CommandError, match="is not the one that"):
        create_demo()


def test_a_key_file_that_holds_no_key_is_refused() -> None:
    kept = key_file("demo-operator").read_text()
    key_file("demo-operator").write_text("nothing\n")
    with platform_scope():
        DataSet.objects.filter(name="demo-market").update(content_hash="0" * 64)
    try:
        with pytest.raises(CommandError, match="no readable private key"):
            create_demo()
    finally:
        key_file("demo-operator").write_text(kept)

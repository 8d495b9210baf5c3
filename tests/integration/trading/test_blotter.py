"""Accounts and their ledgers: a change is in the audit log and the outbox with it, and a ledger only grows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tenants.kernel.context import TenantNotSet
from tenants.kernel.entry_points import enter_for_command
from tenants.models import Tenant
from trading_workers.blotter import selectors, services
from trading_workers.blotter.models import CashEntry, LedgerKind, ShareEntry, TradingAccount
from tradsys.audit.models import AuditEvent
from tradsys.outbox.models import OutboxMessage

ACTOR = "sara"


@pytest.fixture
def account(tenant_a: Tenant) -> Iterator[TradingAccount]:
    with enter_for_command(tenant_a.slug):
        yield open_account("ALP-001")


def open_account(code: str) -> TradingAccount:
    return services.open_account(
        actor=ACTOR,
        code=code,
        name="Alpha One",
        investor_ids={"EGX": "1234567"},
        max_order_quantity=1_000,
        max_order_value=Decimal("500000"),
    )


def test_an_opened_account_is_audited_and_told_to_the_relay(account: TradingAccount) -> None:
    event = AuditEvent.objects.get(action="blotter.account.opened")
    assert (event.actor, event.tenant) == (ACTOR, "alpha")
    assert event.after is not None
    assert event.after["account"] == "ALP-001"
    assert OutboxMessage.objects.filter(topic="tenant-config", key="alpha").exists()


def test_a_taken_or_malformed_code_is_refused(account: TradingAccount) -> None:
    for code in ("ALP-001", "alp-002", "A", "A B"):
        with pytest.raises(ValidationError):
            open_account(code)


def test_ledgers_add_up_in_what_the_worker_is_told(account: TradingAccount) -> None:
    for amount, kind in (("1000.50", LedgerKind.ENDOWMENT), ("0.000001", LedgerKind.DEPOSIT), ("-100", LedgerKind.WITHDRAWAL)):
        services.deposit_cash(actor=ACTOR, account=account, currency="EGP", amount=Decimal(amount), kind=kind)
    services.deposit_shares(actor=ACTOR, account=account, exchange="EGX", symbol="COMI", quantity=40, kind=LedgerKind.ENDOWMENT)
    [entry] = selectors.account_entries()
    assert entry.cash == {"EGP": 900_500_001}
    assert entry.shares == {"EGX:COMI": 40}
    assert entry.max_order_value == 500_000_000_000
    [balance] = selectors.balances()
    assert balance.total == Decimal("900.500001")


def test_an_amount_that_is_no_amount_is_refused(account: TradingAccount) -> None:
    with pytest.raises(services.AccountRefused):
        services.deposit_cash(actor=ACTOR, account=account, currency="EGP", amount=Decimal("0.0000001"))
    for amount, kind in (("0", LedgerKind.DEPOSIT), ("-5", LedgerKind.DEPOSIT), ("5", LedgerKind.WITHDRAWAL)):
        with pytest.raises((ValidationError, IntegrityError)), transaction.atomic():
            services.deposit_cash(actor=ACTOR, account=account, currency="EGP", amount=Decimal(amount), kind=kind)
    assert not CashEntry.objects.exists()


def test_the_database_refuses_to_change_or_delete_a_ledger_entry(account: TradingAccount) -> None:
    services.deposit_cash(actor=ACTOR, account=account, currency="EGP", amount=Decimal(5))
    services.deposit_shares(actor=ACTOR, account=account, exchange="EGX", symbol="COMI", quantity=5)
    for change in (
        lambda: CashEntry.objects.update(amount=6),
        lambda: CashEntry.objects.all().delete(),
        lambda: ShareEntry.objects.update(quantity=6),
        lambda: ShareEntry.objects.all().delete(),
    ):
        with pytest.raises(IntegrityError, match="never changed or deleted"), transaction.atomic():
            change()


def test_limits_suspension_and_kill_switch_keep_what_was_before(account: TradingAccount) -> None:
    services.change_limits(actor=ACTOR, code="ALP-001", max_order_quantity=7)
    services.suspend(actor=ACTOR, code="ALP-001")
    services.kill(actor=ACTOR, code="ALP-001")
    [entry] = selectors.account_entries()
    assert (entry.max_order_quantity, entry.status, entry.killed) == (7, "suspended", True)
    event = AuditEvent.objects.get(action="blotter.account.limits")
    assert event.before is not None and event.after is not None
    assert (event.before["max_order_quantity"], event.after["max_order_quantity"]) == (1_000, 7)
    services.release(actor=ACTOR, code="ALP-001")
    services.reinstate(actor=ACTOR, code="ALP-001")
    [entry] = selectors.account_entries()
    assert (entry.status, entry.killed) == ("active", False)


def test_a_change_that_changes_nothing_is_not_told_to_anybody(account: TradingAccount) -> None:
    events, messages = AuditEvent.objects.count(), OutboxMessage.objects.count()
    services.change_limits(actor=ACTOR, code="ALP-001", max_order_quantity=1_000)
    services.release(actor=ACTOR, code="ALP-001")
    assert (AuditEvent.objects.count(), OutboxMessage.objects.count()) == (events, messages)


def test_an_account_of_another_tenant_does_not_exist(account: TradingAccount, tenant_b: Tenant) -> None:
    with enter_for_command(tenant_b.slug):
        assert not selectors.accounts().exists()
        with pytest.raises(services.AccountRefused) as refused:
            services.kill(actor=ACTOR, code="ALP-001")
    assert refused.value.code == "ACCOUNT_UNKNOWN"


def test_outside_a_tenant_there_are_no_accounts(tenant_a: Tenant) -> None:
    with pytest.raises(TenantNotSet):
        services.open_account(actor=ACTOR, code="X-1", name="x", investor_ids={}, max_order_quantity=1, max_order_value=Decimal(1))

"""Writes of accounts and their ledgers, in the activated tenant. Each is one transaction: change, audit row, outbox row.

Orders and executions are not written here: the journal is their truth and the projector their only writer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.db import transaction

from tenants.kernel.context import current_tenant
from trading_workers.blotter.models import MICRO, AccountStatus, CashEntry, LedgerKind, ShareEntry, TradingAccount
from tradsys.audit.services import actor_name, record
from tradsys.outbox.services import enqueue

TENANT_CONFIG = "tenant-config"


class AccountRefused(ValueError):
    """A change that the account or its ledger does not allow; ``code`` is for programs, the message for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@transaction.atomic
def open_account(
    *,
    actor: Any,
    code: str,
    name: str,
    name_ar: str = "",
    investor_ids: Mapping[str, str],
    max_order_quantity: int,
    max_order_value: Decimal,
    sharia_board: str | None = None,
) -> TradingAccount:
    """Open the account `code`. `investor_ids` maps an exchange code to the Unified Code or NIN; `max_order_value` is in
    units of each instrument's own currency.

    Raises ValidationError for a field outside its form and for a code that is taken.
    """
    account = TradingAccount(
        code=code,
        name=name,
        name_ar=name_ar,
        investor_ids=dict(investor_ids),
        max_order_quantity=max_order_quantity,
        max_order_value=max_order_value,
        sharia_board=sharia_board,
    )
    account.full_clean()
    account.save(force_insert=True)
    _changed(actor, "blotter.account.opened", None, account_figures(account))
    return account


@transaction.atomic
def deposit_cash(
    *, actor: Any, account: TradingAccount, currency: str, amount: Decimal, kind: str = LedgerKind.DEPOSIT, note: str = ""
) -> CashEntry:
    """Book cash: positive for an endowment or deposit, negative for a withdrawal. Not more than six decimals.

    Raises ValidationError, AccountRefused. A withdrawal does not see what open orders have reserved: the order worker knows that.
    """
    if amount != amount.quantize(MICRO):
        raise AccountRefused("AMOUNT_INVALID", f"{amount} has more than six decimals")
    entry = CashEntry(account=account, currency=currency, amount=amount, kind=kind, note=note, recorded_by=actor_name(actor))
    entry.full_clean()
    entry.save(force_insert=True)
    after = {"account": account.code, "currency": currency, "amount": str(amount), "kind": str(kind), "note": note}
    _changed(actor, "blotter.cash.recorded", None, after)
    return entry


@transaction.atomic
def deposit_shares(
    *,
    actor: Any,
    account: TradingAccount,
    exchange: str,
    symbol: str,
    quantity: int,
    kind: str = LedgerKind.DEPOSIT,
    note: str = "",
) -> ShareEntry:
    """Book shares: positive for an endowment or deposit, negative for a withdrawal. Raises ValidationError."""
    entry = ShareEntry(
        account=account, exchange=exchange, symbol=symbol, quantity=quantity, kind=kind, note=note, recorded_by=actor_name(actor)
    )
    entry.full_clean()
    entry.save(force_insert=True)
    after = {"account": account.code, "instrument": f"{exchange}:{symbol}", "quantity": quantity, "kind": str(kind), "note": note}
    _changed(actor, "blotter.shares.recorded", None, after)
    return entry


@transaction.atomic
def change_limits(
    *,
    actor: Any,
    code: str,
    max_order_quantity: int | None = None,
    max_order_value: Decimal | None = None,
) -> TradingAccount:
    """Set the account's largest quantity and value of one order; None leaves a limit as it is.

    Raises AccountRefused, ValidationError.
    """
    account = _locked(code)
    before = account_figures(account)
    if max_order_quantity is not None:
        account.max_order_quantity = max_order_quantity
    if max_order_value is not None:
        account.max_order_value = max_order_value
    return _save(actor, "blotter.account.limits", account, before)


@transaction.atomic
def set_sharia_board(*, actor: Any, code: str, board: str | None) -> TradingAccount:
    """Bind the account to a board's verdicts, or to none."""
    account = _locked(code)
    before = account_figures(account)
    account.sharia_board = board
    return _save(actor, "blotter.account.sharia_board", account, before)


@transaction.atomic
def set_investor_ids(*, actor: Any, code: str, investor_ids: Mapping[str, str]) -> TradingAccount:
    """Replace the account's investor numbers by exchange."""
    account = _locked(code)
    before = account_figures(account)
    account.investor_ids = dict(investor_ids)
    return _save(actor, "blotter.account.investor_ids", account, before)


@transaction.atomic
def suspend(*, actor: Any, code: str) -> TradingAccount:
    """No order of the account passes until `reinstate`; cancels do."""
    return _set_status(actor, code, AccountStatus.SUSPENDED)


@transaction.atomic
def reinstate(*, actor: Any, code: str) -> TradingAccount:
    return _set_status(actor, code, AccountStatus.ACTIVE)


@transaction.atomic
def kill(*, actor: Any, code: str) -> TradingAccount:
    """Kill switch on: no order of the account passes, cancels do."""
    return _set_killed(actor, code, killed=True)


@transaction.atomic
def release(*, actor: Any, code: str) -> TradingAccount:
    """Kill switch off."""
    return _set_killed(actor, code, killed=False)


def account_figures(account: TradingAccount) -> dict[str, Any]:
    """What an audit row keeps of an account."""
    return {
        "account": account.code,
        "name": account.name,
        "status": str(account.status),
        "investor_ids": dict(account.investor_ids),
        "max_order_quantity": account.max_order_quantity,
        "max_order_value": str(account.max_order_value),
        "killed": account.killed,
        "sharia_board": account.sharia_board,
    }


def _locked(code: str) -> TradingAccount:
    account = TradingAccount.objects.select_for_update().filter(code=code).first()
    if account is None:
        raise AccountRefused("ACCOUNT_UNKNOWN", f"there is no account {code!r}")
    return account


def _set_status(actor: Any, code: str, status: AccountStatus) -> TradingAccount:
    account = _locked(code)
    before = account_figures(account)
    account.status = status
    return _save(actor, f"blotter.account.{status.value}", account, before)


def _set_killed(actor: Any, code: str, *, killed: bool) -> TradingAccount:
    account = _locked(code)
    before = account_figures(account)
    account.killed = killed
    return _save(actor, "blotter.account.killed" if killed else "blotter.account.released", account, before)


def _save(actor: Any, action: str, account: TradingAccount, before: dict[str, Any]) -> TradingAccount:
    after = account_figures(account)
    if json.dumps(before, sort_keys=True) != json.dumps(after, sort_keys=True):
        account.full_clean()
        account.save()
        _changed(actor, action, before, account_figures(account))
    return account


def _changed(actor: Any, action: str, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    slug = current_tenant().slug
    record(actor=actor, action=action, tenant=slug, before=before, after=after)
    enqueue(topic=TENANT_CONFIG, key=slug)

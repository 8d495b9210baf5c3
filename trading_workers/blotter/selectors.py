"""Reads of accounts, balances, orders and executions of the activated tenant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import QuerySet, Sum

from exchanges.prices import MICROS
from trading_workers.blotter.models import (
    AccountCash,
    AccountPosition,
    CashEntry,
    Execution,
    Order,
    OrderState,
    ShareEntry,
    TradingAccount,
)
from trading_workers.snapshot.documents import AccountEntry

OPEN_STATES = (OrderState.PENDING_NEW, OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.PENDING_CANCEL)


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's cash in one currency: `ledger` is what came in and went out, `from_fills` what trading did."""

    account: str
    currency: str
    ledger: Decimal
    from_fills: Decimal

    @property
    def total(self) -> Decimal:
        return self.ledger + self.from_fills


@dataclass(frozen=True, slots=True)
class Position:
    """An account's shares of one instrument; see Balance."""

    account: str
    exchange: str
    symbol: str
    ledger: int
    from_fills: int

    @property
    def total(self) -> int:
        return self.ledger + self.from_fills


def to_micros(amount: Decimal) -> int:
    """Exact millionths of a NUMERIC with at most six decimals; raises ValueError for more."""
    micros = amount * MICROS
    if micros != micros.to_integral_value():
        raise ValueError(f"{amount} has more than six decimals")
    return int(micros)


def account_entries() -> tuple[AccountEntry, ...]:
    """Every account with the totals of its ledgers, as the configuration snapshot carries them. Three queries."""
    cash: dict[int, dict[str, int]] = defaultdict(dict)
    for row in CashEntry.objects.order_by().values("account_id", "currency").annotate(total=Sum("amount")):
        cash[row["account_id"]][row["currency"]] = to_micros(row["total"])
    shares: dict[int, dict[str, int]] = defaultdict(dict)
    for row in ShareEntry.objects.order_by().values("account_id", "exchange", "symbol").annotate(total=Sum("quantity")):
        shares[row["account_id"]][f"{row['exchange']}:{row['symbol']}"] = int(row["total"])
    return tuple(
        AccountEntry(
            code=account.code,
            name=account.name,
            status=account.status,
            investor_ids=account.investor_ids,
            cash=dict(sorted(cash[account.pk].items())),
            shares=dict(sorted(shares[account.pk].items())),
            max_order_quantity=account.max_order_quantity,
            max_order_value=to_micros(account.max_order_value),
            killed=account.killed,
            sharia_board=account.sharia_board,
        )
        for account in TradingAccount.objects.order_by("code")
    )


def accounts() -> QuerySet[TradingAccount]:
    return TradingAccount.objects.order_by("code")


def orders(*, accounts: frozenset[str] | None = None, open_only: bool = False) -> QuerySet[Order]:
    """Orders, the newest first; `accounts` None means all of the tenant's."""
    found = Order.objects.order_by("-accepted_at", "-id")
    if accounts is not None:
        found = found.filter(account__in=accounts)
    if open_only:
        found = found.filter(state__in=OPEN_STATES)
    return found


def order_by_client_id(*, account: str, client_order_id: str) -> Order | None:
    """The newest order with this identity; an accepted one goes before a denied one."""
    return (
        Order.objects.filter(account=account, client_order_id=client_order_id)
        .order_by("denied_code", "-accepted_at", "-id")
        .first()
    )


def executions(*, accounts: frozenset[str] | None = None) -> QuerySet[Execution]:
    found = Execution.objects.select_related("order").order_by("-id")
    return found if accounts is None else found.filter(order__account__in=accounts)


def balances(*, account: str | None = None) -> list[Balance]:
    """Cash by account and currency, ledger and fills side by side. Two queries."""
    ledger: dict[tuple[str, str], Decimal] = {
        (row["account__code"], row["currency"]): row["total"]
        for row in _of(CashEntry.objects, "account__code", account)
        .order_by()
        .values("account__code", "currency")
        .annotate(total=Sum("amount"))
    }
    fills = {(row.account, row.currency): row.from_fills for row in _of(AccountCash.objects, "account", account)}
    return [
        Balance(*key, ledger=ledger.get(key, Decimal()), from_fills=fills.get(key, Decimal()))
        for key in sorted(ledger.keys() | fills.keys())
    ]


def positions(*, account: str | None = None) -> list[Position]:
    """Shares by account and instrument, ledger and fills side by side. Two queries."""
    ledger: Mapping[tuple[str, str, str], int] = {
        (row["account__code"], row["exchange"], row["symbol"]): int(row["total"])
        for row in _of(ShareEntry.objects, "account__code", account)
        .order_by()
        .values("account__code", "exchange", "symbol")
        .annotate(total=Sum("quantity"))
    }
    fills = {(row.account, row.exchange, row.symbol): row.from_fills for row in _of(AccountPosition.objects, "account", account)}
    return [Position(*key, ledger=ledger.get(key, 0), from_fills=fills.get(key, 0)) for key in sorted(ledger.keys() | fills.keys())]


def _of(rows, field, account):  # type: ignore[no-untyped-def]
    return rows.all() if account is None else rows.filter(**{field: account})

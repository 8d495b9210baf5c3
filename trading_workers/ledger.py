"""Cash and shares of every account as the worker knows them, between the deposits of the snapshot and the venue.

    buying power     = deposited + moved by fills − reserved by open buys     (per currency, micros)
    available shares = deposited + moved by fills − reserved by open sells    (per instrument)

Deposits come with each tenant snapshot and are passed in; moved and reserved live here and are rebuilt from the
journal. A buy reserves its worst price, so a fill frees at least what it costs.
"""

from __future__ import annotations

from trading_workers.order_store import Order
from trading_workers.orders import Side


class LedgerError(RuntimeError):
    """A reservation would fall below zero: the book-keeping and the orders no longer agree."""


class AccountBook:
    """The amounts of one account. Cash by currency in micros, shares by instrument key."""

    __slots__ = ("cash_moved", "cash_reserved", "shares_moved", "shares_reserved")

    def __init__(self) -> None:
        self.cash_moved: dict[str, int] = {}
        self.cash_reserved: dict[str, int] = {}
        self.shares_moved: dict[str, int] = {}
        self.shares_reserved: dict[str, int] = {}

    def buying_power(self, currency: str, deposited: int) -> int:
        return deposited + self.cash_moved.get(currency, 0) - self.cash_reserved.get(currency, 0)

    def available_shares(self, instrument: str, deposited: int) -> int:
        return deposited + self.shares_moved.get(instrument, 0) - self.shares_reserved.get(instrument, 0)


_UNTOUCHED = AccountBook()


class Ledger:
    def __init__(self) -> None:
        self._books: dict[tuple[str, str], AccountBook] = {}

    def book(self, tenant: str, account: str) -> AccountBook:
        """For reading: an account without orders has an empty book."""
        return self._books.get((tenant, account), _UNTOUCHED)

    def reserve(self, order: Order, quantity: int) -> None:
        """Hold what ``quantity`` shares of ``order`` may need. A negative quantity releases."""
        book = self._own_book(order)
        if order.side is Side.BUY:
            _hold(book.cash_reserved, order.currency, quantity * order.reserve_price)
        else:
            _hold(book.shares_reserved, order.instrument, quantity)

    def release(self, order: Order, quantity: int) -> None:
        self.reserve(order, -quantity)

    def settle(self, order: Order, quantity: int, price: int) -> None:
        """Book a fill of ``quantity`` shares at ``price``. A negative quantity takes one back."""
        book = self._own_book(order)
        shares = quantity if order.side is Side.BUY else -quantity
        currency, instrument = order.currency, order.instrument
        book.cash_moved[currency] = book.cash_moved.get(currency, 0) - shares * price
        book.shares_moved[instrument] = book.shares_moved.get(instrument, 0) + shares

    def contents(self) -> list[object]:
        """Everything but zeros, in an order that depends only on the content; amounts as text, which has no bounds."""
        books: list[object] = []
        for key, book in sorted(self._books.items()):
            amounts = [
                [(name, str(amount)) for name, amount in sorted(part.items()) if amount]
                for part in (book.cash_moved, book.cash_reserved, book.shares_moved, book.shares_reserved)
            ]
            if any(amounts):
                books.append([key, amounts])
        return books

    def _own_book(self, order: Order) -> AccountBook:
        key = (order.tenant, order.account)
        book = self._books.get(key)
        if book is None:
            book = self._books[key] = AccountBook()
        return book


def _hold(reserved: dict[str, int], what: str, amount: int) -> None:
    after = reserved.get(what, 0) + amount
    if after < 0:
        raise LedgerError(f"a release of {-amount} from {after - amount} reserved in {what}")
    if after:
        reserved[what] = after
    else:
        reserved.pop(what, None)

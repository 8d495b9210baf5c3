"""What the labelled demonstration consists of: tenants, people, accounts and what they are endowed with.

Pure data for ``manage.py create_demo``. Nothing here is a real broker, investor number or balance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

OPERATOR = "operator"
BOARD = "DEMO-BOARD"
BOARD_NAME = "DEMO Sharia board (for demonstration, not a board of scholars)"
BOARD_NAME_AR = "هيئة شرعية تجريبية (للعرض فقط، ليست هيئة علماء)"
RULE_SET = "DEMO method"
RULE_SET_SOURCE = "Invented for demonstration; no published methodology stands behind it."
OPERATOR_SIGNER = "DEMO operator"
BOARD_SIGNER = "DEMO board"
NOTE = "DEMO endowment"
LICENCE_DAYS = 365

CASH = {"EGP": Decimal(10_000_000), "AED": Decimal(2_000_000), "USD": Decimal(500_000)}
SHARES = dict.fromkeys(
    (
        *("EGX:ABUK", "EGX:ADIB", "EGX:EFID", "EGX:ETEL", "EGX:FWRY", "EGX:SWDY", "EGX:TMGH"),
        *("ADX:ADIB", "ADX:ADNOCDIST", "ADX:ADNOCGAS", "ADX:ALDAR", "ADX:EAND", "ADX:TAQA", "ADX:SAUDIA"),
    ),
    100_000,
)
CONVENTIONAL_SHARES = SHARES | dict.fromkeys(("EGX:COMI", "EGX:EAST", "EGX:HRHO", "ADX:FAB", "ADX:ADCB", "ADX:CHADX15"), 100_000)


def password_of(username: str) -> str:
    """The demo's passwords are public on purpose: it listens on this machine alone."""
    return f"{username}-demo"


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoAccount:
    code: str
    name: str
    name_ar: str
    cash: Mapping[str, Decimal]
    shares: Mapping[str, int]
    """Instrument key to quantity."""
    max_order_quantity: int = 1_000_000
    max_order_value: Decimal = Decimal(20_000_000)
    sharia_board: str | None = None

    @property
    def investor_ids(self) -> dict[str, str]:
        """Unified Code and NIN, spelled so that nobody takes them for real ones."""
        return {"EGX": f"DEMO-UC-{self.code}", "ADX": f"DEMO-NIN-{self.code}"}


@dataclass(frozen=True, kw_only=True, slots=True)
class DemoTenant:
    slug: str
    name: str
    name_ar: str
    country: str
    time_zone: str
    plan: str
    board: str | None
    accounts: tuple[DemoAccount, ...]

    @property
    def domain(self) -> str:
        return f"{self.slug}.localhost"

    @property
    def users(self) -> dict[str, str]:
        """User name to role."""
        return {
            f"{self.slug}-admin": "administrator",
            f"{self.slug}-trader": "trader",
            f"{self.slug}-viewer": "viewer",
        }


def _investor(code: str, number: str, number_ar: str, shares: Mapping[str, int], *, sharia_board: str | None = None) -> DemoAccount:
    return DemoAccount(
        code=code,
        name=f"DEMO investor {number}",
        name_ar=f"مستثمر تجريبي {number_ar}",
        cash=CASH,
        shares=shares,
        sharia_board=sharia_board,
    )


# The replay of recorded flow must never run dry, so its two sides have more than any day of it can use.
_BUYER = DemoAccount(
    code="COR-BUY",
    name="DEMO replay buyer",
    name_ar="مشتري الإعادة التجريبي",
    cash={"EGP": Decimal(100_000_000_000)},
    shares={},
    max_order_quantity=100_000_000,
    max_order_value=Decimal(10_000_000_000),
)
_SELLER = DemoAccount(
    code="COR-SELL",
    name="DEMO replay seller",
    name_ar="بائع الإعادة التجريبي",
    cash={},
    shares={"EGX:COMI": 1_000_000_000},
    max_order_quantity=100_000_000,
    max_order_value=Decimal(10_000_000_000),
)
_POOR = DemoAccount(
    code="COR-POOR",
    name="DEMO investor with little",
    name_ar="مستثمر تجريبي محدود الرصيد",
    cash={"EGP": Decimal(1_000)},
    shares={"EGX:COMI": 10},
)

TENANTS = (
    DemoTenant(
        slug="nile",
        name="Nile Brokerage (DEMO)",
        name_ar="النيل للوساطة (تجريبي)",
        country="EG",
        time_zone="Africa/Cairo",
        plan="professional",
        board=None,
        accounts=(
            _investor("NILE-001", "1", "١", CONVENTIONAL_SHARES),
            _investor("NILE-002", "2", "٢", CONVENTIONAL_SHARES),
        ),
    ),
    DemoTenant(
        slug="corniche",
        name="Corniche Brokerage (DEMO)",
        name_ar="الكورنيش للوساطة (تجريبي)",
        country="AE",
        time_zone="Asia/Dubai",
        plan="enterprise",
        board=None,
        accounts=(
            _investor("COR-001", "1", "١", CONVENTIONAL_SHARES),
            _investor("COR-002", "2", "٢", CONVENTIONAL_SHARES),
            _BUYER,
            _SELLER,
            _POOR,
        ),
    ),
    DemoTenant(
        slug="amana",
        name="Amana Islamic Brokerage (DEMO)",
        name_ar="أمانة للوساطة الإسلامية (تجريبي)",
        country="AE",
        time_zone="Asia/Dubai",
        plan="islamic",
        board=BOARD,
        accounts=(
            _investor("AMA-001", "1", "١", SHARES, sharia_board=BOARD),
            _investor("AMA-002", "2", "٢", SHARES, sharia_board=BOARD),
        ),
    ),
)

"""What other parts and outside packages may build on: phases, asset types, and the shape of a plugin.

Pure: the data plane and the venue simulator import it without Django.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from tradsys.exchange_entries import ENTRY_POINT_GROUP as ENTRY_POINT_GROUP

if TYPE_CHECKING:
    from exchanges.exchange_service import ExchangeConfig, ExchangeService
    from exchanges.fix_venue.client import ExchangeClient

PLUGIN_API_VERSION = (2, 0)
"""(major, minor) of ``ExchangePlugin``. A plugin loads when its major is equal and its minor not above."""


class Phase(StrEnum):
    """A session phase. Outside every interval of a calendar the phase is ``CLOSED``."""

    PRE_OPEN = "PRE_OPEN"
    OPENING_AUCTION = "OPENING_AUCTION"
    CONTINUOUS = "CONTINUOUS"
    CLOSING_AUCTION = "CLOSING_AUCTION"
    TRADE_AT_LAST = "TRADE_AT_LAST"
    CLOSED = "CLOSED"


class AssetType(StrEnum):
    EQUITY = "equity"
    ETF = "etf"
    FUND = "fund"
    ISLAMIC_FUND = "islamic_fund"
    REIT = "reit"
    BOND = "bond"
    SUKUK = "sukuk"
    RIGHT = "right"
    DEPOSITARY_RECEIPT = "depositary_receipt"


class OrderType(StrEnum):
    """Names as in ``tradsys.v1.OrderType``."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"


class TimeInForce(StrEnum):
    """Names as in ``tradsys.v1.TimeInForce``."""

    DAY = "DAY"
    IMMEDIATE_OR_CANCEL = "IMMEDIATE_OR_CANCEL"
    FILL_OR_KILL = "FILL_OR_KILL"


class Trust(StrEnum):
    """How well a fact is supported. Unverified facts are kept, and never act by themselves."""

    VERIFIED = "V"
    """Stated by the exchange or its regulator, or by two sources that agree."""
    SINGLE_SOURCE = "1"
    UNVERIFIED = "unverified"
    DEMO = "demo"
    """Invented for demonstration; comes only in a signed, labelled data set."""


@dataclass(frozen=True, slots=True)
class PhaseRule:
    """What a session phase takes from members."""

    enters: frozenset[tuple[OrderType, TimeInForce]]
    """The combinations of order type and time in force that may be entered."""
    cancels: bool
    matches: bool
    """Whether an order entered now can trade at once, or waits for the phase's end."""

    def allows(self, order_type: OrderType, time_in_force: TimeInForce) -> bool:
        return (order_type, time_in_force) in self.enters


_NOTHING: frozenset[tuple[OrderType, TimeInForce]] = frozenset()

PHASE_RULES: Mapping[Phase, PhaseRule] = {
    Phase.PRE_OPEN: PhaseRule(enters=_NOTHING, cancels=True, matches=False),
    Phase.OPENING_AUCTION: PhaseRule(enters=_NOTHING, cancels=True, matches=False),
    Phase.CONTINUOUS: PhaseRule(enters=_NOTHING, cancels=True, matches=True),
    Phase.CLOSING_AUCTION: PhaseRule(enters=_NOTHING, cancels=True, matches=False),
    Phase.TRADE_AT_LAST: PhaseRule(enters=_NOTHING, cancels=True, matches=True),
    Phase.CLOSED: PhaseRule(enters=_NOTHING, cancels=False, matches=False),
}
"""What a phase is. What may be entered in it is each exchange's own dated rule; see ``exchanges.order_types``."""


class ComplianceLevel(StrEnum):
    REGULATED = "regulated"
    """The rules of the venue's regulator are checked."""
    NONE = "none"
    """A test venue without a regulator."""


class PluginError(ValueError):
    """A plugin cannot be used; the message names it and the rule it breaks."""


_PLUGIN_ID = re.compile(r"[A-Z][A-Z0-9]{1,11}")
_MIC = re.compile(r"[A-Z0-9]{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangePlugin:
    """One exchange: who it is, what it needs, and where its dated rules lie.

    Raises ``PluginError`` when a field is outside its form.
    """

    id: str
    """Exchange code used everywhere, e.g. ``EGX``: 2 to 12 upper-case letters and digits."""
    name: str
    version: str
    api_version: tuple[int, int]
    """The ``PLUGIN_API_VERSION`` that the plugin was written for."""
    mic: str
    """ISO 10383 market identifier code."""
    regions: tuple[str, ...]
    """ISO 3166 country codes."""
    assets: frozenset[AssetType]
    investor_id_name: str
    """The number an account needs to trade here, as the market calls it."""
    licence_requirements: tuple[str, ...]
    """Licence features an order needs, e.g. ``exchange:EGX``."""
    compliance_level: ComplianceLevel
    lines: tuple[str, ...]
    """The exchange's pool of order lines, ``EGX-1`` and so on: orders go over any of them when no routing rule says otherwise."""
    rules_path: Path
    """The JSON file of dated rules; see ``exchanges.reference``."""
    instruments_path: Path | None = None
    """JSON file of what the exchange lists; None: the project's own ``exchanges/data/instruments.json``."""
    demo_market_path: Path | None = None
    """JSON file of labelled demonstration prices; None: the project's own ``exchanges/data/demo_market.json``."""
    create_client: Callable[[ExchangeConfig], ExchangeClient]
    """How to speak to the venue. No I/O: it is called at every start, with the default settings first."""
    create_service: Callable[[ExchangeConfig], ExchangeService]
    """The exchange as a service, not yet connected."""
    settings_schema: Mapping[str, object] = field(default_factory=lambda: {"type": "object", "additionalProperties": False})
    """JSON Schema (2020-12) of the plugin's own settings. Unless the plugin says otherwise there are none."""
    default_settings: Mapping[str, object] = field(default_factory=dict)
    """Settings that hold where an operator gives none; they satisfy the schema."""

    def __post_init__(self) -> None:
        if _PLUGIN_ID.fullmatch(self.id) is None:
            raise PluginError(f"exchange plugin {self.id!r}: an id is 2 to 12 upper-case letters and digits")
        if _MIC.fullmatch(self.mic) is None:
            raise PluginError(f"exchange plugin {self.id}: {self.mic!r} is no market identifier code")
        if not self.assets or not self.assets <= frozenset(AssetType):
            raise PluginError(f"exchange plugin {self.id}: it must support at least one asset type, of those in AssetType")
        if self.compliance_level not in frozenset(ComplianceLevel):
            raise PluginError(f"exchange plugin {self.id}: {self.compliance_level!r} is no compliance level")
        for name in ("create_client", "create_service"):
            if not callable(getattr(self, name)):
                raise PluginError(f"exchange plugin {self.id}: {name} is not a factory")

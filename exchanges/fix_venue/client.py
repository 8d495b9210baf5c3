"""``ExchangeClient``: how to speak to a venue. The terms of its sessions and the dialect of its order messages, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from exchanges.exchange_service import ExchangeConfig
from exchanges.fix.dictionary.dictionary import Dictionary
from exchanges.fix.dictionary.versions import VERSIONS
from exchanges.fix.session_config import SessionConfig
from exchanges.fix_venue.dialect import FIX44_ORDERS, DialectError, OrderDialect


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionTerms:
    """What is agreed about a session, but for our own name and the venue's addresses. Times in seconds.

    ``dictionary`` replaces the standard one of the version; ``check_fields`` False checks no fields at all. Raises
    ``DialectError`` for a version that the engine does not know.
    """

    venue_comp_id: str
    begin_string: str = "FIX.4.4"
    heartbeat_seconds: int = 30
    reset_on_logon: bool = False
    reset_on_logout: bool = False
    reset_on_disconnect: bool = False
    check_sending_time: bool = True
    max_latency_seconds: int = 120
    logon_timeout_seconds: int = 10
    dictionary: Dictionary | None = None
    check_fields: bool = True

    def __post_init__(self) -> None:
        if self.begin_string not in VERSIONS:
            raise DialectError(f"begin_string {self.begin_string!r} is none of {', '.join(VERSIONS)}")

    def config(self, sender_comp_id: str, hosts: tuple[tuple[str, int], ...]) -> SessionConfig:
        """The session of `sender_comp_id` with the venue at `hosts`."""
        standard, application_version = VERSIONS[self.begin_string]
        return SessionConfig(
            sender_comp_id=sender_comp_id,
            target_comp_id=self.venue_comp_id,
            begin_string=self.begin_string,
            application_version=application_version,
            heartbeat_seconds=self.heartbeat_seconds,
            reset_on_logon=self.reset_on_logon,
            reset_on_logout=self.reset_on_logout,
            reset_on_disconnect=self.reset_on_disconnect,
            hosts=hosts,
            dictionary=(self.dictionary or standard) if self.check_fields else None,
            check_sending_time=self.check_sending_time,
            max_latency_seconds=self.max_latency_seconds,
            logon_timeout_seconds=self.logon_timeout_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeClient:
    exchange: str
    mic: str
    """What fields of the dialect that carry MIC say."""
    orders: SessionTerms
    market_data: SessionTerms
    dialect: OrderDialect


FIX_SETTINGS_SCHEMA: Final[Mapping[str, object]] = MappingProxyType(
    {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "venue_comp_id": {"type": "string", "pattern": "^[!-~]{1,32}$", "description": "empty by default: the exchange code"},
            "heartbeat_seconds": {"type": "integer", "minimum": 1, "maximum": 300},
            "market_data_heartbeat_seconds": {"type": "integer", "minimum": 1, "maximum": 300},
            "logon_timeout_seconds": {"type": "integer", "minimum": 1, "maximum": 60},
            "max_latency_seconds": {"type": "integer", "minimum": 1, "maximum": 3600},
            "connect_ms": {"type": "integer", "minimum": 100, "maximum": 120000},
            "answer_ms": {"type": "integer", "minimum": 50, "maximum": 120000},
        },
    }
)
"""JSON Schema of the settings that ``fix_client`` and ``FixExchangeService`` take."""

FIX_DEFAULT_SETTINGS: Final[Mapping[str, object]] = MappingProxyType(
    {
        "heartbeat_seconds": 5,
        "logon_timeout_seconds": 5,
        "market_data_heartbeat_seconds": 30,
        "max_latency_seconds": 120,
        "connect_ms": 10_000,
        "answer_ms": 5_000,
    }
)


def fix_client(config: ExchangeConfig, dialect: OrderDialect = FIX44_ORDERS, begin_string: str = "FIX.4.4") -> ExchangeClient:
    """The client of a venue with a FIX session for orders, whose numbers go on from logon to logon, and one for market data,
    which starts anew at each.
    """
    settings = config.settings
    venue = str(settings.get("venue_comp_id") or config.exchange)
    latency = integer(settings, "max_latency_seconds")
    return ExchangeClient(
        exchange=config.exchange,
        mic=config.mic,
        orders=SessionTerms(
            venue_comp_id=venue,
            begin_string=begin_string,
            heartbeat_seconds=integer(settings, "heartbeat_seconds"),
            logon_timeout_seconds=integer(settings, "logon_timeout_seconds"),
            max_latency_seconds=latency,
        ),
        market_data=SessionTerms(
            venue_comp_id=venue,
            begin_string=begin_string,
            heartbeat_seconds=integer(settings, "market_data_heartbeat_seconds"),
            logon_timeout_seconds=integer(settings, "logon_timeout_seconds"),
            max_latency_seconds=latency,
            reset_on_logon=True,
        ),
        dialect=dialect,
    )


def integer(settings: Mapping[str, object], name: str) -> int:
    """A whole number of checked settings. Raises ``DialectError`` where it is missing: the plugin's defaults must name it."""
    value = settings.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise DialectError(f"setting {name}: a whole number is needed, not {value!r}")
    return value

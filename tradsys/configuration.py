"""Settings of every process of the platform, read from environment variables.

A variable that is unset is looked up in ``<var>/run/environment``, the file a running platform leaves behind, so that a person
in another shell reaches the same servers without exporting anything. No Django here: the data plane reads it too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self

from tradsys.exchange_entries import exchange_codes

FIRST_VENUE_PORT, FIRST_VENUE_ADMIN_PORT = 9101, 9201
"""Usual ports of the first installed exchange; each further one has the next."""

REPOSITORY = Path(__file__).resolve().parent.parent


class ConfigurationError(ValueError):
    """A setting cannot be read; the text names it, what was found and what is expected."""


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """A TCP address, written ``host:port``."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str, *, variable: str) -> Self:
        """Read ``host:port``; raises ConfigurationError naming `variable` for anything else."""
        host, separator, port = text.strip().rpartition(":")
        if not separator or not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ConfigurationError(f"{variable}: {text!r} is not host:port with a port from 1 to 65535")
        return cls(host, int(port))


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where everything is. Every field but the last few has a variable of its own name in capitals behind ``TRADSYS_``."""

    var: Path  # data folder
    database_url: str
    redis_url: str
    secret_key_file: Path
    web_address: Address
    order_workers: Mapping[str, Address]  # worker name -> gRPC address for clients: TLS and a token
    services: Mapping[str, Address]  # process name -> gRPC address for clients of the other services
    mesh: Mapping[str, Address]  # process name -> gRPC address for services: mutual TLS
    metrics: Mapping[str, Address]  # process name -> HTTP address of /metrics
    mesh_config_file: Path
    venues: Mapping[str, Address]  # exchange code -> FIX address, orders and market data alike
    venue_admin: Mapping[str, Address]  # exchange code -> HTTP address
    lines: Mapping[str, tuple[Address, ...]]  # order line (EGX-1) -> hosts tried in turn, where it is not the venue's address
    exchange_settings_file: Path | None  # JSON: exchange code -> settings of its plugin
    order_level_feeds: frozenset[str]  # exchange codes whose market data is asked for order by order
    price_history_days: int  # days for which one-minute candles are kept; daily bars stay
    debug: bool

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read `environment` (the process's own by default), then ``<var>/run/environment`` for what is unset there.

        Raises ConfigurationError for a value that cannot be read. The defaults are the conventional ports of this machine.
        """
        own = os.environ if environment is None else environment
        var = Path(own.get("TRADSYS_VAR") or REPOSITORY / "var").absolute()
        values = {**read_environment_file(environment_file(var)), **{name: text for name, text in own.items() if text}}

        def addresses(variable: str, default: str) -> Mapping[str, Address]:
            return MappingProxyType(_parse_addresses(values.get(variable, default), variable=variable))

        return cls(
            var=var,
            database_url=values.get("TRADSYS_DATABASE_URL", "postgresql://tradsys@127.0.0.1:5432/tradsys"),
            redis_url=values.get("TRADSYS_REDIS_URL", "redis://127.0.0.1:6379/0"),
            secret_key_file=Path(values.get("TRADSYS_SECRET_KEY_FILE", var / "secrets" / "django-secret-key")),
            web_address=Address.parse(values.get("TRADSYS_WEB_ADDRESS", "127.0.0.1:8000"), variable="TRADSYS_WEB_ADDRESS"),
            order_workers=addresses("TRADSYS_ORDER_WORKERS", "worker-1=127.0.0.1:50051"),
            services=addresses("TRADSYS_SERVICES", ""),
            mesh=addresses("TRADSYS_MESH", ""),
            metrics=addresses("TRADSYS_METRICS", ""),
            mesh_config_file=Path(values.get("TRADSYS_MESH_CONFIG", REPOSITORY / "deploy" / "mesh.yaml")),
            lines=MappingProxyType(_parse_hosts(values.get("TRADSYS_LINES", ""), variable="TRADSYS_LINES")),
            venues=addresses("TRADSYS_VENUES", _usual_addresses(FIRST_VENUE_PORT)),
            venue_admin=addresses("TRADSYS_VENUE_ADMIN", _usual_addresses(FIRST_VENUE_ADMIN_PORT)),
            exchange_settings_file=Path(settings_file) if (settings_file := values.get("TRADSYS_EXCHANGE_SETTINGS")) else None,
            order_level_feeds=frozenset(filter(None, values.get("TRADSYS_ORDER_LEVEL_FEEDS", "").split(","))),
            price_history_days=_parse_days(values.get("TRADSYS_PRICE_HISTORY_DAYS", "400"), variable="TRADSYS_PRICE_HISTORY_DAYS"),
            debug=_parse_switch(values.get("TRADSYS_DEBUG", "0"), variable="TRADSYS_DEBUG"),
        )

    @property
    def secrets(self) -> Path:
        """Folder of the signing keys, mode 0700."""
        return self.var / "secrets"

    @property
    def token_signing_key(self) -> Path:
        """Private Ed25519 key (PEM) that signs order tokens."""
        return self.secrets / "token-signing.pem"

    @property
    def token_verification_key(self) -> Path:
        """Public half of `token_signing_key`."""
        return self.secrets / "token-signing.pub.pem"

    @property
    def snapshot_signing_key(self) -> Path:
        """Private Ed25519 key (PEM) of the relay."""
        return self.secrets / "snapshot-signing.pem"

    @property
    def snapshot_verification_key(self) -> Path:
        """Public half of `snapshot_signing_key`."""
        return self.secrets / "snapshot-signing.pub.pem"

    def secret_key(self) -> str:
        """Django's secret key; raises ConfigurationError when its file is missing or empty."""
        try:
            text = self.secret_key_file.read_text(encoding="ascii").strip()
        except OSError as error:
            raise ConfigurationError(
                f"the secret key file {self.secret_key_file} cannot be read ({error.strerror}): start the platform once, "
                "or name a file in TRADSYS_SECRET_KEY_FILE"
            ) from error
        if not text:
            raise ConfigurationError(f"the secret key file {self.secret_key_file} is empty")
        return text


def environment_file(var: Path) -> Path:
    """The file of variables that a running platform leaves for other shells."""
    return var / "run" / "environment"


def read_environment_file(path: Path) -> dict[str, str]:
    """Variables of a file of ``NAME=value`` lines; empty when there is no such file.

    Raises ConfigurationError for a file that exists and cannot be read, or a line without ``=``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    variables = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        name, separator, value = line.partition("=")
        if not separator:
            raise ConfigurationError(f"{path}, line {number}: {line!r} is not NAME=value")
        variables[name] = value
    return variables


def _parse_addresses(text: str, *, variable: str) -> dict[str, Address]:
    return {name: Address.parse(address, variable=variable) for name, address in _parse_names(text, variable=variable).items()}


def _parse_hosts(text: str, *, variable: str) -> dict[str, tuple[Address, ...]]:
    """``EGX-1=host:port|host:port,EGX-2=host:port``."""
    return {
        name: tuple(Address.parse(each, variable=variable) for each in hosts.split("|"))
        for name, hosts in _parse_names(text, variable=variable).items()
    }


def _parse_names(text: str, *, variable: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, separator, value = part.partition("=")
        if not separator or not name:
            raise ConfigurationError(f"{variable}: {part!r} is not name=host:port")
        if name in found:
            raise ConfigurationError(f"{variable}: {name!r} is named twice")
        found[name] = value
    return found


def _usual_addresses(first_port: int) -> str:
    return ",".join(f"{code}=127.0.0.1:{first_port + number}" for number, code in enumerate(exchange_codes()))


def _parse_days(text: str, *, variable: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 36_500:
        raise ConfigurationError(f"{variable}: {text!r} is not a number of days from 1 to 36500")
    return int(text)


def _parse_switch(text: str, *, variable: str) -> bool:
    match text.strip().lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "" | "0" | "false" | "no" | "off":
            return False
    raise ConfigurationError(f"{variable}: {text!r} is neither 1 nor 0")

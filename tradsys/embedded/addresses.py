"""Ports and addresses of one start, and the files that tell them to others."""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tradsys.configuration import FIRST_VENUE_ADMIN_PORT, FIRST_VENUE_PORT, Address, Configuration, environment_file
from tradsys.embedded.ports import LOOPBACK, any_free_port, free_port_from
from tradsys.embedded.secret_files import write_private
from tradsys.embedded.servers import ServerPorts
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.trust.certificates import BUNDLE

OPERATOR = "operator"
TENANTS = ("nile", "corniche", "amana")
_TENANT_ROLES = ("admin", "trader", "viewer")


@dataclass(frozen=True, slots=True)
class PortPlan:
    """The port of each listener by its name, with a venue for each of `exchanges`."""

    ports: dict[str, int]
    exchanges: tuple[str, ...]

    @classmethod
    def choose(cls, *, anywhere: bool, say: Callable[[str], None], exchanges: Sequence[str]) -> PortPlan:
        """The usual ports, a taken one replaced by the next free one and said so; or any free ones (`anywhere`)."""
        chosen: dict[str, int] = {}
        wanted = usual_ports(exchanges)
        for name, usual in wanted.items():
            taken: Container[int] = set(chosen.values()) | (set(wanted.values()) - {usual})
            chosen[name] = any_free_port(but_not=taken) if anywhere else free_port_from(usual, but_not=taken)
            if not anywhere and chosen[name] != usual:
                say(f"port {usual} is taken: {name} uses {chosen[name]}")
        return cls(chosen, tuple(exchanges))

    @property
    def servers(self) -> ServerPorts:
        """Ports of PostgreSQL and Redis."""
        return ServerPorts(self.ports["PostgreSQL"], self.ports["Redis"])

    def address(self, name: str) -> Address:
        """Loopback address of one listener."""
        return Address(LOOPBACK, self.ports[name])

    def variables(self, *, database_url: str, redis_url: str, without: Container[str] = ()) -> dict[str, str]:
        """The environment variables that lead a process to this platform. Nobody waits for the processes `without`."""
        return {
            "TRADSYS_DATABASE_URL": database_url,
            "TRADSYS_REDIS_URL": redis_url,
            "TRADSYS_WEB_ADDRESS": str(self.address("web")),
            "TRADSYS_ORDER_WORKERS": f"worker-1={self.address('order worker')}",
            "TRADSYS_SERVICES": self._list("", "market-data", "services"),
            "TRADSYS_MESH": self._list(" mesh", *MESH_PROCESSES),
            "TRADSYS_METRICS": self._list(
                " metrics", *(name for name in measured_processes(self.exchanges) if name not in without)
            ),
            "TRADSYS_VENUES": ",".join(f"{code}={self.address(f'venue {code}')}" for code in self.exchanges),
            "TRADSYS_VENUE_ADMIN": ",".join(f"{code}={self.address(f'venue {code} HTTP')}" for code in self.exchanges),
        }

    def _list(self, suffix: str, *names: str) -> str:
        return ",".join(f"{name}={self.address(name + suffix)}" for name in names)


MESH_PROCESSES = ("worker-1", "market-data", "services")
"""Processes that serve gRPC."""
_PROCESSES = ("worker-1", "market-data", "services", "web", "relay", "projector", "celery-worker", "celery-beat")
_DEMONSTRATION = ("demo-flow", "demo-liquidity")
_FIRST_VENUES = 2
"""Venues whose ports come before those of the demonstration; a venue that is installed later takes no other process's port."""


def venue_process(exchange: str) -> str:
    """Name of the process of an exchange's simulated venue."""
    return f"venue-{exchange.lower()}"


def measured_processes(exchanges: Iterable[str]) -> tuple[str, ...]:
    """Processes with ``/metrics`` of a platform with these exchanges."""
    venues = tuple(map(venue_process, exchanges))
    return (*_PROCESSES, *venues[:_FIRST_VENUES], *_DEMONSTRATION, *venues[_FIRST_VENUES:])


def certified_processes(exchanges: Iterable[str]) -> tuple[str, ...]:
    """Whoever calls a service or is called; ``command`` stands for management commands."""
    return (*measured_processes(exchanges), "command")


def usual_ports(exchanges: Sequence[str]) -> dict[str, int]:
    """The port of each listener where nobody else has it."""
    return {
        "PostgreSQL": 15432,
        "Redis": 16379,
        "web": 8000,
        "order worker": 50051,
        "market-data": 50052,
        "services": 50053,
        **{f"{name} mesh": 50151 + number for number, name in enumerate(MESH_PROCESSES)},
        **{f"venue {code}": FIRST_VENUE_PORT + number for number, code in enumerate(exchanges)},
        **{f"venue {code} HTTP": FIRST_VENUE_ADMIN_PORT + number for number, code in enumerate(exchanges)},
        **{f"{name} metrics": 9301 + number for number, name in enumerate(measured_processes(exchanges))},
    }


def write_environment(var: Path, variables: dict[str, str]) -> None:
    """Write ``<var>/run/environment`` (mode 0600: it holds passwords)."""
    write_private(environment_file(var), "".join(f"{name}={value}\n" for name, value in variables.items()))


def addresses(configuration: Configuration, ports: PortPlan, processes: dict[str, int], launcher: int) -> dict[str, Any]:
    """The content of ``<var>/addresses.json``: where everything is, and the logins of the demo."""
    web = configuration.web_address.port
    return {
        "web": {
            "operator": f"http://localhost:{web}/admin/",
            **{tenant: f"http://{tenant}.localhost:{web}/" for tenant in TENANTS},
        },
        "web_address": str(configuration.web_address),
        "order_workers": {name: str(address) for name, address in configuration.order_workers.items()},
        "services": {name: str(address) for name, address in configuration.services.items()},
        "mesh": {name: str(address) for name, address in configuration.mesh.items()},
        "authority": authority_file(configuration),
        "metrics": {name: f"http://{address}/metrics" for name, address in configuration.metrics.items()},
        "venues": {code: str(address) for code, address in configuration.venues.items()},
        "venue_admin": {code: f"http://{address}" for code, address in configuration.venue_admin.items()},
        "postgres": str(ports.address("PostgreSQL")),
        "redis": str(ports.address("Redis")),
        "logins": logins(),
        "var": str(configuration.var),
        "logs": str(configuration.var / "log"),
        "launcher": launcher,
        "processes": processes,
    }


def authority_file(configuration: Configuration) -> str:
    """PEM file by which programs verify the client doors; empty where the mesh configuration switches TLS off."""
    mesh = load_mesh_config(configuration.mesh_config_file)
    return str(configuration.var / mesh.mtls.folder / BUNDLE) if mesh.mtls.enabled else ""


def logins() -> dict[str, str]:
    """User names of the demo and their passwords, which are public on purpose: the demo listens on this machine alone."""
    names = [OPERATOR, *(f"{tenant}-{role}" for tenant in TENANTS for role in _TENANT_ROLES)]
    return {name: f"{name}-demo" for name in names}


def write_addresses(var: Path, content: dict[str, Any]) -> None:
    """Write ``<var>/addresses.json``, in one step."""
    unfinished = var / ".addresses.json"
    unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    unfinished.rename(var / "addresses.json")

"""The table of every process that ``make run`` keeps alive."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tradsys.configuration import REPOSITORY, Configuration
from tradsys.embedded.addresses import venue_process
from tradsys.embedded.postgres import Postgres
from tradsys.embedded.readiness import Question, answers_http, log_says, serves_grpc
from tradsys.embedded.redis_server import RedisServer
from tradsys.embedded.server_home import Account
from tradsys.mesh.config.reading import load_mesh_config
from tradsys.mesh.trust.certificates import BUNDLE

# Children of one stage start together, when all of the stage before are ready; they stop together in the opposite order.
SERVERS, VENUES, PUBLISHERS, WORKERS, DEMONSTRATION = range(5)


@dataclass(frozen=True, slots=True)
class Child:
    """One supervised process."""

    name: str
    stage: int
    command: tuple[str, ...]
    is_ready: Question
    about: str  # for the progress line
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: Path = REPOSITORY
    account: Account | None = None
    start_seconds: float = 60.0
    stop_seconds: float = 6.0
    stop_signal: signal.Signals = signal.SIGTERM


def children(configuration: Configuration, postgres: Postgres, redis: RedisServer, logs: Path) -> list[Child]:
    """Every child of a platform with this configuration, servers first."""
    # Addresses and passwords come from <var>/run/environment, which only its owner reads, rather than from each environment.
    environment = {
        "TRADSYS_VAR": str(configuration.var),
        "DJANGO_SETTINGS_MODULE": "tradsys.settings",
        "PYTHONUNBUFFERED": "1",
    }

    def python(name: str, stage: int, about: str, is_ready: Question, *arguments: str) -> Child:
        return Child(name, stage, (sys.executable, *arguments), is_ready, about, environment)

    def manage(name: str, stage: int, about: str, is_ready: Question, *arguments: str) -> Child:
        return python(name, stage, about, is_ready, str(REPOSITORY / "manage.py"), *arguments)

    def says(name: str, *texts: str) -> Question:
        return log_says(logs / f"{name}.log", *texts)

    mesh = load_mesh_config(configuration.mesh_config_file)
    authority = configuration.var / mesh.mtls.folder / BUNDLE if mesh.mtls.enabled else None
    web = configuration.web_address
    celery = ("-m", "celery", "--app", "tradsys.celery_app")
    return [
        Child(
            "postgres",
            SERVERS,
            postgres.command,
            postgres.is_ready,
            f"PostgreSQL on 127.0.0.1:{postgres.port}",
            {"LC_ALL": "C"},
            postgres.home.folder / "postgres",
            postgres.home.account,
            stop_seconds=30,
            stop_signal=signal.SIGINT,  # a fast shutdown: it does not wait for clients to leave
        ),
        Child(
            "redis",
            SERVERS,
            redis.command,
            redis.is_ready,
            f"Redis on 127.0.0.1:{redis.port}",
            {"LC_ALL": "C"},
            redis.folder,
            redis.home.account,
            stop_seconds=15,
        ),
        *(
            python(
                venue_process(code),
                VENUES,
                f"venue {code}: FIX on {address}, HTTP on {configuration.venue_admin[code]}",
                answers_http(configuration.venue_admin[code], "/health"),
                *("-m", "exchanges.simulator", "--exchange", code, "--listen", str(address)),
                *("--admin", str(configuration.venue_admin[code]), "--data", str(configuration.var / venue_process(code))),
            )
            for code, address in configuration.venues.items()
        ),
        manage("relay", PUBLISHERS, "relay of tenant snapshots", says("relay", "relay is ready"), "relay"),
        *(
            python(
                f"order-{name}",
                WORKERS,
                f"order worker {name}: gRPC on {address}",
                serves_grpc(address, authority),
                *("-m", "trading_workers.order_worker", "--name", name),
            )
            for name, address in configuration.order_workers.items()
        ),
        python(
            "market-data",
            PUBLISHERS,
            f"market data: books of {', '.join(configuration.venues)}",
            says("market-data", *(f"{code}: market data line is up" for code in configuration.venues)),
            *("-m", "trading_workers.market_data_process"),
        ),
        python(
            "services",
            WORKERS,
            f"services: gRPC on {configuration.services.get('services', 'no address')}",
            says("services", "services: gRPC is served"),
            *("-m", "trading_workers.services_process"),
        ),
        manage("projector", WORKERS, "projector of the journal", says("projector", "projector is ready"), "project_journal"),
        python(
            "web",
            WORKERS,
            f"web on {web}",
            answers_http(web, "/admin/login/", host=f"localhost:{web.port}"),
            *("-m", "uvicorn", "tradsys.asgi:application", "--host", web.host, "--port", str(web.port)),
            *("--ws", "websockets-sansio", "--loop", "uvloop", "--no-access-log", "--timeout-graceful-shutdown", "3"),
        ),
        python(
            "celery-worker",
            WORKERS,
            "Celery worker",
            says("celery-worker", "ready."),
            # Mingling waits a second for other workers, and there are none.
            *(*celery, "worker", "--without-mingle", "--without-gossip", "--loglevel=INFO", "--concurrency=1"),
        ),
        python(
            "celery-beat",
            PUBLISHERS,
            "Celery beat",
            says("celery-beat", "beat: Starting"),
            *(*celery, "beat", "--loglevel=INFO", f"--schedule={configuration.var / 'run' / 'celery-beat-schedule'}", "--pidfile="),
        ),
        python(
            "demo-liquidity",
            DEMONSTRATION,
            "outside members' orders at the venues",
            says("demo-liquidity", "demonstration liquidity on"),
            *("-m", "exchanges.simulator.participants"),
        ),
        python(
            "demo-flow",
            DEMONSTRATION,
            "demo orders of the three tenants",
            says("demo-flow", "demo flow is ready"),
            *("-m", "trading_workers.demo_flow"),
        ),
    ]

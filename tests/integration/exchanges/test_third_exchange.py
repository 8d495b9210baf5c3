"""A third exchange as a package of its own: installed it is everywhere, removed it is nowhere, and no line of the core knows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from exchanges.registry import registry
from tests.integration.simulator.venue_process import VenueProcess, free_port
from tests.order_platform import configuration_of, wait_for
from tests.plugins.demo_exchange import CODE, PACKAGE, environment_with, install
from tests.smoke.platform import CommandFailed, Platform, _environment, running_platform
from tradsys.configuration import REPOSITORY
from tradsys.exchange_entries import exchange_codes

CORE = ("exchanges", "tradsys", "trading_workers", "licensing", "compliance", "tenants", "templates", "deploy", "protos", "bench")
BROKEN = "broken_exchange"
GIVE_LEAVE = f"""
from decimal import Decimal
from licensing.services import change_licence
from tenants.kernel.entry_points import enter_for_command, platform_scope
from tenants.models import Tenant
from trading_workers.blotter.models import TradingAccount
from trading_workers.blotter.services import deposit_cash, set_investor_ids

with platform_scope():
    tenant = Tenant.objects.get(slug="corniche")
    change_licence(actor="tester", tenant=tenant, overrides={{"features_added": ["exchange:{CODE}"]}})
with enter_for_command("corniche"):
    account = TradingAccount.objects.get(code="COR-001")
    set_investor_ids(actor="tester", code="COR-001", investor_ids={{**account.investor_ids, "{CODE}": "D-1"}})
    deposit_cash(actor="tester", account=account, currency="XTS", amount=Decimal(1000000))
"""
"""What an operator and a tenant's administrator do in their pages before somebody trades at a new exchange."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the package is installed in, for the path of child processes."""
    return install(tmp_path_factory.mktemp("plugin"))


@pytest.fixture
def with_package(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes of the test have the package; the test's own process has not."""
    monkeypatch.setenv("PYTHONPATH", str(installed))


def run(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def reported(environment: dict[str, str]) -> dict[str, Any]:
    done = run("-m", "exchanges.plugin_report", environment=environment)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_installed_it_is_known_and_removed_it_is_not(installed: Path, tmp_path: Path) -> None:
    own = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    assert reported(own) == {"loaded": ["EGX", "ADX"], "refused": {}}
    assert reported(environment_with(installed)) == {"loaded": ["EGX", "ADX", CODE], "refused": {}}
    assert reported(own) == {"loaded": ["EGX", "ADX"], "refused": {}}
    assert CODE not in registry()
    assert exchange_codes() == ("EGX", "ADX")
    addresses = ("--listen", f"127.0.0.1:{free_port()}", "--admin", f"127.0.0.1:{free_port()}", "--data", str(tmp_path))
    done = run("-m", "exchanges.simulator", "--exchange", CODE, *addresses, environment=own)
    assert done.returncode == 1
    assert f"no exchange plugin '{CODE}'; known: ADX, EGX" in done.stderr


@pytest.mark.usefixtures("with_package")
def test_its_venue_runs_and_orders_fill_through_its_service(installed: Path, tmp_path: Path) -> None:
    venue = VenueProcess(tmp_path / "log", CODE)
    venue.start()
    try:
        done = run(str(PACKAGE / "examples" / "trade.py"), f"127.0.0.1:{venue.port}", environment=_path_to(installed))
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {
            "resting": "NEW",
            "sold": "FILLED",
            "bought": "PARTIALLY_FILLED",
            "rest": "CANCELED",
            "filled": 20,
            "average_price": 50_250_000,
        }
        [fill] = venue.page("/fills")
        assert (fill["symbol"], fill["quantity"], fill["price_text"]) == ("ALFA", 20, "50.25")
    finally:
        venue.stop()


def _path_to(installed: Path) -> dict[str, str]:
    # A script's own folder comes first on its path, not the project's.
    return {**os.environ, "PYTHONPATH": f"{installed}{os.pathsep}{REPOSITORY}"}


@pytest.mark.django_db(transaction=True)
def test_its_reference_data_is_loaded_and_stays_readable_when_it_is_removed(installed: Path) -> None:
    from exchanges.models import Exchange, Instrument, RoutingRule
    from exchanges.selectors import platform_entries
    from tenants.kernel.entry_points import platform_scope

    own = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    for environment, known in ((own, 2), (environment_with(installed), 3)):
        done = run("manage.py", "load_reference_data", environment=environment)
        assert done.returncode == 0, done.stderr
        with platform_scope():
            assert Exchange.objects.count() == known
    with platform_scope():
        exchange = Exchange.objects.get(code=CODE)
        assert (exchange.mic, exchange.country, exchange.name) == ("X000", "ZZ", "Demo Exchange")
        assert set(Instrument.objects.filter(exchange=exchange).values_list("symbol", "currency", "lot_status")) == {
            ("ALFA", "XTS", "unverified"),
            ("BETA", "XTS", "unverified"),
            ("SKD1", "XTS", "unverified"),
        }
        assert not exchange.rules.filter(trust="V").exists(), "nothing invented counts as verified"
        [line] = RoutingRule.objects.filter(exchange=exchange).values_list("line", flat=True)
        assert line.partition("-")[0] == CODE, "its own pool, or a line of it"
    again = run("manage.py", "load_reference_data", environment=own)
    assert "0 exchanges, 0 rules, 0 instruments, 0 routes created or changed" in again.stdout
    with platform_scope():
        assert {each.code for each in platform_entries(1_800_000_000_000_000_000).exchanges} == {"EGX", "ADX", CODE}


def test_no_line_of_the_core_and_no_fact_file_mentions_it() -> None:
    files = run_git("ls-files", *CORE).split()
    assert len(files) > 400
    found = [name for name in files if any(word in _text(name) for word in (CODE, "demox", "tradsys_exchange_demo", "X000"))]
    assert found == []


def run_git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout


def _text(name: str) -> str:
    path = REPOSITORY / name
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


@pytest.fixture(scope="module")
def platform(installed: Path) -> Iterator[Platform]:
    """The whole platform with the package, and beside it a plugin that fails as soon as it is imported."""
    (installed / f"{BROKEN}.py").write_text("raise SystemExit('no licence for this machine')\n", encoding="utf-8")
    metadata = installed / f"{BROKEN}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {BROKEN}\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(f"[tradsys.exchanges]\nbroken = {BROKEN}:plugin\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(installed))
        environment.setattr("tests.smoke.platform.START_SECONDS", 200.0)
        with running_platform(without="web,celery-worker,celery-beat,services,projector,demo-flow") as found:
            yield found


@pytest.mark.timeout(240)
def test_the_platform_starts_its_venue_opens_its_lines_and_shows_a_plugin_that_was_refused(
    platform: Platform, installed: Path
) -> None:
    assert set(platform.addresses["venues"]) == {"EGX", "ADX", CODE}
    assert {"venue-egx", "venue-adx", "venue-demox"} <= set(platform.addresses["processes"])
    log = platform.var / "log"
    wait_for(lambda: f"{CODE}-1 takes new orders" in _read(log / "order-worker-1.log"), what="the order line")
    wait_for(lambda: f"{CODE}: market data line is up, 3 instruments" in _read(log / "market-data.log"), what="market data")
    launch = _read(platform.var.parent / "launch.log")
    assert f"exchange plugin broken ({BROKEN}:plugin) is refused: SystemExit: no licence for this machine" in launch
    done = run("manage.py", "exchange_plugins", environment=_environment(platform.var))
    assert done.returncode == 1
    assert f"refused: broken ({BROKEN}:plugin): SystemExit" in done.stderr
    assert "DEMOX  Demo Exchange 1.0.0 (tradsys-exchange-demo 1.0.0)" in done.stdout
    with psycopg.connect(configuration_of(platform).database_url, autocommit=True) as connection:
        signed = connection.execute(
            "SELECT reference.reference_price, data_set.label FROM public.exchanges_marketreference AS reference"
            " JOIN public.exchanges_instrument AS instrument ON instrument.id = reference.instrument_id"
            " JOIN public.exchanges_dataset AS data_set ON data_set.id = reference.data_set_id WHERE instrument.symbol = 'ALFA'"
        ).fetchall()
    assert signed == [(50_000_000, "DEMO market data of DEMOX: invented for demonstration, not market prices")]
    quoting = _read(log / "demo-liquidity.log")
    assert f"demonstration liquidity on EGX, ADX, {CODE}" in quoting


@pytest.mark.timeout(240)
def test_a_licensed_tenants_order_takes_the_whole_path_and_trades_there(platform: Platform) -> None:
    order = ("--tenant", "corniche", "--user", "corniche-trader", "--account", "COR-001", "--exchange", CODE, "--symbol", "ALFA")
    terms = ("--side", "buy", "--quantity", "10", "--price", "50.50")
    with pytest.raises(CommandFailed) as refused:
        platform.manage("place_order", *order, *terms)
    assert (refused.value.answer["code"], refused.value.answer["figures"]["feature"]) == (
        "FEATURE_NOT_LICENSED",
        f"exchange:{CODE}",
    )
    platform.manage("shell", "-c", GIVE_LEAVE)

    def accepted() -> dict[str, Any] | None:
        try:
            return platform.manage_json("place_order", *order, *terms)
        except CommandFailed as error:
            assert error.answer.get("code") in ("FEATURE_NOT_LICENSED", "INVESTOR_ID_MISSING", "INSUFFICIENT_BUYING_POWER"), error
            return None

    found: list[dict[str, Any]] = []
    wait_for(lambda: found.append(answer) or True if (answer := accepted()) else False, seconds=40, what="the new licence")
    fills = f"{platform.addresses['venue_admin'][CODE]}/fills"

    def traded() -> bool:
        with urllib.request.urlopen(fills, timeout=10) as answer:
            parties = [json.loads(line)["buy"] for line in answer.read().splitlines()]
        return any(party["client_order_id"] == str(found[0]["order_id"]) for party in parties)

    wait_for(traded, seconds=40, what="the fill")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

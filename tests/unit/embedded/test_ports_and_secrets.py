"""Choice of ports; passwords and keys."""

import socket
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from tradsys.embedded import addresses
from tradsys.embedded.addresses import PortPlan
from tradsys.embedded.ports import LOOPBACK, any_free_port, free_port_from, is_free
from tradsys.embedded.secret_files import ensure_secrets, write_private


def test_a_port_somebody_listens_on_is_not_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        assert not is_free(server.getsockname()[1])
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert not is_free(server.getsockname()[1])


def test_a_taken_port_gives_way_to_the_next_free_one() -> None:
    port = any_free_port()
    assert free_port_from(port) == port
    with socket.create_server((LOOPBACK, port)):
        assert port < free_port_from(port) < port + 200
    assert free_port_from(port, but_not={port}) > port


def test_a_replaced_port_is_said_so_and_never_another_listeners_own(monkeypatch: pytest.MonkeyPatch) -> None:
    first = any_free_port()
    monkeypatch.setattr(addresses, "usual_ports", lambda exchanges: {"web": first, "Redis": first + 1})
    said: list[str] = []
    with socket.create_server((LOOPBACK, first)):
        plan = PortPlan.choose(anywhere=False, say=said.append, exchanges=())
    assert plan.ports["web"] > first + 1
    assert said[0] == f"port {first} is taken: web uses {plan.ports['web']}"


def test_an_exchange_that_is_installed_later_moves_nobodys_port() -> None:
    before, after = addresses.usual_ports(("EGX", "ADX")), addresses.usual_ports(("EGX", "ADX", "THIRD"))
    assert (before["venue EGX"], before["venue ADX"], before["venue EGX HTTP"], before["venue ADX HTTP"]) == (
        9101,
        9102,
        9201,
        9202,
    )
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after)
    assert set(after) - set(before) == {"venue THIRD", "venue THIRD HTTP", "venue-third metrics"}


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    ensure_secrets(folder)
    before = {path.name: path.read_text(encoding="ascii") for path in folder.iterdir()}
    ensure_secrets(folder)
    assert {path.name: path.read_text(encoding="ascii") for path in folder.iterdir()} == before
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len({text for name, text in before.items() if name.endswith("password")}) == 3


@pytest.mark.parametrize("name", ["token-signing", "snapshot-signing"])
def test_the_public_key_verifies_what_the_private_key_signs(tmp_path: Path, name: str) -> None:
    ensure_secrets(tmp_path)
    private = load_pem_private_key((tmp_path / f"{name}.pem").read_bytes(), password=None)
    load_pem_public_key((tmp_path / f"{name}.pub.pem").read_bytes()).verify(private.sign(b"document"), b"document")


def test_a_private_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "password"
    write_private(path, "first\n")
    write_private(path, "second\n")
    assert path.read_text(encoding="utf-8") == "second\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["password"]

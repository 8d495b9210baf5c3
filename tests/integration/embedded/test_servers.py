"""The embedded PostgreSQL and Redis: who gets in, and where they live."""

import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from tradsys.configuration import REPOSITORY
from tradsys.embedded.server_home import Account, ServerHomeError, fallback_folder, prepare_server_home, remove_fallback_folder
from tradsys.embedded.servers import EmbeddedServers, embedded_servers

AS_ROOT = os.geteuid() == 0


def connect(servers: EmbeddedServers, *, user: str = "tradsys", password: str) -> psycopg.Connection:
    port = servers.postgres.port
    return psycopg.connect(host="127.0.0.1", port=port, user=user, password=password, dbname="tradsys", connect_timeout=5)


def test_postgres_18_serves_the_platforms_role_which_is_no_superuser(servers: EmbeddedServers) -> None:
    with psycopg.connect(servers.postgres.url) as connection:
        assert connection.execute("SHOW server_version").fetchone()[0].startswith("18.")
        row = connection.execute("SELECT rolsuper, rolcreatedb FROM pg_roles WHERE rolname = current_user").fetchone()
    assert row == (False, True)


@pytest.mark.parametrize("user", ["tradsys", "postgres"])
@pytest.mark.parametrize("password", ["", "wrong"])
def test_postgres_refuses_a_wrong_password(servers: EmbeddedServers, user: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"password authentication failed|no password supplied"):
        connect(servers, user=user, password=password)


def test_every_way_into_postgres_asks_for_scram_and_none_trusts(servers: EmbeddedServers) -> None:
    with connect(servers, user="postgres", password=servers.postgres.superuser_password) as connection:
        methods = {method for (method,) in connection.execute("SELECT auth_method FROM pg_hba_file_rules")}
        hashes = [text for (text,) in connection.execute("SELECT rolpassword FROM pg_authid WHERE rolcanlogin")]
    assert methods == {"scram-sha-256"}
    assert all(text.startswith("SCRAM-SHA-256$") for text in hashes)


def test_the_socket_of_postgres_is_in_a_closed_folder_and_asks_for_the_password_too(servers: EmbeddedServers) -> None:
    sockets = servers.postgres.data.with_name("sockets")
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert (sockets / f".s.PGSQL.{servers.postgres.port}").exists()


def test_redis_asks_for_its_password_and_keeps_an_append_only_file(servers: EmbeddedServers) -> None:
    with redis.Redis(port=servers.redis.port) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis(port=servers.redis.port, password="wrong") as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(servers.redis.url) as client:
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_no_password_shows_in_the_process_list(servers: EmbeddedServers) -> None:
    commands = " ".join((*servers.postgres.command, *servers.redis.command))
    for secret in (servers.postgres.password, servers.postgres.superuser_password, servers.redis.password):
        assert secret not in commands


def test_a_stopped_server_starts_again_with_its_data(servers: EmbeddedServers) -> None:
    with redis.Redis.from_url(servers.redis.url) as client:
        client.set("kept", "yes")
    servers.stop_redis(kill=True)
    servers.stop_postgres(kill=True)
    servers.start_redis()
    servers.start_postgres()
    with redis.Redis.from_url(servers.redis.url) as client:
        assert client.get("kept") == b"yes"
    psycopg.connect(servers.postgres.url).close()


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that only its owner enters, with permissions as a home folder of root has them."""
    with tempfile.TemporaryDirectory(prefix="tradsys-closed-") as name:
        folder = Path(name)
        folder.chmod(0o700)
        yield folder
        remove_fallback_folder(folder / "checkout" / "var")


def test_below_a_closed_folder_the_servers_run_and_no_permission_outside_the_data_folder_changes(closed_folder: Path) -> None:
    var = closed_folder / "checkout" / "var"
    var.parent.mkdir(mode=0o755)
    outside = [closed_folder, var.parent, closed_folder.parent, REPOSITORY, *REPOSITORY.parents, Path(sys.prefix)]
    before = [path.stat().st_mode for path in outside]
    with embedded_servers(var, durable=False) as servers:
        psycopg.connect(servers.postgres.url).close()
        home = servers.postgres.home.folder
    assert [path.stat().st_mode for path in outside] == before
    assert home == (fallback_folder(var) if AS_ROOT else var)
    if AS_ROOT:
        assert stat.S_IMODE(home.stat().st_mode) == 0o711
        assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "redis").stat().st_mode) == 0o700
        remove_fallback_folder(var)
        assert not home.exists()


def test_the_fallback_of_a_data_folder_that_is_gone_is_removed_by_the_next_start_that_needs_one(closed_folder: Path) -> None:
    if not AS_ROOT:
        return  # an ordinary user's servers need no fallback
    gone, kept = closed_folder / "gone" / "var", closed_folder / "checkout" / "var"
    gone.parent.mkdir()
    kept.parent.mkdir()
    assert prepare_server_home(gone).folder == fallback_folder(gone)
    shutil.rmtree(gone)
    assert prepare_server_home(kept).folder == fallback_folder(kept)
    assert not fallback_folder(gone).exists()
    prepare_server_home(kept)
    assert fallback_folder(kept).exists()


def test_somebody_elses_folder_in_the_fallbacks_place_is_refused_and_left_alone(closed_folder: Path) -> None:
    if not AS_ROOT:
        return  # an ordinary user's servers need no fallback
    var = closed_folder / "checkout" / "var"
    stranger = fallback_folder(var)
    stranger.mkdir(mode=0o777)
    os.chown(stranger, 65_534, 65_534)
    try:
        with pytest.raises(ServerHomeError, match="is not ours"):
            prepare_server_home(var)
        remove_fallback_folder(var)
        assert stranger.exists()
    finally:
        stranger.rmdir()


def test_started_by_root_the_servers_run_as_an_account_without_rights(servers: EmbeddedServers) -> None:
    account = servers.postgres.home.account
    assert isinstance(account, Account) if AS_ROOT else account is None
    pid = int((servers.postgres.data / "postmaster.pid").read_text(encoding="ascii").split()[0])
    assert psutil.Process(pid).uids().effective != 0

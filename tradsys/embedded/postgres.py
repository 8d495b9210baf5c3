"""The embedded PostgreSQL server: its cluster, its command line and its roles."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from tradsys.embedded.ports import LOOPBACK
from tradsys.embedded.readiness import becomes_true
from tradsys.embedded.secret_files import write_private
from tradsys.embedded.server_home import ServerHome

SUPERUSER = "postgres"
ROLE = "tradsys"
DATABASE = "tradsys"
_MAJOR_VERSION = "18"
_UNSAFE_BUT_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal", "max_wal_senders=0")


class PostgresError(RuntimeError):
    """The server cannot be set up or reached; the text says why."""


@dataclass(frozen=True, slots=True)
class Postgres:
    """One cluster below `home`, served on a loopback port.

    `durable` False switches fsync off: for test servers only, whose data may be lost with the machine.
    """

    home: ServerHome
    port: int
    superuser_password: str
    password: str  # of the role the platform works as
    durable: bool = True

    @property
    def data(self) -> Path:
        """The cluster's folder."""
        return self.home.folder / "postgres" / "cluster"

    @property
    def url(self) -> str:
        """Connection URL of the platform's role and database."""
        return f"postgresql://{ROLE}:{self.password}@{LOOPBACK}:{self.port}/{DATABASE}"

    @property
    def command(self) -> tuple[str, ...]:
        """Command line of the server in the foreground."""
        settings = [
            f"port={self.port}",
            f"listen_addresses={LOOPBACK}",
            # Below the cluster, so that the length of the path does not matter: a socket's name is limited to 107 bytes.
            "unix_socket_directories=../sockets",
            "unix_socket_permissions=0700",
            "password_encryption=scram-sha-256",
            "max_connections=200",
            "shared_buffers=64MB",
            "timezone=UTC",
            "log_timezone=UTC",
            *(() if self.durable else _UNSAFE_BUT_FAST),
        ]
        options = [part for setting in settings for part in ("-c", setting)]
        return (str(self.home.postgres_binaries / "postgres"), "-D", str(self.data), *options)

    def initialise(self) -> None:
        """Make the cluster at first start: scram-sha-256 for every connection, trust for none.

        A cluster that exists is kept. Raises PostgresError with initdb's own words, or for a cluster of another version.
        """
        folder = self.home.own_folder("postgres")
        sockets = folder / "sockets"
        sockets.mkdir(mode=0o700, exist_ok=True)
        self.home.give(sockets)
        if self.data.exists():
            version = (self.data / "PG_VERSION").read_text(encoding="ascii").strip()
            if version != _MAJOR_VERSION:
                raise PostgresError(f"{self.data} was made by PostgreSQL {version}; this is PostgreSQL {_MAJOR_VERSION}")
            return
        # Renamed when complete, so that a start that was cut off leaves nothing that looks like a cluster.
        unfinished, password_file = folder / "cluster.unfinished", folder / "superuser-password"
        shutil.rmtree(unfinished, ignore_errors=True)
        write_private(password_file, self.superuser_password + "\n", owner=self.home.owner)
        try:
            self._run(
                "initdb",
                *("-D", str(unfinished), "--username", SUPERUSER, "--pwfile", str(password_file), "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *(() if self.durable else ("--no-sync",)),
            )
        finally:
            password_file.unlink(missing_ok=True)
        unfinished.rename(self.data)

    def is_ready(self) -> bool:
        """Whether the server answers; raises PostgresError when it refuses our password, which waiting does not mend."""
        try:
            self._superuser_connection().close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise PostgresError(
                    f"the cluster {self.data} does not know the password in the secrets folder: it was made with another one"
                ) from error
            return False
        return True

    def wait_until_ready(self, *, seconds: float = 30.0) -> None:
        """Return when the server answers; raises PostgresError when it does not within `seconds`."""
        if not becomes_true(self.is_ready, seconds=seconds):
            raise PostgresError(f"PostgreSQL did not answer on port {self.port} within {seconds:g} s")

    def ensure_role_and_database(self) -> None:
        """Make the platform's role (no superuser; may create the databases of test runs) and its database, once."""
        with self._superuser_connection() as connection:
            role, password = sql.Identifier(ROLE), sql.Literal(self.password)
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone()
            verb = sql.SQL("ALTER" if known else "CREATE")
            connection.execute(sql.SQL("{} ROLE {} LOGIN CREATEDB PASSWORD {}").format(verb, role, password))
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(DATABASE), role))

    def _superuser_connection(self) -> psycopg.Connection:
        return psycopg.connect(
            host=LOOPBACK,
            port=self.port,
            user=SUPERUSER,
            password=self.superuser_password,
            dbname="postgres",
            connect_timeout=5,
            autocommit=True,
        )

    def _run(self, program: str, *arguments: str) -> None:
        account = self.home.account
        finished = subprocess.run(
            [str(self.home.postgres_binaries / program), *arguments],
            cwd=self.home.folder / "postgres",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
        if finished.returncode != 0:
            raise PostgresError(
                f"{program} failed with status {finished.returncode}:\n{(finished.stdout + finished.stderr).strip()}"
            )

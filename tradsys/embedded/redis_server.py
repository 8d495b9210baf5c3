"""The embedded Redis server: its configuration file and its command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import redis

from tradsys.embedded.ports import LOOPBACK
from tradsys.embedded.readiness import becomes_true
from tradsys.embedded.secret_files import write_private
from tradsys.embedded.server_home import ServerHome


class RedisError(RuntimeError):
    """The server cannot be reached; the text says why."""


@dataclass(frozen=True, slots=True)
class RedisServer:
    """One Redis below `home`, served on a loopback port behind a password, with an append-only file."""

    home: ServerHome
    port: int
    password: str
    durable: bool = True

    @property
    def folder(self) -> Path:
        """Folder of the configuration and the append-only file."""
        return self.home.folder / "redis"

    @property
    def url(self) -> str:
        """Connection URL of database 0."""
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/0"

    @property
    def command(self) -> tuple[str, ...]:
        """Command line of the server in the foreground."""
        return (str(self.home.redis_binary), str(self.folder / "redis.conf"))

    def configure(self) -> None:
        """Write the configuration file (the password stays out of the process list)."""
        folder = self.home.own_folder("redis")
        lines = [
            f"bind {LOOPBACK}",
            f"port {self.port}",
            "protected-mode yes",
            f"requirepass {self.password}",
            f'dir "{folder}"',
            "appendonly yes",
            f"appendfsync {'everysec' if self.durable else 'no'}",
            'save ""',
            "daemonize no",
            'logfile ""',
            f'pidfile "{folder / "redis.pid"}"',
        ]
        write_private(folder / "redis.conf", "\n".join(lines) + "\n", owner=self.home.owner)

    def is_ready(self) -> bool:
        """Whether the server answers PING; raises RedisError when it refuses our password, which waiting does not mend."""
        try:
            with redis.Redis.from_url(self.url, socket_connect_timeout=5) as client:
                client.ping()
        except redis.AuthenticationError as error:
            raise RedisError(f"Redis on port {self.port} refuses our password: {error}") from error
        except redis.RedisError:
            return False
        return True

    def wait_until_ready(self, *, seconds: float = 30.0) -> None:
        """Return when the server answers; raises RedisError when it does not within `seconds`."""
        if not becomes_true(self.is_ready, seconds=seconds):
            raise RedisError(f"Redis did not answer on port {self.port} within {seconds:g} s")

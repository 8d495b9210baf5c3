"""Scope of management commands that were written without tenants in mind."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from tenants.kernel.entry_points import platform_scope

# Commands of Django that read or write shared tables. Every other command enters a scope by itself or gets none.
PLATFORM_COMMANDS = frozenset(
    {"changepassword", "check", "createsuperuser", "clearsessions", "makemigrations", "showmigrations", "sqlmigrate"}
)


def scope_of_command(arguments: Sequence[str]) -> AbstractContextManager[object]:
    """The scope in which `manage.py` runs the command line `arguments` (program name first)."""
    command = arguments[1] if len(arguments) > 1 else ""
    return platform_scope() if command in PLATFORM_COMMANDS else nullcontext()

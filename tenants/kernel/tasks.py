"""Celery tasks carry their scope in a header of their own and refuse to run without it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import celery

from tenants.kernel.context import PlatformScope, TenantScope, current_scope
from tenants.kernel.entry_points import enter_for_task, platform_scope

SCOPE_HEADER = "tradsys-scope"
# Written as no slug can be, so that no tenant's name can mean the platform.
PLATFORM = "*platform*"


class ScopeHeaderMissing(RuntimeError):
    """A task arrived without its scope header; running it would mean guessing whose data it may touch."""


def scope_header(scope: object) -> dict[str, str]:
    """The header that carries `scope`; raises TypeError for a scope that cannot travel (schema maintenance)."""
    match scope:
        case TenantScope(slug=slug):
            return {SCOPE_HEADER: slug}
        case PlatformScope():
            return {SCOPE_HEADER: PLATFORM}
    raise TypeError(f"a task cannot be sent from the {type(scope).__name__}")


class ScopedTask(celery.Task):
    """Base of every task: sent with the sender's scope, run inside it.

    Sending outside every scope raises TenantNotSet; a message without the header fails with ScopeHeaderMissing.
    """

    abstract = True

    def apply_async(self, *args: Any, headers: dict[str, str] | None = None, **options: Any) -> Any:
        return super().apply_async(*args, headers=self._with_scope(headers), **options)

    def apply(self, *args: Any, headers: dict[str, str] | None = None, **options: Any) -> Any:
        return super().apply(*args, headers=self._with_scope(headers), **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with self._enter():
            return super().__call__(*args, **kwargs)

    def _with_scope(self, headers: dict[str, str] | None) -> dict[str, str]:
        headers = dict(headers or {})
        if SCOPE_HEADER not in headers:
            headers |= scope_header(current_scope())
        return headers

    def _enter(self) -> AbstractContextManager[object]:
        name = (self.request.headers or {}).get(SCOPE_HEADER)
        if not name:
            raise ScopeHeaderMissing(f"the task {self.name} came without the header {SCOPE_HEADER!r} and was not run")
        return platform_scope() if name == PLATFORM else enter_for_task(name)

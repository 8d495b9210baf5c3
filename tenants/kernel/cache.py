"""Cache keys carry the scope, so that one tenant's cached answer is never another's."""

from __future__ import annotations

from tenants.kernel.context import current_scope


def scoped_key(key: str, key_prefix: str, version: int) -> str:
    """Key in Redis of the cache key `key`; raises TenantNotSet outside every scope."""
    return f"{key_prefix}:{current_scope().schema_name}:{version}:{key}"

"""Who may call which method: a table of service or role × method, made once from what the services declare. Default deny. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from tradsys.mesh.calls import CallIdentity
from tradsys.mesh.config.schema import AuthzConfig
from tradsys.mesh.service import MethodRule, UnifiedService
from tradsys.mesh.standard_services import EVERY_SERVICE


class TableError(ValueError):
    """The configuration denies a method that no service has: a name misspelt would deny nothing."""


class _Row(msgspec.Struct, frozen=True):
    roles: frozenset[str]
    services: frozenset[str]
    every_service: bool
    public: bool


class AuthorizationTable:
    """Methods as ``package.Service/Method``, with or without a slash before it."""

    __slots__ = ("_rows",)

    def __init__(self, rows: Mapping[str, _Row]) -> None:
        # gRPC names a method with a slash before it, everything else without.
        self._rows = {**rows, **{f"/{method}": row for method, row in rows.items()}}

    @classmethod
    def of(
        cls,
        rules: Mapping[str, Sequence[MethodRule]],
        config: AuthzConfig,
        *,
        every_method: frozenset[str] | None = None,
    ) -> AuthorizationTable:
        """From full service name → rules. The configuration's `denied_methods` are left out, so nobody may call them.

        `every_method`, where given, holds the methods of all processes: a denied one that is none of them raises TableError.
        """
        denied = frozenset(config.denied_methods)
        if every_method is not None and denied - every_method:
            unknown = ", ".join(sorted(denied - every_method))
            raise TableError(f"authorization.denied_methods: no service has {unknown}")
        return cls(
            {
                method: _Row(rule.roles, rule.services - {EVERY_SERVICE}, EVERY_SERVICE in rule.services, rule.public)
                for service, declared in rules.items()
                for rule in declared
                if (method := f"{service}/{rule.name}") not in denied
            }
        )

    @classmethod
    def from_services(cls, services: Sequence[type[UnifiedService]], config: AuthzConfig) -> AuthorizationTable:
        """From service classes."""
        return cls.of({each.NAME: each.METHODS for each in services}, config)

    def permits(self, method: str, identity: CallIdentity) -> bool:
        """Whether `identity` may call `method`. Whoever brings a token is judged by its role alone, also when a service carries it;
        a service without one by its certificate. Anything that is not in the table is denied.
        """
        row = self._rows.get(method)
        if row is None:
            return False
        if row.public:
            return True
        if identity.role:
            return identity.role in row.roles
        return identity.service != "" and (row.every_service or identity.service in row.services)

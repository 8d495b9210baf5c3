"""Who may call what: a table of method × role or service, made of what the services declare. Pure; what it lacks is denied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tradsys.mesh.calls import CallIdentity
from tradsys.mesh.config.schema import AuthzConfig
from tradsys.mesh.service import MethodRule
from tradsys.mesh.standard_services import EVERY_SERVICE

_NOBODY: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())


class AuthorizationTable:
    """`permits` is one look-up."""

    def __init__(self, rows: Mapping[str, tuple[frozenset[str], frozenset[str]]]) -> None:
        self._rows = dict(rows)

    @classmethod
    def of(cls, methods: Mapping[str, Iterable[MethodRule]], config: AuthzConfig) -> AuthorizationTable:
        """`methods`: full service name → rules. What the configuration denies is in no row."""
        rows = {f"{service}/{rule.name}": (rule.roles, rule.services) for service, rules in methods.items() for rule in rules}
        for denied in config.denied_methods:
            rows.pop(denied, None)
        return cls(rows)

    def permits(self, method: str, identity: CallIdentity) -> bool:
        """Whether the caller may call `method` (``package.Service/Method``).

        Who brings a token is judged by its role, also when a service calls on his behalf; a service without one by its name.
        """
        roles, services = self._rows.get(method, _NOBODY)
        if identity.role:
            return identity.role in roles
        return bool(identity.service) and (identity.service in services or EVERY_SERVICE in services)

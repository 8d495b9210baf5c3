"""Sessions that open only on the site that made them."""

from __future__ import annotations

from django.contrib.sessions.backends import db

from tenants.kernel.context import current_scope


class SessionStore(db.SessionStore):
    """All sessions share a table; each is signed for its own scope: a cookie carried to another host opens an empty one."""

    @property
    def key_salt(self) -> str:
        return f"tradsys.session.{current_scope().schema_name}"

    @classmethod
    def get_model_class(cls) -> type:
        return db.SessionStore.get_model_class()

"""Changes of tenants, people and keys: each is one transaction of the change, its audit row and its outbox row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from tenants.api_keys import key_digest, new_key
from tenants.kernel.directory import directory
from tenants.kernel.entry_points import schema_maintenance
from tenants.models import EVERY_ACCOUNT, SCHEMA_PREFIX, ApiKey, Domain, Membership, Tenant, TokenRevocation, User
from tenants.roles import PERMISSIONS, Role
from tradsys.audit.services import record
from tradsys.outbox.services import enqueue

TENANT_CONFIG = "tenant-config"


@transaction.atomic
def create_tenant(*, actor: Any, slug: str, name: str, country: str, domain: str, name_ar: str = "") -> Tenant:
    """A tenant with its first domain and its own migrated schema, all or nothing. About 0.5 s. Raises ValidationError."""
    tenant = Tenant(slug=slug, name=name, name_ar=name_ar, country=country, schema_name=SCHEMA_PREFIX + slug.replace("-", "_"))
    tenant.full_clean()
    # django-tenants saves and migrates tenants from the public schema only, and moves the connection itself meanwhile.
    with schema_maintenance():
        tenant.save()
        tenant.create_schema(check_if_exists=True, verbosity=0)
    record(actor=actor, action="tenant.created", tenant=slug, subject=f"tenant:{slug}", after=_tenant_facts(tenant))
    add_domain(actor=actor, tenant=tenant, domain=domain, is_primary=True)
    return tenant


@transaction.atomic
def update_tenant(*, actor: Any, tenant: Tenant, changes: dict[str, Any]) -> Tenant:
    """Change name, name_ar, country or state. Raises ValidationError; what a tenant is filed under never changes."""
    refused = changes.keys() - {"name", "name_ar", "country", "state"}
    if refused:
        raise ValidationError(f"a tenant's {', '.join(sorted(refused))} cannot be changed")
    current = Tenant.objects.select_for_update().get(pk=tenant.pk)
    before = _tenant_facts(current)
    for field, value in changes.items():
        setattr(current, field, value)
    current.full_clean()
    with schema_maintenance():
        current.save()
    record(
        actor=actor,
        action="tenant.changed",
        tenant=current.slug,
        subject=f"tenant:{current.slug}",
        before=before,
        after=_tenant_facts(current),
    )
    _publish(current.slug)
    return current


def suspend_tenant(*, actor: Any, tenant: Tenant) -> Tenant:
    """Its hosts answer 403 and its configuration says suspended, from the next revision on."""
    return update_tenant(actor=actor, tenant=tenant, changes={"state": Tenant.State.SUSPENDED})


def resume_tenant(*, actor: Any, tenant: Tenant) -> Tenant:
    """Undo `suspend_tenant`."""
    return update_tenant(actor=actor, tenant=tenant, changes={"state": Tenant.State.ACTIVE})


@transaction.atomic
def add_domain(*, actor: Any, tenant: Tenant, domain: str, is_primary: bool = False) -> Domain:
    """A host that answers for `tenant`. Raises ValidationError when it is taken."""
    row = Domain(tenant=tenant, domain=domain.lower(), is_primary=is_primary)
    row.full_clean(validate_constraints=False, exclude=["is_primary"])
    row.save()
    record(
        actor=actor,
        action="domain.added",
        tenant=tenant.slug,
        subject=f"domain:{row.domain}",
        after={"domain": row.domain, "is_primary": row.is_primary},
    )
    _publish(tenant.slug)
    return row


@transaction.atomic
def remove_domain(*, actor: Any, domain: Domain) -> None:
    """The host answers no more. Raises ValidationError for a tenant's only one."""
    if not Domain.objects.filter(tenant=domain.tenant).exclude(pk=domain.pk).exists():
        raise ValidationError(f"{domain.domain} is the only domain of {domain.tenant.slug}")
    record(
        actor=actor,
        action="domain.removed",
        tenant=domain.tenant.slug,
        subject=f"domain:{domain.domain}",
        before={"domain": domain.domain, "is_primary": domain.is_primary},
    )
    _publish(domain.tenant.slug)
    domain.delete()


@transaction.atomic
def create_user(*, actor: Any, username: str, password: str, email: str = "", is_operator: bool = False) -> User:
    """A person; an operator holds every right on the operator's site and none on a tenant's. Raises ValidationError."""
    user = User(username=username, email=email, is_staff=is_operator, is_superuser=is_operator)
    user.set_password(password)
    user.full_clean()
    user.save()
    record(
        actor=actor,
        action="user.created",
        subject=f"user:{username}",
        after={"username": username, "email": email, "is_operator": is_operator},
    )
    return user


@transaction.atomic
def update_user(*, actor: Any, user: User, changes: dict[str, Any]) -> User:
    """Change a person's names, e-mail, activity or platform rights; whoever is not active any more has no tokens either.

    Raises ValidationError.
    """
    refused = changes.keys() - {*_USER_FIELDS}
    if refused:
        raise ValidationError(f"a user's {', '.join(sorted(refused))} cannot be changed here")
    current = User.objects.select_for_update().get(pk=user.pk)
    before = _user_facts(current)
    for field, value in changes.items():
        setattr(current, field, value)
    current.full_clean()
    current.save()
    record(actor=actor, action="user.changed", subject=f"user:{current.username}", before=before, after=_user_facts(current))
    if before["is_active"] and not current.is_active:
        for membership in current.memberships.select_related("tenant"):
            revoke_tokens(actor=actor, tenant=membership.tenant, user=current.username, reason="user deactivated")
    return current


@transaction.atomic
def set_membership(*, actor: Any, tenant: Tenant, user: User, role: str, accounts: Sequence[str] = (EVERY_ACCOUNT,)) -> Membership:
    """Make `user` a member of `tenant`, or change his part. What takes a right away revokes his tokens.

    Raises ValidationError for an unknown role.
    """
    if role not in list(Role):
        raise ValidationError(f"{role!r} is not a role: {', '.join(Role)}")
    membership = Membership.objects.select_for_update().filter(tenant=tenant, user=user).first()
    before = None if membership is None else _membership_facts(membership)
    if membership is None:
        membership = Membership(tenant=tenant, user=user)
    membership.role = role
    membership.accounts = list(accounts)
    membership.full_clean()
    membership.save()
    record(
        actor=actor,
        action="membership.set",
        tenant=tenant.slug,
        subject=f"user:{user.username}",
        before=before,
        after=_membership_facts(membership),
    )
    _publish(tenant.slug)
    if before is not None and _takes_rights(before, _membership_facts(membership)):
        revoke_tokens(actor=actor, tenant=tenant, user=user.username, reason="fewer rights")
        membership.refresh_from_db(fields=["tokens_revoked_at"])
    return membership


@transaction.atomic
def remove_membership(*, actor: Any, membership: Membership) -> None:
    """The person's next request on this tenant is refused, and his tokens count no more."""
    record(
        actor=actor,
        action="membership.removed",
        tenant=membership.tenant.slug,
        subject=f"user:{membership.user.username}",
        before=_membership_facts(membership),
    )
    revoke_tokens(actor=actor, tenant=membership.tenant, user=membership.user.username, reason="membership removed")
    membership.delete()


@transaction.atomic
def issue_api_key(*, actor: Any, tenant: Tenant, user: User, name: str, expires_at: datetime) -> tuple[ApiKey, str]:
    """A key for a program that acts as `user`, and its text, which cannot be shown again. Raises ValidationError."""
    if not Membership.objects.filter(tenant=tenant, user=user).exists():
        raise ValidationError(f"{user.username} is not a member of {tenant.slug}")
    prefix, secret = new_key()
    key = ApiKey(tenant=tenant, user=user, name=name, prefix=prefix, digest=key_digest(secret), expires_at=expires_at)
    key.full_clean()
    key.save()
    record(
        actor=actor,
        action="api-key.issued",
        tenant=tenant.slug,
        subject=f"api-key:{prefix}",
        after={"name": name, "user": user.username, "expires_at": expires_at},
    )
    return key, f"{prefix}_{secret}"


@transaction.atomic
def revoke_api_key(*, actor: Any, key: ApiKey, now: datetime) -> None:
    """The key counts no more, nor do the tokens that were made from it."""
    key.revoked_at = now
    key.save(update_fields=["revoked_at"])
    record(actor=actor, action="api-key.revoked", tenant=key.tenant.slug, subject=f"api-key:{key.prefix}")
    revoke_tokens(actor=actor, tenant=key.tenant, api_key=key.prefix, reason="API key revoked")


@transaction.atomic
def revoke_tokens(
    *, actor: Any, tenant: Tenant, user: str = "", token_id: str = "", api_key: str = "", reason: str = ""
) -> TokenRevocation:
    """Tokens of `tenant` issued until now count no more: all of one user's, those made from one API key, or a single one.

    Services refuse them as soon as the tenant's next document arrives. Raises ValueError unless exactly one is named, and
    ValidationError for what cannot be a name.
    """
    kinds = TokenRevocation.Kind
    named = [(kind, value) for kind, value in ((kinds.USER, user), (kinds.TOKEN, token_id), (kinds.API_KEY, api_key)) if value]
    if len(named) != 1:
        raise ValueError("exactly one of user, token_id and api_key says whose tokens are revoked")
    kind, value = named[0]
    row = TokenRevocation(tenant=tenant, kind=kind, value=value, revoked_at=timezone.now(), reason=reason)
    row.full_clean()
    row.save()
    if kind is kinds.USER:
        # Whoever keeps a token for a member sees on the membership that it is to be thrown away.
        Membership.objects.filter(tenant=tenant, user__username=value).update(tokens_revoked_at=row.revoked_at)
    record(actor=actor, action="tokens.revoked", tenant=tenant.slug, subject=f"{kind.value}:{value}", reason=reason)
    _publish(tenant.slug)
    return row


def _publish(slug: str) -> None:
    enqueue(topic=TENANT_CONFIG, key=slug)
    transaction.on_commit(directory.forget)


def _tenant_facts(tenant: Tenant) -> dict[str, Any]:
    return {field: getattr(tenant, field) for field in ("slug", "name", "name_ar", "country", "state", "schema_name")}


_USER_FIELDS = ("first_name", "last_name", "email", "is_active", "is_staff", "is_superuser")


def _user_facts(user: User) -> dict[str, Any]:
    return {field: getattr(user, field) for field in _USER_FIELDS}


def _takes_rights(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Whether a changed membership lacks a permission or an account that it had."""
    accounts = EVERY_ACCOUNT not in after["accounts"] and bool(set(before["accounts"]) - set(after["accounts"]))
    return accounts or bool(PERMISSIONS[Role(before["role"])] - PERMISSIONS[Role(after["role"])])


def _membership_facts(membership: Membership) -> dict[str, Any]:
    return {"role": membership.role, "accounts": membership.accounts}

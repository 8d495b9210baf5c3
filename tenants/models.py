"""Tenants, the hosts they answer on, the people and their parts, and keys of programs. All in the shared schema."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils.translation import get_language
from django.utils.translation import gettext_lazy as _
from django_tenants.models import DomainMixin, TenantMixin

from tenants.roles import Role

SLUG = RegexValidator(r"\A[a-z][a-z0-9-]{1,39}\Z", _("Lower-case letters, digits and hyphens, starting with a letter."))
SCHEMA_PREFIX = "t_"
EVERY_ACCOUNT = "*"


def every_account() -> list[str]:
    return [EVERY_ACCOUNT]


class Tenant(TenantMixin):
    """A broker. `tenants.services.create_tenant` makes the row and its schema together."""

    class State(models.TextChoices):
        ACTIVE = "active", _("active")
        SUSPENDED = "suspended", _("suspended")

    class Country(models.TextChoices):
        EGYPT = "EG", _("Egypt")
        UNITED_ARAB_EMIRATES = "AE", _("United Arab Emirates")

    # Saving a row must not create a schema on the side; the service does, in the same transaction.
    auto_create_schema = False
    auto_drop_schema = False

    slug = models.CharField(_("slug"), max_length=40, unique=True, validators=[SLUG])
    name = models.CharField(_("name"), max_length=120)
    name_ar = models.CharField(_("Arabic name"), max_length=120, blank=True)
    country = models.CharField(_("country"), max_length=2, choices=Country)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.ACTIVE)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)

    class Meta:
        verbose_name = _("tenant")
        verbose_name_plural = _("tenants")
        ordering = ("slug",)
        constraints = (
            models.CheckConstraint(name="tenant_slug_form", condition=models.Q(slug__regex=r"^[a-z][a-z0-9-]{1,39}$")),
            models.CheckConstraint(name="tenant_schema_form", condition=models.Q(schema_name__regex=r"^t_[a-z0-9_]{2,60}$")),
            models.CheckConstraint(name="tenant_state_known", condition=models.Q(state__in=("active", "suspended"))),
        )

    def __str__(self) -> str:
        return self.local_name

    @property
    def local_name(self) -> str:
        """The name in the reader's language."""
        return self.name_ar if self.name_ar and (get_language() or "").startswith("ar") else self.name

    @property
    def is_suspended(self) -> bool:
        return self.state != self.State.ACTIVE


class Domain(DomainMixin):
    """A host a tenant answers on."""

    class Meta:
        verbose_name = _("domain")
        verbose_name_plural = _("domains")
        ordering = ("domain",)
        constraints = (
            models.UniqueConstraint(Lower("domain"), name="domain_unique_in_any_case"),
            models.UniqueConstraint(fields=["tenant"], condition=models.Q(is_primary=True), name="domain_one_primary"),
            models.CheckConstraint(name="domain_lower_case", condition=models.Q(domain=Lower("domain"))),
        )

    def __str__(self) -> str:
        return self.domain


class User(AbstractUser):
    """A person. Staff are the platform's operators; everyone else acts through memberships."""

    class Meta(AbstractUser.Meta):
        verbose_name = _("user")
        verbose_name_plural = _("users")


class Membership(models.Model):
    """A person's part in a tenant."""

    ROLES = ((Role.ADMINISTRATOR.value, _("administrator")), (Role.TRADER.value, _("trader")), (Role.VIEWER.value, _("viewer")))

    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="memberships", verbose_name=_("user"))
    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="memberships", verbose_name=_("tenant"))
    role = models.CharField(_("role"), max_length=20, choices=ROLES)
    accounts = ArrayField(
        models.CharField(max_length=40),
        default=every_account,
        blank=True,
        verbose_name=_("accounts"),
        help_text=_("Codes of the accounts this person may act on; * stands for every account."),
    )
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    tokens_revoked_at = models.DateTimeField(_("tokens revoked"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        ordering = ("tenant__slug", "user__username")
        constraints = (
            models.UniqueConstraint(fields=["user", "tenant"], name="membership_once_per_tenant"),
            models.CheckConstraint(name="membership_role_known", condition=models.Q(role__in=[role.value for role in Role])),
        )

    def __str__(self) -> str:
        return f"{self.user} · {self.tenant} · {self.get_role_display()}"


class ApiKey(models.Model):
    """A program's key: the prefix finds the row, the keyed hash proves the secret, which is shown once and never kept."""

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="api_keys", verbose_name=_("tenant"))
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="api_keys", verbose_name=_("acts as"))
    name = models.CharField(_("name"), max_length=80)
    prefix = models.CharField(_("prefix"), max_length=16, unique=True, editable=False)
    digest = models.BinaryField(max_length=32, editable=False)
    created_at = models.DateTimeField(_("created"), db_default=Now(), editable=False)
    expires_at = models.DateTimeField(_("expires"))
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API key")
        verbose_name_plural = _("API keys")
        ordering = ("tenant__slug", "prefix")

    def __str__(self) -> str:
        return f"{self.prefix}… ({self.name})"


class TokenRevocation(models.Model):
    """Order tokens issued until an instant that count no more, expired or not. It travels in the tenant's document."""

    class Kind(models.TextChoices):
        USER = "user", _("user")
        TOKEN = "token", _("token")
        API_KEY = "api-key", _("API key")

    tenant = models.ForeignKey(Tenant, on_delete=models.PROTECT, related_name="token_revocations", verbose_name=_("tenant"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    value = models.CharField(_("value"), max_length=150)
    revoked_at = models.DateTimeField(_("revoked"), editable=False)
    reason = models.CharField(_("reason"), max_length=200, blank=True)

    class Meta:
        verbose_name = _("token revocation")
        verbose_name_plural = _("token revocations")
        ordering = ("-revoked_at", "-id")
        indexes = (models.Index(fields=["tenant", "revoked_at"], name="token_revocation_recent"),)
        constraints = (
            models.CheckConstraint(name="token_revocation_kind", condition=models.Q(kind__in=("user", "token", "api-key"))),
            models.CheckConstraint(name="token_revocation_names_one", condition=~models.Q(value="")),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.value} · {self.tenant}"

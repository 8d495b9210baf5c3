"""Django settings of the control plane. What differs from place to place comes from `tradsys.configuration`."""

from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from tradsys.configuration import REPOSITORY, Configuration
from tradsys.mesh.config.reading import MeshConfigError, load_mesh_config
from tradsys.mesh.telemetry.logs import django_logging

CONFIGURATION = Configuration.from_environment()

DEBUG = CONFIGURATION.debug
SECRET_KEY = CONFIGURATION.secret_key()
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Apps: the shared ones live in the schema `public`, the tenant ones in each tenant's schema, none in both

SHARED_APPS = [
    # First, so that its `migrate` and `migrate_schemas` are the ones that run.
    "tenants",
    # Before django_tenants, which has admin templates of its own.
    "django.contrib.admin",
    "django_tenants",
    "tradsys.outbox",
    "tradsys.audit",
    "exchanges",
    "exchanges.assets",
    "exchanges.price_history",
    "licensing",
    "compliance",
    "trading_workers",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "channels",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "rest_framework",
]
TENANT_APPS = ["trading_workers.blotter", "licensing.metering"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
AUTH_USER_MODEL = "tenants.User"

# Hosts: `tenants.kernel.http` answers every unknown one with 404, so Django's own list has nothing left to refuse

ALLOWED_HOSTS = ["*"]
OPERATOR_HOSTS = frozenset({"localhost"})
OPERATOR_URLCONF = "tradsys.operator_urls"
TENANT_URLCONF = ROOT_URLCONF = "tradsys.urls"
ASGI_APPLICATION = "tradsys.asgi.application"

MIDDLEWARE = [
    "tradsys.web_telemetry.telemetry_middleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "tenants.kernel.http.tenant_middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [REPOSITORY / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.context_processors.tenant",
            ]
        },
    }
]

# Database: the kernel's own backend; a pooled connection is told its search path once per checkout

_DATABASE = urlsplit(CONFIGURATION.database_url)
if _DATABASE.scheme not in {"postgres", "postgresql"}:
    raise ImproperlyConfigured("TRADSYS_DATABASE_URL must be a postgresql:// address")

DATABASES = {
    "default": {
        "ENGINE": "tenants.kernel.postgresql",
        "NAME": unquote(_DATABASE.path.lstrip("/")),
        "USER": unquote(_DATABASE.username or ""),
        "PASSWORD": unquote(_DATABASE.password or ""),
        "HOST": unquote(_DATABASE.hostname or ""),
        "PORT": str(_DATABASE.port or ""),
        # A connection that died with its server is replaced instead of failing one request each.
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 16, "timeout": 10}, "application_name": "tradsys"},
    }
}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]

CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CONFIGURATION.redis_url,
        "KEY_PREFIX": "tradsys",
        "KEY_FUNCTION": "tenants.kernel.cache.scoped_key",
    }
}

# Sign-in and cookies: a cookie belongs to the host that set it, so a session never travels from tenant to tenant

AUTHENTICATION_BACKENDS = ["tenants.authentication.ScopedBackend"]
LOGIN_URL = "sign_in"
LOGIN_REDIRECT_URL = LOGOUT_REDIRECT_URL = "/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
SESSION_ENGINE = "tenants.kernel.sessions"
SESSION_COOKIE_NAME = "tradsys_session"
SESSION_COOKIE_AGE = 12 * 60 * 60
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "tradsys_csrf"
CSRF_COOKIE_SAMESITE = "Lax"
# A form is taken from pages of its own host only; naming `*.localhost` here would let one tenant's page post to another's.
CSRF_TRUSTED_ORIGINS: list[str] = []
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

# Languages and time

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("ar", _("Arabic"))]
LOCALE_PATHS = [REPOSITORY / "tradsys" / "locale"]
FORMAT_MODULE_PATH = "tradsys.formats"
LANGUAGE_COOKIE_NAME = "tradsys_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# Static files, served by this process straight from where they are installed


def _script_folder(package: str, folder: str) -> Path:
    """Folder of browser scripts inside an installed package, found without importing it (its Python part has needs of its own)."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImproperlyConfigured(f"the package {package} is not installed; its browser scripts are needed")
    return Path(next(iter(spec.submodule_search_locations))) / folder


STATIC_URL = "/static/"
STATICFILES_DIRS = [
    REPOSITORY / "tradsys" / "static",
    ("lightweight_charts", _script_folder("lightweight_charts", "js")),
]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.SessionAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}
SPECTACULAR_SETTINGS = {"TITLE": "TradSys", "VERSION": "v1", "SERVE_INCLUDE_SCHEMA": False}

# Until a process gives itself a name (tradsys.mesh.telemetry.process)
try:
    LOGGING = django_logging("manage", load_mesh_config(CONFIGURATION.mesh_config_file).logging)
except MeshConfigError as error:
    raise ImproperlyConfigured(str(error)) from error

"""Web process: HTTP by Django, WebSocket by Channels."""

import os
import warnings

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradsys.settings")
django_application = get_asgi_application()  # loads the apps, which the imports below need

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from tenants.kernel.websocket import TenantWebSocket  # noqa: E402
from trading_workers import consumers  # noqa: E402
from tradsys import celery_app  # noqa: E402, F401  (the app that tasks are sent through)

# WhiteNoise answers with open files, which Django reads in one go here. They are small, and each browser asks once.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

application = ProtocolTypeRouter(
    {
        "http": django_application,
        "websocket": TenantWebSocket(AuthMiddlewareStack(URLRouter(consumers.websocket_urlpatterns))),
    }
)

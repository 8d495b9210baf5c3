"""Web process: HTTP by Django, WebSocket by Channels, and what begins and ends with the process."""

import asyncio
import os
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tradsys.settings")
django_application = get_asgi_application()  # loads the apps, which the imports below need

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from tenants.kernel.websocket import TenantWebSocket  # noqa: E402
from trading_workers import consumers  # noqa: E402
from trading_workers.snapshot.published import close_documents  # noqa: E402
from trading_workers.web_calls import close_web_calls  # noqa: E402
from tradsys import celery_app  # noqa: E402, F401  (the app that tasks are sent through)
from tradsys.configuration import Configuration  # noqa: E402
from tradsys.lifespan import Lifespan  # noqa: E402
from tradsys.mesh.channels.process import process_breakers  # noqa: E402
from tradsys.mesh.telemetry.process import telemetry_of  # noqa: E402

# WhiteNoise answers with open files, which Django reads in one go here. They are small, and each browser asks once.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")


@asynccontextmanager
async def telemetry() -> AsyncIterator[None]:
    with telemetry_of("web", Configuration.from_environment(), breakers=process_breakers):
        yield


@asynccontextmanager
async def counted_calls() -> AsyncIterator[None]:
    yield
    close_documents()
    await asyncio.to_thread(close_web_calls)


application = ProtocolTypeRouter(
    {
        "lifespan": Lifespan(telemetry, counted_calls),
        "http": django_application,
        "websocket": TenantWebSocket(AuthMiddlewareStack(URLRouter(consumers.websocket_urlpatterns))),
    }
)

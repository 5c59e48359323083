"""One port: `/ws/` goes to Channels, everything else to Django's WSGI application in threads.

Native ASGI would take every request through a thread for each synchronous middleware; that was measured seven times slower.
"""

from typing import Any, cast

from a2wsgi import WSGIMiddleware
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings

from mes.bodylimit import Application, BodyLimit
from mes.wsgi import application as wsgi_application
from printing.routing import websocket_urlpatterns

THREADS = 8


def http_application() -> Application:
    """Django's WSGI application, as ASGI calls it. The three type their callables apart, hence the casts."""
    return cast(Application, WSGIMiddleware(cast(Any, wsgi_application), workers=THREADS))


application = ProtocolTypeRouter(
    {
        "http": BodyLimit(http_application(), limit=settings.MAX_BODY_BYTES, folder=settings.QUARANTINE_DIR),
        "websocket": AllowedHostsOriginValidator(
            AuthMiddlewareStack(URLRouter(cast(Any, websocket_urlpatterns)))
        ),
    }
)

"""One port: `/ws/` goes to Channels, everything else to Django's WSGI application in threads.

Native ASGI would take every request through a thread for each synchronous middleware; that was measured seven times slower.
"""

import importlib
import importlib.util
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings

from mes.bodylimit import Application, BodyLimit
from mes.wsgi import application as wsgi_application

ROUTINGS = ("printing.routing",)
THREADS = 8


def http_application() -> Application:
    """Django's WSGI application, as ASGI calls it. The two type their callables apart, hence the cast."""
    return cast(Application, WSGIMiddleware(cast(Any, wsgi_application), workers=THREADS))


def websocket_routes() -> list[Any]:
    """The `websocket_urlpatterns` of every package that has a routing module."""
    found = [importlib.import_module(name) for name in ROUTINGS if importlib.util.find_spec(name)]
    return [route for module in found for route in module.websocket_urlpatterns]


application = ProtocolTypeRouter(
    {
        "http": BodyLimit(http_application(), limit=settings.MAX_BODY_BYTES),
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(websocket_routes()))),
    }
)

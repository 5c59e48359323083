"""Where sockets are answered."""

from __future__ import annotations

from django.urls import path

from printing.consumers import FleetConsumer

websocket_urlpatterns = [path("ws/fleet/", FleetConsumer.as_asgi())]  # type: ignore[arg-type]

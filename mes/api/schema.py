"""The schema of the API. It is the same for everybody and does not change while a process runs: it is written once."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

from mes.api.authentication import TokenAuthentication


class SchemaView(SpectacularAPIView):
    """`GET /api/schema/`, as YAML or JSON by what the client accepts or `?format=`."""

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """The schema, which a browser shows instead of keeping it as a file."""
        renderer: BaseRenderer = request.accepted_renderer
        return HttpResponse(
            _written(renderer.media_type),
            content_type=f"{renderer.media_type}; charset={renderer.charset}",
            headers={"Content-Disposition": f'inline; filename="Lamina.{renderer.format}"'},
        )


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf_spectacular has no types
    """How the schema describes a key. Found by drf_spectacular through its base class."""

    target_class = TokenAuthentication
    name = "key"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "mes_…"}


@cache
def _written(media_type: str) -> str | bytes:
    renderers: list[type[BaseRenderer]] = SpectacularAPIView.renderer_classes
    (renderer,) = (one for one in renderers if one.media_type == media_type)
    return renderer().render(_schema())


@cache
def _schema() -> Any:
    generator: Any = SpectacularAPIView.generator_class
    return generator().get_schema(request=None, public=True)

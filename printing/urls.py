"""Routes of printing's API. The pages that show printing are put together by the roof."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from printing.api.builds import BuildViewSet
from printing.api.jobs import CommandViewSet, JobViewSet
from printing.api.lots import ContainerViewSet, LotViewSet
from printing.api.printers import ParametersViewSet, PrinterViewSet

router = SimpleRouter()
router.register("lots", LotViewSet, basename="lot")
router.register("containers", ContainerViewSet, basename="container")
router.register("parameters", ParametersViewSet, basename="parameters")
router.register("printers", PrinterViewSet, basename="printer")
router.register("builds", BuildViewSet, basename="build")
router.register("jobs", JobViewSet, basename="job")
router.register("commands", CommandViewSet, basename="command")

urlpatterns: list[URLPattern | URLResolver] = [path("api/", include(router.urls))]

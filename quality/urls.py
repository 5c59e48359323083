"""Routes of quality's API. The pages that show quality are put together by the roof."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path, re_path
from rest_framework.routers import SimpleRouter

from quality.api.devices import (
    FindingsView,
    LotView,
    RecordView,
    ReleaseView,
    ReportsView,
    ReviewView,
    ScansView,
    StepsView,
)
from quality.api.exports import ExportViewSet, IntegrityView
from quality.api.findings import InspectionViewSet, NonconformanceViewSet
from quality.api.gauges import GaugeViewSet
from quality.api.kits import KitReleaseView, KitShipmentView
from quality.api.packages import PackageViewSet

router = SimpleRouter()
router.register("inspections", InspectionViewSet, basename="api-inspection")
router.register("nonconformances", NonconformanceViewSet, basename="api-nonconformance")
router.register("gauges", GaugeViewSet, basename="api-gauge")
router.register("packages", PackageViewSet, basename="api-package")
router.register("exports", ExportViewSet, basename="api-export")

of_device: list[URLPattern | URLResolver] = [
    path("post-process-steps/", StepsView.as_view(), name="api-device-steps"),
    path("scans/", ScansView.as_view(), name="api-device-scans"),
    path("pass-lot/", LotView.as_view(), name="api-device-pass-lot"),
    path("nonconformances/", FindingsView.as_view(), name="api-device-nonconformances"),
    path("review-record/", ReviewView.as_view(), name="api-device-review"),
    path("release/", ReleaseView.as_view(), name="api-device-release"),
    path("integrity/", IntegrityView.as_view(), name="api-device-integrity"),
    path("reports/", ReportsView.as_view(), name="api-device-reports"),
    re_path(r"^record\.(?P<ending>pdf|json)$", RecordView.as_view(), name="api-device-record"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("api/", include(router.urls)),
    path("api/devices/<str:code>/", include(of_device)),
    path("api/kits/<str:code>/release/", KitReleaseView.as_view(), name="api-kit-release"),
    path("api/kits/<str:code>/ship/", KitShipmentView.as_view(), name="api-kit-ship"),
]

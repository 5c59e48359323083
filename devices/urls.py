"""Routes of what is made. Pages are the roof's; here is the API."""

from __future__ import annotations

from django.urls import include, path
from rest_framework.routers import SimpleRouter

from devices.api.arrivals import ArrivalViewSet, PeerViewSet
from devices.api.decisions import DecisionsView
from devices.api.definitions import MasterViewSet, MaterialViewSet, StudyViewSet
from devices.api.devices import DeviceViewSet
from devices.api.dicomweb import StudiesView
from devices.api.drafts import DraftViewSet
from devices.api.kits import KitViewSet
from devices.api.orders import OrderViewSet
from devices.api.parcels import UploadFinishView, UploadsView, UploadView
from devices.api.patients import PatientViewSet

api_router = SimpleRouter()
api_router.register("patients", PatientViewSet, basename="api-patient")
api_router.register("orders", OrderViewSet, basename="api-order")
api_router.register("devices", DeviceViewSet, basename="api-device")
api_router.register("kits", KitViewSet, basename="api-kit")
api_router.register("drafts", DraftViewSet, basename="api-draft")
api_router.register("masters", MasterViewSet, basename="api-master")
api_router.register("materials", MaterialViewSet, basename="api-material")
api_router.register("studies", StudyViewSet, basename="api-study")
api_router.register("arrivals", ArrivalViewSet, basename="api-arrival")
api_router.register("peers", PeerViewSet, basename="api-peer")

urlpatterns = [
    path("api/", include(api_router.urls)),
    path("api/decisions/", DecisionsView.as_view(), name="api-decisions"),
    path("api/uploads", UploadsView.as_view(), name="api-uploads"),
    path("api/uploads/<uuid:uid>", UploadView.as_view(), name="api-upload"),
    path("api/uploads/<uuid:uid>/finish", UploadFinishView.as_view(), name="api-upload-finish"),
    # DICOMweb knows no slash at the end of an address.
    path("api/dicom-web/studies", StudiesView.as_view(), name="api-dicom-web-studies"),
]

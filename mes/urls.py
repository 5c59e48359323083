"""Every route. A package's own routes are in its `urls` and `api` modules."""

import importlib.util

from django.urls import URLPattern, URLResolver, include, path
from rest_framework.routers import SimpleRouter

from mes.api.bindings import BindingViewSet
from mes.api.people import KeyViewSet, PersonViewSet
from mes.api.schema import SchemaView
from mes.api.signing import EnrolmentViewSet, PaperViewSet, SignatureViewSet
from mes.api.training import CurriculumViewSet, RevisionViewSet, TrainingViewSet
from mes.dashboard.together_api import TogetherView
from mes.health import health

PAGES = ("mes.dashboard.urls", "devices.urls", "printing.urls", "quality.urls")

router = SimpleRouter()
router.register("people", PersonViewSet, basename="api-person")
router.register("bindings", BindingViewSet, basename="api-binding")
router.register("keys", KeyViewSet, basename="api-key")
router.register("document-revisions", RevisionViewSet, basename="api-document-revision")
router.register("curricula", CurriculumViewSet, basename="api-curriculum")
router.register("trainings", TrainingViewSet, basename="api-training")
router.register("signatures", SignatureViewSet, basename="api-signature")
router.register("signing-enrolments", EnrolmentViewSet, basename="api-signing-enrolment")
router.register("handwritten", PaperViewSet, basename="api-handwritten")


def _present(name: str) -> bool:
    package = name.rpartition(".")[0]
    return importlib.util.find_spec(package) is not None and importlib.util.find_spec(name) is not None


urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health, name="health"),
    path("api/", include(router.urls)),
    path("api/sign-together/<str:name>/", TogetherView.as_view(), name="api-sign-together"),
    path("api/schema/", SchemaView.as_view(), name="schema"),
    *(path("", include(name)) for name in PAGES if _present(name)),
]

handler400 = "mes.api.failures.bad_request"
handler403 = "mes.api.failures.forbidden"
handler404 = "mes.api.failures.not_found"
handler500 = "mes.api.failures.broken"

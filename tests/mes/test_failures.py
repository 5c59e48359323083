"""Addresses and faults that no view answers: JSON under /api/, pages elsewhere, and nothing of the fault in either."""

from __future__ import annotations

import pytest
from django.test import Client

from mes.api.people import PersonViewSet

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("address", ["/api/nothing/", "/api/people/1/nothing/", "/api/" + "x" * 300])
def test_an_unknown_address_of_the_api_is_answered_in_its_shape(address: str) -> None:
    answer = Client().get(address)
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"
    assert answer.json()["reasons"][0]["cure"]


def test_an_unknown_page_is_answered_by_a_page() -> None:
    answer = Client().get("/nothing/")
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (404, "text/html")


@pytest.mark.parametrize(
    ("address", "kind"), [("/api/people/", "application/json"), ("/healthz", "text/html")]
)
def test_a_fault_is_told_without_its_text(monkeypatch: pytest.MonkeyPatch, address: str, kind: str) -> None:
    def breaks(*_: object, **__: object) -> None:
        raise RuntimeError("Okafor")

    monkeypatch.setattr(PersonViewSet, "initial", breaks)
    monkeypatch.setattr("mes.health._database_answers", breaks)
    answer = Client(raise_request_exception=False).get(address)
    assert (answer.status_code, answer["Content-Type"].split(";")[0]) == (500, kind)
    assert "Okafor" not in answer.content.decode()

"""People at the API, each signed in for real, by session or by key; and what a refusal may not change."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import models
from rest_framework.test import APIClient

from devices.models import Design, Device, Order
from mes.choices import Role
from mes.models import Account, EventRecord, Signature
from mes.services.tokens import issue_token
from printing.models import Build, Container, MaterialLot, PrintJob
from tests.devices.makers import PASSWORD, Who, make_person
from tests.patience import PATIENCE_S

ASIDE = (
    "printing.printer_state_changed", "mes.signing_failed", "mes.secret_refused", "mes.failures_forgotten",
)  # fmt: skip
WATCHED: tuple[type[models.Model], ...] = (
    Signature,
    Order,
    Device,
    Design,
    MaterialLot,
    Container,
    Build,
    PrintJob,
)


def read_first(send: Callable[[dict[str, Any]], Any], typed: dict[str, Any]) -> Any:
    """Send a signature; where the answer shows what would be signed (ES-19), send it again with its digest."""
    answer = send(typed)
    if typed.get("digest") or answer.status_code != 409 or answer.json()["code"] != "content_unseen":
        return answer
    return send(typed | {"digest": answer.json()["digest"]})


class Client:
    """One person at the API."""

    def __init__(self, who: Who, *, key: bool = False) -> None:
        self.who = who
        self.http = APIClient(enforce_csrf_checks=not key)
        if key:
            account = Account.objects.get(username=who.username)
            text = issue_token(account=account, name="test", valid_for=timedelta(hours=1), actor=who.actor)
            self.http.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        else:
            self._sign_in()

    def _sign_in(self) -> None:
        self.http.get("/sign-in/")
        self._show_csrf()
        typed = {"username": self.who.username, "password": PASSWORD}
        assert self.http.post("/sign-in/", typed, format="multipart").status_code == 302
        self._show_csrf()

    def _show_csrf(self) -> None:
        self.http.credentials(HTTP_X_CSRFTOKEN=self.http.cookies["csrftoken"].value)

    def get(self, path: str, expected: int = 200) -> Any:
        return self._answered(self.http.get(f"/api/{path}"), expected)

    def post(self, path: str, body: Any = None, expected: int = 200) -> Any:
        return self._answered(self.http.post(f"/api/{path}", body or {}, format="json"), expected)

    def sign(self, path: str, body: Any = None, expected: int = 200) -> Any:
        """Sign what the answer to a signature without a digest shows, as a client that reads it first."""
        typed = {"username": self.who.username, "password": PASSWORD} | (body or {})
        return self.sign_with(path, typed, expected)

    def sign_with(self, path: str, typed: Any, expected: int = 200) -> Any:
        """Likewise, with nothing typed but this."""
        answer = read_first(lambda body: self.http.post(f"/api/{path}", body, format="json"), typed)
        return self._answered(answer, expected)

    def send(self, path: str, body: Any, expected: int = 202) -> Any:
        return self._answered(self.http.post(f"/api/{path}", body, format="multipart"), expected)

    def file(self, path: str) -> bytes:
        return b"".join(self.get(path).streaming_content)

    def refused(self, path: str, body: Any = None, *, status: int = 409, signed: bool = True) -> set[str]:
        """The rules that refuse, each with its text and cure. Nothing else may have happened."""
        before = everything()
        answer = (self.sign if signed else self.post)(path, body, status)
        assert set(answer) == {"code", "reasons"}
        for reason in answer["reasons"]:
            assert set(reason) == {"rule", "text", "cure"}
            assert reason["text"]
            assert reason["cure"]
        assert everything() == before
        return {reason["rule"] for reason in answer["reasons"]}

    @staticmethod
    def _answered(answer: Any, expected: int) -> Any:
        assert answer.status_code == expected, answer.content
        is_json = answer["Content-Type"].startswith("application/json") and not answer.streaming
        return answer.json() if is_json else answer


class People:
    """A client for each role, made when it is first asked for. Every second one holds a key instead of a session."""

    def __init__(self) -> None:
        self._clients: dict[Role, Client] = {}

    def __getitem__(self, role: Role) -> Client:
        if role not in self._clients:
            self._clients[role] = Client(make_person(role), key=len(self._clients) % 2 == 1)
        return self._clients[role]


def everything() -> list[list[dict[str, Any]]]:
    """Every event but what a printer says of itself meanwhile and that somebody failed to sign, and every row that a verb could have changed."""
    events: list[dict[str, Any]] = [
        dict(row) for row in EventRecord.objects.exclude(type__in=ASIDE).order_by("pk").values()
    ]
    return [events, *(list(model._default_manager.order_by("pk").values()) for model in WATCHED)]


def until(found: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """What was waited for."""
    ends = time.monotonic() + seconds
    while not (answer := found()):
        assert time.monotonic() < ends, f"not within {seconds} s"
        time.sleep(0.1)
    return answer

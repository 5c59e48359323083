"""Signing several records of one kind in one act, for programs: the same lists and the same service as the page (ES-05)."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from mes.api.base import Acting, SigningInput, credentials_in, given
from mes.dashboard.actions import ACTIONS
from mes.dashboard.together import BATCHES, deed_of, waiting_in
from mes.eventlog.base import plain
from mes.exceptions import InvalidInput, NotPermitted
from mes.permissions import can
from mes.services.signatures import content_digest
from mes.services.signing_batch import sign_together
from mes.services.signing_policy import TOGETHER


class ChosenInput(serializers.Serializer[Any]):
    code = serializers.CharField(max_length=20)
    digest = serializers.RegexField(r"^[0-9a-f]{64}$")


class TogetherInput(SigningInput):
    chosen = serializers.ListField(child=ChosenInput(), allow_empty=False, max_length=TOGETHER)


class WaitingOutput(serializers.Serializer[Any]):
    code = serializers.CharField()
    content = serializers.JSONField()
    digest = serializers.CharField()


class SignedOutput(serializers.Serializer[Any]):
    signed = serializers.ListField(child=serializers.CharField())


class TogetherView(Acting):
    """What waits for one signature: GET lists each record with what would be signed, POST signs the chosen ones or none."""

    def check_permissions(self, request: Request) -> None:
        """The door asks for the right of the list in the address, in place of one for all lists."""
        if not request.user.is_authenticated:
            self.permission_denied(request)
        name = str(self.kwargs.get("name", ""))
        if name not in BATCHES:
            raise Http404
        decision = can(self.actor, ACTIONS[name].permission.partition(":")[0])
        if not decision.allowed:
            raise NotPermitted(decision.reasons)

    @extend_schema(responses=WaitingOutput(many=True))
    def get(self, request: Request, name: str) -> Response:
        _, content_of = ACTIONS[name].signed
        rows = waiting_in(name, self.viewer)[:TOGETHER]
        shown = [(row, content_of(row, {}, self.actor)) for row in rows]
        return Response(
            [
                {"code": row.code, "content": plain(content), "digest": content_digest(content)}
                for row, content in shown
            ]
        )

    @extend_schema(request=TogetherInput, responses=SignedOutput)
    def post(self, request: Request, name: str) -> Response:
        values = given(TogetherInput, request)
        digests = {one["code"]: one["digest"] for one in values["chosen"]}
        rows = [row for row in waiting_in(name, self.viewer) if row.code in digests]
        if len(rows) != len(values["chosen"]):
            raise InvalidInput(
                "Some of what was chosen does not wait any more.", cure="Read the list again.", rule="ES-19"
            )
        action = ACTIONS[name]
        meaning, _ = action.signed
        deeds = [deed_of(action, row, self.actor, digests[row.code]) for row in rows]
        sign_together(deeds=deeds, meaning=meaning, credentials=credentials_in(values))
        return Response({"signed": [deed.code for deed in deeds]})

"""Signatures over HTTP: taking one back, enrolling who signs, the letter, and papers that were signed by hand.

Passkeys are enrolled in a browser alone: their answer is the browser's. The statement of accountability is accepted there
too, by a person who reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from mes.api.base import (
    Acting,
    NoInput,
    ReasonInput,
    SecretReasonInput,
    SignedReasonInput,
    SigningInput,
    credentials_in,
    given,
)
from mes.api.parsers import ShallowJSONParser
from mes.api.secrets import SecretInput
from mes.api.training import ToSignOutput, to_sign
from mes.choices import Meaning
from mes.exceptions import InvalidInput
from mes.models import CertificationLetter, HandwrittenSignature, Signature, SigningEnrolment
from mes.permissions import require
from mes.scope import may_know_record
from mes.services.retention import record_of
from mes.services.signing_enrolment import (
    close_enrolment,
    confirm_identity,
    prove_identity,
    record_certification_letter,
)
from mes.services.signing_handwritten import (
    SELDOM,
    true_copy_content,
    upload_handwritten,
    verify_handwritten,
)
from mes.services.signing_withdrawal import withdraw_signature, withdrawal_content
from mes.signing_seal import verify_signature
from mes.tables import ROOTS

NUMBER = "[0-9]{1,18}"


class SignatureOutput(serializers.ModelSerializer[Signature]):
    standing = serializers.SerializerMethodField()
    withdrawn = serializers.SerializerMethodField()
    meaning = serializers.CharField(read_only=True)
    content = serializers.JSONField(help_text="What was signed, as canonical text")

    class Meta:
        model = Signature
        fields = (
            "id", "uid", "subject_type", "subject_id", "content", "content_digest", "meaning", "statement", "comment",
            "printed_name", "signed_at", "timezone", "method", "components", "standing", "withdrawn",
        )  # fmt: skip
        read_only_fields = fields

    def get_standing(self, row: Signature) -> str:
        return verify_signature(row).value

    def get_withdrawn(self, row: Signature) -> bool:
        return hasattr(row, "withdrawal")


class SignatureViewSet(Acting, GenericViewSet[Signature]):
    """One signature: for who gave it, and for those who may know what it is about. Its owner withdraws it, or who has
    the right to: the service decides."""

    permits: ClassVar[Mapping[str, str]] = {}
    serializer_class = SignatureOutput
    lookup_value_regex = NUMBER
    queryset = Signature.objects.none()

    def check_permissions(self, request: Request) -> None:
        """Who may sign anything may take their own back; there is no role for that, so the door asks for a person."""
        if not request.user.is_authenticated:
            self.permission_denied(request)

    def get_object(self) -> Signature:
        rows = Signature.objects.select_related("withdrawal")
        row = get_object_or_404(rows, pk=self.kwargs["pk"])
        own = self.viewer.person_id is not None and row.person_id == self.viewer.person_id
        if not own and not may_know_record(self.viewer, row.subject_type, row.subject_id):
            raise Http404
        return row

    @extend_schema(responses=SignatureOutput)
    def retrieve(self, request: Request, pk: str) -> Response:
        return Response(SignatureOutput(self.get_object()).data)

    @extend_schema(request=ReasonInput, responses=ToSignOutput)
    @action(detail=True, methods=["post"], url_path="to-withdraw")
    def to_withdraw(self, request: Request, pk: str) -> Response:
        """What a withdrawal with this reason would sign, and its digest."""
        row = self.get_object()
        if row.person_id != self.actor.person_id:
            require(self.actor, "mes.withdraw_signature")
        return to_sign(withdrawal_content(row, given(ReasonInput, request)["reason"]))

    @extend_schema(request=SignedReasonInput, responses=SignatureOutput)
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, pk: str) -> Response:
        row = self.get_object()
        values = given(SignedReasonInput, request)
        withdraw_signature(
            signature_id=row.pk,
            reason=values["reason"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return Response(SignatureOutput(self.get_object()).data)


class EnrolmentOutput(serializers.ModelSerializer[SigningEnrolment]):
    class Meta:
        model = SigningEnrolment
        fields = (
            "id",
            "account_id",
            "person_id",
            "document",
            "method",
            "proved_at",
            "confirmed_at",
            "closed",
        )
        read_only_fields = fields


class ProofInput(SecretInput):
    account_id = serializers.IntegerField(min_value=1)
    document = serializers.CharField(max_length=80, help_text="Its kind, never its number")
    method = serializers.CharField(max_length=80)


class LetterInput(serializers.Serializer[Any]):
    sha256 = serializers.RegexField(r"^[0-9a-f]{64}$")
    sent_on = serializers.DateField()
    signatory = serializers.CharField(max_length=200)


class LetterOutput(serializers.ModelSerializer[CertificationLetter]):
    class Meta:
        model = CertificationLetter
        fields = ("id", "sha256", "sent_on", "signatory")
        read_only_fields = fields


class EnrolmentViewSet(Acting, GenericViewSet[SigningEnrolment]):
    """Who may sign: proofed by one person, confirmed by another (ES-13)."""

    permits: ClassVar[Mapping[str, str]] = {
        "list": "mes.enrol_signers",
        "create": "mes.enrol_signers",
        "confirm": "mes.enrol_signers",
        "close": "mes.enrol_signers",
        "letter": "mes.record_certification_letter",
    }
    serializer_class = EnrolmentOutput
    lookup_value_regex = NUMBER
    queryset = SigningEnrolment.objects.order_by("pk")

    @extend_schema(responses=EnrolmentOutput(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(EnrolmentOutput(page, many=True).data)

    @extend_schema(request=ProofInput, responses={201: EnrolmentOutput})
    def create(self, request: Request) -> Response:
        row = prove_identity(**given(ProofInput, request), actor=self.actor)
        return Response(EnrolmentOutput(row).data, status=201)

    @extend_schema(request=SecretInput, responses=EnrolmentOutput)
    @action(detail=True, methods=["post"])
    def confirm(self, request: Request, pk: str) -> Response:
        row = confirm_identity(enrolment_id=self.get_object().pk, actor=self.actor)
        return Response(EnrolmentOutput(row).data)

    @extend_schema(request=SecretReasonInput, responses=EnrolmentOutput)
    @action(detail=True, methods=["post"])
    def close(self, request: Request, pk: str) -> Response:
        reason = given(SecretReasonInput, request)["reason"]
        close_enrolment(enrolment_id=self.get_object().pk, actor=self.actor, reason=reason)
        return Response(EnrolmentOutput(self.get_object()).data)

    @extend_schema(request=LetterInput, responses={201: LetterOutput})
    @action(detail=False, methods=["post"])
    def letter(self, request: Request) -> Response:
        """The organisation's letter of 11.100(c): the digest of its scan, the day, who signed it."""
        row = record_certification_letter(**given(LetterInput, request), actor=self.actor)
        return Response(LetterOutput(row).data, status=201)


class PaperOutput(serializers.ModelSerializer[HandwrittenSignature]):
    scan = serializers.CharField(source="scan_id", read_only=True, help_text="SHA-256")
    meaning = serializers.CharField(read_only=True)

    class Meta:
        model = HandwrittenSignature
        fields = (
            "id", "subject_type", "subject_id", "printed_name", "meaning", "executed_on", "scan", "uploaded_by_id",
            "verification_id",
        )  # fmt: skip
        read_only_fields = fields


class PaperInput(serializers.Serializer[Any]):
    subject_type = serializers.CharField(max_length=60, help_text="As streams are named: devices.device")
    subject_id = serializers.IntegerField(min_value=1)
    printed_name = serializers.CharField(max_length=310)
    meaning = serializers.RegexField(
        f"^({'|'.join(one.value for one in Meaning if one not in SELDOM)})$",
        help_text="As a signature has it",
    )
    executed_on = serializers.DateField()
    scan = serializers.FileField(help_text="PDF, PNG or JPEG")


class PaperViewSet(Acting, GenericViewSet[HandwrittenSignature]):
    """Scans of papers that were signed by hand; each stands once a second person has verified it (ES-20)."""

    permits: ClassVar[Mapping[str, str]] = {
        "list": "mes.upload_handwritten",
        "create": "mes.upload_handwritten",
        "to_sign": "mes.verify_handwritten",
        "verify": "mes.verify_handwritten",
    }
    parser_classes = (ShallowJSONParser, MultiPartParser)
    serializer_class = PaperOutput
    lookup_value_regex = NUMBER
    queryset = HandwrittenSignature.objects.order_by("pk")

    @extend_schema(responses=PaperOutput(many=True))
    def list(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(PaperOutput(page, many=True).data)

    @extend_schema(request=PaperInput, responses={201: PaperOutput})
    def create(self, request: Request) -> Response:
        values = given(PaperInput, request)
        kind, key = values.pop("subject_type"), str(values.pop("subject_id"))
        if kind not in ROOTS:
            raise InvalidInput("There is no such kind of record.", cure="Name it as streams do.")
        try:
            subject = record_of(kind, key)
        except LookupError:
            raise Http404 from None
        scan = values.pop("scan").read()
        meaning = Meaning(values.pop("meaning"))
        row = upload_handwritten(**values, subject=subject, scan=scan, meaning=meaning, actor=self.actor)
        return Response(PaperOutput(row).data, status=201)

    @extend_schema(request=NoInput, responses=ToSignOutput)
    @action(detail=True, methods=["post"], url_path="to-sign")
    def to_sign(self, request: Request, pk: str) -> Response:
        """What the second person signs, and its digest."""
        return to_sign(true_copy_content(self.get_object()))

    @extend_schema(request=SigningInput, responses=PaperOutput)
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        row = verify_handwritten(handwritten_id=int(pk), actor=self.actor, credentials=typed)
        return Response(PaperOutput(row).data)

"""One signature with everything it says, taking it back, and papers that were signed by hand (ES-09, ES-18, ES-20)."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

from django.contrib import messages
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST

from mes.api.actors import actor_of, viewer_behind
from mes.choices import Meaning
from mes.dashboard.find import CODE, KINDS
from mes.dashboard.naming import with_names
from mes.dashboard.navigation import roles_behind
from mes.dashboard.records import subject_of
from mes.dashboard.routes import gone_to
from mes.dashboard.signing import shown_content, signing_context, typed_credentials
from mes.exceptions import InvalidInput
from mes.files import File, taken
from mes.models import HandwrittenSignature, Signature
from mes.permissions import PERMISSIONS, may, require
from mes.scope import may_know_record
from mes.services.signing_handwritten import (
    SELDOM,
    true_copy_content,
    upload_handwritten,
    verify_handwritten,
)
from mes.services.signing_withdrawal import can_be_withdrawn, withdraw_signature, withdrawal_content
from mes.signing_seal import verify_signature

PER_PAGE = 100


def _signature(request: HttpRequest, number: int) -> Signature:
    """A signature, for who gave it and for those who may know what it is about. Raises Http404 (P11-10d)."""
    row = get_object_or_404(Signature.objects.select_related("withdrawal__signature"), pk=number)
    viewer = viewer_behind(request)
    own = viewer.person_id is not None and row.person_id == viewer.person_id
    if not own and not may_know_record(viewer, row.subject_type, row.subject_id):
        raise Http404
    return row


def signature_page(request: HttpRequest, number: int) -> HttpResponse:
    """What was signed, by whom and how, and what it is worth today."""
    row = _signature(request, number)
    own = getattr(request.user, "person_id", None) == row.person_id
    may_withdraw = own or may(actor_of(request), "mes.withdraw_signature")
    context: dict[str, Any] = {
        "signature": row,
        "subject": subject_of(row.subject_type, row.subject_id),
        "content": with_names([json.loads(row.content)])[0],
        "standing": verify_signature(row),
        "withdrawal": getattr(row, "withdrawal", None),
        "may_withdraw": may_withdraw and can_be_withdrawn(row),
    }
    return render(request, "mes/signature.html", context)


@sensitive_post_parameters("password")
def signature_withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """The dialog that takes a signature back: GET shows what is signed, POST signs it."""
    row = _to_withdraw(request, number)
    if request.method == "POST":
        withdraw_signature(
            signature_id=row.pk,
            reason=request.POST.get("reason", "").strip()[:2000],
            actor=actor_of(request),
            credentials=typed_credentials(request),
        )
        messages.success(request, "The signature is withdrawn. It stays in the record, with the reason.")
        return gone_to(request, reverse("signature", args=[row.pk]))
    return render(
        request,
        "mes/withdraw.html",
        {
            "signature": row,
            **shown_content(withdrawal_content(row, "")),
            **signing_context(request, Meaning.WITHDRAWN, frozenset({"reason"})),
        },
    )


@require_POST
@sensitive_post_parameters("password")
def signature_withdraw_preview(request: HttpRequest, number: int) -> HttpResponse:
    """What would be signed with the reason typed so far."""
    row = _to_withdraw(request, number)
    shown = shown_content(withdrawal_content(row, request.POST.get("reason", "")[:2000]))
    return render(request, "mes/parts/signed.html", {**shown, **signing_context(request, Meaning.WITHDRAWN)})


def _to_withdraw(request: HttpRequest, number: int) -> Signature:
    row = _signature(request, number)
    if row.person_id != actor_of(request).person_id:
        require(actor_of(request), "mes.withdraw_signature")
    return row


def _roles_for(action: str, request: HttpRequest) -> bool:
    return bool(PERMISSIONS[action].roles & roles_behind(request))


def handwritten(request: HttpRequest) -> HttpResponse:
    """Every scan of a signed paper: those that wait for a second person first. They are of every order (P11-10d)."""
    if not viewer_behind(request).every_order:
        require(actor_of(request), "mes.upload_handwritten")
    rows = HandwrittenSignature.objects.select_related(
        "uploaded_by", "verification__withdrawal", "scan"
    ).order_by("-verification_id", "-pk")
    shown = sorted(rows[:PER_PAGE], key=lambda row: (row.verification_id is not None, -row.pk))
    context: dict[str, Any] = {
        "rows": [(row, subject_of(row.subject_type, row.subject_id)) for row in shown],
        "may_upload": _roles_for("mes.upload_handwritten", request),
        "may_verify": _roles_for("mes.verify_handwritten", request),
        "me": getattr(request.user, "person_id", None),
        "meanings": [(one.value, one.label) for one in Meaning if one not in SELDOM],
        "code": request.GET.get("code", "")[:20],
        "more": max(0, rows.count() - len(shown)),
    }
    return render(request, "mes/handwritten.html", context)


@require_POST
def handwritten_upload(request: HttpRequest) -> HttpResponse:
    require(actor_of(request), "mes.upload_handwritten")
    subject = _subject_of_code(request.POST.get("code", ""))
    try:
        executed_on = date.fromisoformat(request.POST.get("executed_on", ""))
        meaning = Meaning(request.POST.get("meaning", ""))
    except ValueError:
        raise InvalidInput("The day or the meaning is missing.", cure="Fill both in.") from None
    scan = request.FILES.get("scan")
    if scan is None:
        raise InvalidInput("No scan was sent.", cure="Choose the file.", rule="ES-20")
    upload_handwritten(
        subject=subject,
        printed_name=request.POST.get("printed_name", ""),
        meaning=meaning,
        executed_on=executed_on,
        scan=scan.read(),
        actor=actor_of(request),
    )
    messages.success(request, "The scan is in. A second person verifies it as a true copy.")
    return gone_to(request, reverse("handwritten"))


def _subject_of_code(code: str) -> Model:
    """The record that a public code names."""
    found = CODE.match(code)
    model = KINDS[found[1].upper()][0] if found and found[1].upper() in KINDS else None
    row = model._default_manager.filter(pk=int(found[2])).first() if model and found else None
    if row is None:
        raise InvalidInput("No record has this code.", cure="Type a code such as D0000001 or O0000001.")
    return row


@sensitive_post_parameters("password")
def handwritten_verify(request: HttpRequest, number: int) -> HttpResponse:
    """The scan beside what is signed about it: GET shows, POST signs."""
    row = get_object_or_404(HandwrittenSignature.objects.select_related("scan"), pk=number)
    require(actor_of(request), "mes.verify_handwritten")
    if request.method == "POST":
        verify_handwritten(
            handwritten_id=row.pk,
            actor=actor_of(request),
            credentials=typed_credentials(request),
        )
        messages.success(request, "Verified as a true copy.")
        return gone_to(request, reverse("handwritten"))
    return render(
        request,
        "mes/handwritten_verify.html",
        {
            "row": row,
            "subject": subject_of(row.subject_type, row.subject_id),
            **shown_content(true_copy_content(row)),
            **signing_context(request, Meaning.VERIFIED),
        },
    )


def handwritten_scan(request: HttpRequest, number: int) -> HttpResponseBase:
    """The scan itself, checked against its digest (G-INT-01), for those who bring or verify one."""
    if not may(actor_of(request), "mes.verify_handwritten"):
        require(actor_of(request), "mes.upload_handwritten")
    row = get_object_or_404(HandwrittenSignature.objects.select_related("scan"), pk=number)
    name = f"{row.scan_id[:12]}.{row.scan.media_type.rpartition('/')[2]}"
    file = File(name, row.scan_id, row.scan.size, row.scan.media_type)
    return taken(file, subject=row, actor=actor_of(request))

"""Devices over HTTP: images in, segmentation and design decided, files out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from devices.api.drafts import DraftOutput
from devices.api.external import ExternalSegmentationActions
from devices.api.external_designs import ExternalDesignActions
from devices.api.outputs import (
    DesignOutput,
    DeviceDetail,
    DeviceOutput,
    PlanOutput,
    SegmentationOutput,
    StudyOutput,
)
from devices.api.review import ReviewActions
from devices.api.series import SeriesActions
from devices.api.uploads import ConfirmInput, UploadInput, declared_in, held_for_signature, laid_down
from devices.choices import DraftPurpose, ExportFormat
from devices.models import Device
from devices.selectors.devices import devices
from devices.selectors.history import device_timeline
from devices.services.designs import (
    approve_design,
    approve_model,
    check_design,
    request_design,
    review_design,
)
from devices.services.drafts import open_draft
from devices.services.exporting import request_export
from devices.services.held import confirm_upload
from devices.services.holds import hold_device, resume_device
from devices.services.lifecycle import check_transition
from devices.services.plans import approve_plan, draft_plan, reject_plan
from devices.services.segmentations import approve_segmentation, reject_segmentation, start_segmentation
from devices.services.signing import SIGNED_VERBS, content_to_sign
from devices.services.studies import receive_study
from devices.services.voiding import void_design
from mes.api.base import LiftInput, ReasonInput, SigningInput, ValuesField, credentials_in, given
from mes.api.files import FilesViewSet
from mes.eventlog.base import plain
from mes.permissions import require
from mes.services.signatures import content_digest

TIMELINE_LIMIT = 500


class SegmentationInput(serializers.Serializer[Any]):
    parameters = ValuesField(
        required=False,
        default=dict,
        help_text="Those that the master leaves open, such as lower_hu and upper_hu",
    )


class PlanInput(serializers.Serializer[Any]):
    content = ValuesField(help_text="As the master's kind of plan takes it; LPS mm and unit vectors")
    reader = serializers.IntegerField(
        min_value=1, help_text="The person who reads the images again and approves it"
    )


class PlanApprovalInput(SigningInput):
    counted = serializers.CharField(
        max_length=10,
        required=False,
        default="",
        allow_blank=True,
        help_text="The level that the reader counted",
    )


class OpenDraftInput(serializers.Serializer[Any]):
    purpose = serializers.ChoiceField(
        choices=DraftPurpose.choices, required=False, default=DraftPurpose.SEGMENTATION
    )


class DesignInput(serializers.Serializer[Any]):
    values = ValuesField(required=False, default=dict)


class DesignExportInput(serializers.Serializer[Any]):
    format = serializers.ChoiceField(choices=ExportFormat.choices)
    tolerance_mm = serializers.FloatField(required=False, default=0.0)


class DeviceViewSet(
    SeriesActions, ExternalSegmentationActions, ExternalDesignActions, ReviewActions, FilesViewSet
):
    """Devices, their images, segmentations and designs."""

    permits: ClassVar[Mapping[str, str]] = {
        "studies": "devices.receive_study",
        "choose_series": "devices.receive_study",
        "confirm_images": "devices.receive_study",
        "start_segmentation": "devices.start_segmentation",
        "external_segmentation": "devices.start_segmentation",
        "choose_segments": "devices.start_segmentation",
        "link_segmentation": "devices.start_segmentation",
        "open_draft": "devices.edit_segmentation",
        "approve_segmentation": "devices.approve_segmentation",
        "reject_segmentation": "devices.reject_segmentation",
        "draft_plan": "devices.draft_plan",
        "approve_plan": "devices.approve_plan",
        "reject_plan": "devices.reject_plan",
        "request_design": "devices.request_design",
        "external_design": "devices.request_design",
        "request_external_design": "devices.request_design",
        "review_design": "devices.review_design",
        "check_design": "devices.check_design",
        "reject_design": "devices.reject_design",
        "approve_design": "devices.approve_design",
        "approve_model": "devices.approve_model",
        "compare_designs": "devices.compare_designs",
        "differences": "devices.read_artefact",
        "export_design": "devices.export_design",
        "void_design": "devices.void_design",
        "hold": "devices.hold_device",
        "resume": "devices.resume_device",
        "events": "devices.read_history",
        "artefacts": "devices.read_artefact",
    }
    letter = "D"
    page = "device"
    serializer_class = DeviceOutput
    filterset_fields = ("stage", "phase", "held", "order", "need_by")
    queryset = Device.objects.none()

    def rows(self) -> QuerySet[Device]:
        return devices()

    @extend_schema(responses=DeviceDetail)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return Response(DeviceDetail(self.get_object()).data)

    @extend_schema(request={"multipart/form-data": UploadInput}, responses={202: StudyOutput})
    @action(detail=True, methods=["post"], parser_classes=[MultiPartParser])
    def studies(self, request: Request, code: str) -> Response:
        """Send in images: the files of a series, a zip, or one NIfTI. The answer comes before they are read.

        With `link_confirmed` it is what has to be signed at `confirm-images`, its digest, and the token of the upload. Of several
        usable series it is the token and `series`, what each is: a person chooses one at `choose-series`. A surface scan names nobody:
        it is signed for like images without identifiers.
        """
        values = given(UploadInput, request)
        declared = declared_in(values)
        with laid_down(request.FILES.getlist("files")) as upload:
            if declared is not None:
                device = self.get_object()
                return Response(held_for_signature(device, upload, self.actor, declared), status=202)
            if values["link_confirmed"]:
                return Response(self._held(upload), status=202)
            if not values["series"] and (offered := self.to_choose_from(upload)):
                return Response(offered, status=202)
            study = receive_study(
                device_id=self.key(), upload=upload, actor=self.actor, series=values["series"]
            )
        return Response(StudyOutput(study).data, status=202)

    def _held(self, upload: Path) -> dict[str, Any]:
        offered = self.to_choose_from(upload, hold=False)
        return {**held_for_signature(self.get_object(), upload, self.actor), **offered}

    @extend_schema(request=ConfirmInput, responses={202: StudyOutput})
    @action(detail=True, methods=["post"], url_path="confirm-images")
    def confirm_images(self, request: Request, code: str) -> Response:
        """Sign that the images without identifiers that `studies` took into quarantine are this patient's."""
        values = given(ConfirmInput, request)
        study = confirm_upload(
            device=self.get_object(),
            token=values["upload"],
            actor=self.actor,
            credentials=credentials_in(values),
            series=values["series"],
        )
        return Response(StudyOutput(study).data, status=202)

    @extend_schema(request=SegmentationInput, responses=DeviceDetail)
    @action(detail=True, methods=["post"], url_path="start-segmentation")
    def start_segmentation(self, request: Request, code: str) -> Response:
        """Segment the accepted images, with the master's parameters but for those that are given."""
        chosen = given(SegmentationInput, request)["parameters"]
        start_segmentation(device_id=self.key(), actor=self.actor, parameters=chosen)
        return self._detail()

    @extend_schema(request=OpenDraftInput, responses=DraftOutput)
    @action(detail=True, methods=["post"], url_path="open-draft")
    def open_draft(self, request: Request, code: str) -> Response:
        """Begin to segment step by step, or to read the segmentation again; yours that is open is taken up."""
        purpose = DraftPurpose(given(OpenDraftInput, request)["purpose"])
        return Response(DraftOutput(open_draft(device_id=self.key(), actor=self.actor, purpose=purpose)).data)

    @extend_schema(request=SigningInput, responses=SegmentationOutput)
    @action(detail=True, methods=["post"], url_path="approve-segmentation")
    def approve_segmentation(self, request: Request, code: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        made = approve_segmentation(device_id=self.key(), actor=self.actor, credentials=typed)
        return Response(SegmentationOutput(made).data)

    @extend_schema(request=ReasonInput, responses=SegmentationOutput)
    @action(detail=True, methods=["post"], url_path="reject-segmentation")
    def reject_segmentation(self, request: Request, code: str) -> Response:
        reason = given(ReasonInput, request)["reason"]
        made = reject_segmentation(device_id=self.key(), actor=self.actor, reason=reason)
        return Response(SegmentationOutput(made).data)

    @extend_schema(request=PlanInput, responses={201: PlanOutput})
    @action(detail=True, methods=["post"], url_path="draft-plan")
    def draft_plan(self, request: Request, code: str) -> Response:
        """Write the next revision of the clinical plan; what was made from the one before is voided."""
        values = given(PlanInput, request)
        plan = draft_plan(
            device_id=self.key(), content=values["content"], reader_id=values["reader"], actor=self.actor
        )
        return Response(PlanOutput(plan).data, status=201)

    @extend_schema(request=PlanApprovalInput, responses=PlanOutput)
    @action(detail=True, methods=["post"], url_path="approve-plan")
    def approve_plan(self, request: Request, code: str) -> Response:
        """The reader named in the plan signs it, naming the level that they counted themselves."""
        values = given(PlanApprovalInput, request)
        plan = approve_plan(
            device_id=self.key(),
            counted=values["counted"],
            actor=self.actor,
            credentials=credentials_in(values),
        )
        return Response(PlanOutput(plan).data)

    @extend_schema(request=ReasonInput, responses=PlanOutput)
    @action(detail=True, methods=["post"], url_path="reject-plan")
    def reject_plan(self, request: Request, code: str) -> Response:
        reason = given(ReasonInput, request)["reason"]
        return Response(PlanOutput(reject_plan(device_id=self.key(), actor=self.actor, reason=reason)).data)

    @extend_schema(request=DesignInput, responses={202: DesignOutput})
    @action(detail=True, methods=["post"], url_path="request-design")
    def request_design(self, request: Request, code: str) -> Response:
        values = given(DesignInput, request)["values"]
        design = request_design(device_id=self.key(), values=values, actor=self.actor)
        return Response(DesignOutput(design).data, status=202)

    @extend_schema(request=SigningInput, responses=DesignOutput)
    @action(detail=True, methods=["post"], url_path="review-design")
    def review_design(self, request: Request, code: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        return Response(
            DesignOutput(review_design(device_id=self.key(), actor=self.actor, credentials=typed)).data
        )

    @extend_schema(request=SigningInput, responses=DesignOutput)
    @action(detail=True, methods=["post"], url_path="check-design")
    def check_design(self, request: Request, code: str) -> Response:
        """As `review-design`, by a medical physicist, where the device master names one."""
        typed = credentials_in(given(SigningInput, request))
        return Response(
            DesignOutput(check_design(device_id=self.key(), actor=self.actor, credentials=typed)).data
        )

    @extend_schema(request=SigningInput, responses=DesignOutput)
    @action(detail=True, methods=["post"], url_path="approve-design")
    def approve_design(self, request: Request, code: str) -> Response:
        typed = credentials_in(given(SigningInput, request))
        return Response(
            DesignOutput(approve_design(device_id=self.key(), actor=self.actor, credentials=typed)).data
        )

    @extend_schema(request=SigningInput, responses=DesignOutput)
    @action(detail=True, methods=["post"], url_path="approve-model")
    def approve_model(self, request: Request, code: str) -> Response:
        """As `approve-design`, by a clinical reviewer, for a model that needs no prescriber."""
        typed = credentials_in(given(SigningInput, request))
        return Response(
            DesignOutput(approve_model(device_id=self.key(), actor=self.actor, credentials=typed)).data
        )

    @extend_schema(request=DesignExportInput, responses={202: DeviceDetail})
    @action(detail=True, methods=["post"], url_path="export-design")
    def export_design(self, request: Request, code: str) -> Response:
        """Convert the current design. The answer comes before it is made; the file is then listed with the device's."""
        request_export(device_id=self.key(), actor=self.actor, **given(DesignExportInput, request))
        return Response(DeviceDetail(self.get_object()).data, status=202)

    @extend_schema(request=ReasonInput, responses=DeviceDetail)
    @action(detail=True, methods=["post"], url_path="void-design")
    def void_design(self, request: Request, code: str) -> Response:
        void_design(device_id=self.key(), actor=self.actor, reason=given(ReasonInput, request)["reason"])
        return self._detail()

    @extend_schema(request=ReasonInput, responses=DeviceDetail)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, code: str) -> Response:
        hold_device(device_id=self.key(), actor=self.actor, reason=given(ReasonInput, request)["reason"])
        return self._detail()

    @extend_schema(request=LiftInput, responses=DeviceDetail)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, code: str) -> Response:
        """Lift one hold; `hold` is its id, needed where several are open."""
        resume_device(device_id=self.key(), actor=self.actor, **given(LiftInput, request))
        return self._detail()

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"], url_path="check/(?P<transition>[a-z_]{1,40})")
    def check(self, request: Request, code: str, transition: str) -> Response:
        """Every gate of a move or point, asked without moving."""
        results = check_transition(self.get_object(), transition, self.actor)
        gates = [result.as_payload() for result in results]
        return Response({"passed": all(result.passed for result in results), "gates": gates})

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"], url_path=f"to-sign/(?P<verb>{'|'.join(SIGNED_VERBS)})")
    def to_sign(self, request: Request, code: str, verb: str) -> Response:
        """The exact content that a signature will cover, and its digest: show the one, send the other."""
        content = content_to_sign(self.get_object(), verb)
        return Response({"content": plain(content), "digest": content_digest(content)})

    @extend_schema(responses={200: OpenApiTypes.OBJECT})
    @action(detail=True, methods=["get"])
    def events(self, request: Request, code: str) -> Response:
        """What happened, oldest first."""
        require(self.actor, "devices.read_history")
        records = device_timeline(self.get_object())[:TIMELINE_LIMIT]
        return Response([
            {
                "version": record.version,
                "type": record.type,
                "actor": record.actor,
                "reason": record.reason,
                "recorded_at": record.recorded_at,
                "payload": json.loads(record.payload),
            }
            for record in records
        ])  # fmt: skip

    def _detail(self) -> Response:
        return Response(DeviceDetail(self.get_object()).data)

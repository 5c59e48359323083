"""Print jobs and printer commands over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from mes.api.base import CodeViewSet, NoInput, ReasonInput, Scoped, given
from printing.api.outputs import CommandOutput, JobOutput
from printing.models import PrinterCommand, PrintJob
from printing.selectors.jobs import commands, jobs
from printing.services.commands import settle_command
from printing.services.jobs import cancel_job, pause_job, resume_job, settle_job, start_job


class OutcomeInput(ReasonInput):
    outcome = serializers.ChoiceField(["printing", "finished", "failed", "cancelled"])


class HappenedInput(ReasonInput):
    happened = serializers.BooleanField()


class JobViewSet(CodeViewSet):
    """Print jobs. They are made by dispatching a build."""

    permits: ClassVar[Mapping[str, str]] = {
        "start": "printing.operate_printer",
        "pause": "printing.operate_printer",
        "resume": "printing.operate_printer",
        "cancel": "printing.operate_printer",
        "settle": "printing.operate_printer",
    }
    letter = "J"
    serializer_class = JobOutput
    filterset_fields = ("state", "printer", "build")
    queryset = PrintJob.objects.none()

    def rows(self) -> QuerySet[PrintJob]:
        return jobs()

    @extend_schema(request=NoInput, responses=JobOutput)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, code: str) -> Response:
        start_job(job_id=self.get_object().pk, actor=self.actor)
        return self._said()

    @extend_schema(request=ReasonInput, responses=JobOutput)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, code: str) -> Response:
        return self._for_a_reason(pause_job, request)

    @extend_schema(request=ReasonInput, responses=JobOutput)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, code: str) -> Response:
        return self._for_a_reason(resume_job, request)

    @extend_schema(request=ReasonInput, responses=JobOutput)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, code: str) -> Response:
        return self._for_a_reason(cancel_job, request)

    @extend_schema(request=OutcomeInput, responses=JobOutput)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, code: str) -> Response:
        """Say what became of an uncertain print."""
        settle_job(job_id=self.get_object().pk, actor=self.actor, **given(OutcomeInput, request))
        return self._said()

    def _for_a_reason(self, service: Callable[..., object], request: Request) -> Response:
        service(job_id=self.get_object().pk, actor=self.actor, **given(ReasonInput, request))
        return self._said()

    def _said(self) -> Response:
        return Response(JobOutput(self.get_object()).data)


class CommandViewSet(Scoped, ReadOnlyModelViewSet[PrinterCommand]):
    """Physical commands and what became of them."""

    permits: ClassVar[Mapping[str, str]] = {
        "settle": "printing.operate_printer",
    }
    serializer_class = CommandOutput
    lookup_field = "uid"
    lookup_value_regex = "[0-9a-f-]{36}"
    filterset_fields = ("state", "kind", "printer", "job")
    queryset = PrinterCommand.objects.none()

    def rows(self) -> QuerySet[PrinterCommand]:
        return commands()

    @extend_schema(request=HappenedInput, responses=CommandOutput)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, uid: str) -> Response:
        """Say whether an uncertain command had its effect."""
        command = self.get_object()
        settle_command(command_id=command.pk, actor=self.actor, **given(HappenedInput, request))
        return Response(CommandOutput(self.get_object()).data)

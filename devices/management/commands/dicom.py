"""Take images from registered senders by DICOM C-STORE, until told to stop."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from devices.services.dicomservice import DicomService, Listening
from mes.stopping import stop_on_signals


class Command(BaseCommand):
    help = __doc__

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DICOM_PORT:
            raise CommandError("No port is set. Set LAMINA_DICOM_PORT, for example to 11112.")
        stop = stop_on_signals()
        service = DicomService(
            Listening(
                settings.DICOM_HOST, settings.DICOM_PORT, settings.DICOM_TITLE, settings.DICOM_ASSOCIATIONS
            )
        )
        try:
            service.start()
        except OSError as error:
            raise CommandError(
                f"{settings.DICOM_HOST}:{settings.DICOM_PORT} cannot be listened at ({error.strerror})."
            ) from None
        self.stdout.write("dicom: ready")
        self.stdout.flush()
        service.run(stop)

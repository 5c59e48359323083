"""Files of a request on their way to a service, under names of our own in a folder that is gone afterwards; and what is said of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from rest_framework import serializers

from devices.imaging.scans import Declared
from devices.mesh.scan import MM_PER_UNIT
from devices.models import Device
from devices.services.held import content_to_confirm, hold_upload, shown_held
from mes.api.base import SigningInput
from mes.eventlog.base import Actor, plain
from mes.exceptions import InvalidInput
from mes.services.signatures import content_digest

SIGNED_WITH = frozenset({"username", "password", "assertion", "digest", "meaning"})


@contextmanager
def laid_down(files: Sequence[UploadedFile[bytes]]) -> Iterator[Path]:
    """One path for what was sent: the file, or a folder of numbered files. A name that was sent is never used.

    Raises InvalidInput where nothing was sent.
    """
    if not files:
        raise InvalidInput(
            "No file was sent.", cure="Attach the series, a zip or a NIfTI file.", rule="G-IMG-01"
        )
    settings.QUARANTINE_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".upload-", dir=settings.QUARANTINE_DIR) as scratch:
        folder = Path(scratch) / "files"
        folder.mkdir()
        paths = [folder / f"{number:06d}" for number in range(1, len(files) + 1)]
        for file, path in zip(files, paths, strict=True):
            with path.open("wb") as target:
                shutil.copyfileobj(file, target)
        yield paths[0] if len(paths) == 1 else folder


class ScanInput(serializers.Serializer[Any]):
    """What is said of a surface scan, and what makes an upload one."""

    unit = serializers.CharField(
        required=False,
        default="",
        allow_blank=True,
        max_length=4,
        help_text=f"Of a surface scan that does not state its own: {', '.join(MM_PER_UNIT)}",
    )
    axes = serializers.CharField(
        required=False,
        default="",
        max_length=3,
        help_text="Of a surface scan, which makes it one: towards what x, y and z grow, such as LPS; `own` where nobody knows",
    )
    scanned_on = serializers.DateField(required=False, default=None, help_text="Of a surface scan: its day")


class UploadInput(ScanInput):
    files = serializers.ListField(child=serializers.FileField(), required=False)
    link_confirmed = serializers.BooleanField(
        required=False,
        default=False,
        help_text="The images carry no identifiers: they wait in quarantine until `confirm-images` signs for them",
    )

    series = serializers.CharField(
        required=False,
        default="",
        max_length=64,
        help_text="Which series, where the upload holds several: its key. Without one they are answered, to choose from",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Nobody signs for images whose digest was not shown yet (ES-19)."""
        if SIGNED_WITH & set(self.initial_data):
            raise InvalidInput(
                "Images are not signed for in the step that sends them.",
                cure="Send them with link_confirmed alone, read the digest in the answer, and sign it at confirm-images.",
                rule="ES-19",
            )
        return attrs


class ConfirmInput(SigningInput):
    upload = serializers.CharField(max_length=500, help_text="The token that `studies` answered")
    digest = serializers.RegexField(r"^[0-9a-f]{64}$", help_text="The digest that `studies` answered")
    series = serializers.CharField(required=False, default="", max_length=64, help_text="As for `studies`")


def declared_in(values: Mapping[str, Any]) -> Declared | None:
    """What was said of a surface scan; None for images, of which nothing of the kind is said."""
    said = Declared(values["unit"], values["axes"], values["scanned_on"])
    return said if said != Declared() else None


def held_for_signature(
    device: Device, upload: Path, actor: Actor, declared: Declared | None = None
) -> dict[str, Any]:
    """An upload that names nobody waits in quarantine: its token, what it is, and what has to be signed for it at `confirm-images`."""
    token = hold_upload(upload, device, actor, declared)
    content = content_to_confirm(token, device, actor)
    signed = {"content": plain(content), "digest": content_digest(content)}
    return {"upload": token, "seen": shown_held(token, device, actor), **signed}

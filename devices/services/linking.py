"""Whose a segmentation is that names nobody: a named person says so by signature, over exactly that file and those images (G-ORD-05)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from devices.imaging.base import Finding
from devices.models import Device, Segmentation, Study
from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.exceptions import InvalidInput, Reason
from mes.models import Signature
from mes.services.signatures import Credentials, sign
from mes.standing import stands_for

RULE = "G-ORD-05"
UNLINKED = Finding(
    RULE,
    "error",
    "The segmentation names no patient, and no signature that stands says whose it is.",
    "Send it in again, and confirm by signature that it is this patient's.",
)


class LinkNeeded(InvalidInput):
    """A file that names no patient was to be taken, and nobody has signed whose it is."""

    def __init__(self) -> None:
        super().__init__(
            "The segmentation carries no patient identifiers, so that nothing shows whose it is.",
            cure="Confirm by signature that it is this patient's, or export it with the patient's identifiers as a DICOM SEG.",
            rule=RULE,
        )


def link_of_segmentation(device: Device, study: Study, upload_digest: str) -> dict[str, Any]:
    """What is signed: that this file is a segmentation of these images, which are this patient's."""
    return {
        "record": "link of a segmentation to a patient",
        "device": device.code,
        "patient": device.order.patient.token,
        "images": study.volume_id,
        "upload": upload_digest,
    }


def sign_link(
    device: Device, study: Study, upload_digest: str, actor: Actor, credentials: Credentials | None
) -> Signature:
    """Part of the calling service's unit. Raises LinkNeeded without credentials, InvalidInput where the digest was not shown, and what
    `sign` raises."""
    if credentials is None:
        raise LinkNeeded
    return sign(
        subject=device,
        content=link_of_segmentation(device, study, upload_digest),
        meaning=Meaning.VERIFIED,
        actor=actor,
        credentials=credentials,
    )  # fmt: skip


def is_linked(study: Study, link: Mapping[str, Any] | None) -> bool:
    """Whether a signature that stands says that a file is of a study's patient.  link: the number of the signature, and the digest of the file."""
    if link is None:
        return False
    signature = Signature.objects.filter(pk=link["signature"]).first()
    content = link_of_segmentation(study.device, study, link["upload"])
    return stands_for(signature, content)


def against_link(segmentation: Segmentation) -> Reason | None:
    """Why nothing shows whose a segmentation of another program is; None where its identifiers or a signature do."""
    said = segmentation.parameters["mask"]
    if said["matched"] or is_linked(segmentation.study, said.get("link")):
        return None
    return Reason(UNLINKED.message, f"Reject it. {UNLINKED.cure}", RULE)

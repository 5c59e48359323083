"""Drafts of segmentations, second readings, and which files of a device are volumes and masks. Nothing here writes."""

from __future__ import annotations

from devices.choices import DraftPurpose, DraftStatus
from devices.models import Device, Segmentation, SegmentationDraft


def draft_of(device: Device, person_id: int | None) -> SegmentationDraft | None:
    """The draft that a person has open for a device."""
    mine = SegmentationDraft.objects.filter(device=device, author=person_id, status=DraftStatus.OPEN)
    return mine.select_related("progress", "device").first() if person_id else None


def readings_of(segmentation: Segmentation) -> list[SegmentationDraft]:
    """The finished second readings of a segmentation, the oldest first."""
    read = SegmentationDraft.objects.filter(
        segmentation=segmentation, purpose=DraftPurpose.READING, status=DraftStatus.FINISHED
    )
    return list(read.select_related("author").order_by("pk"))


def volume_known(device: Device, sha256: str) -> bool:
    """Whether a file is a volume of the device's images."""
    return device.studies.filter(volume=sha256).exists()


def mask_known(device: Device, sha256: str) -> str:
    """The volume that a mask of the device was made from; empty where it is none of its masks."""
    segmentation = device.segmentations.filter(mask=sha256).select_related("study").first()
    if segmentation is not None:
        return str(segmentation.study.volume_id)
    draft = (
        SegmentationDraft.objects.filter(device=device, masks__contains=[sha256])
        .select_related("study")
        .first()
    )
    return str(draft.study.volume_id) if draft is not None else ""

"""What a device master takes as the source of a case, and by which section of it that is segmented."""

from __future__ import annotations

from typing import Any

from devices.models import DeviceMaster, Study

VOLUME, SURFACE = "volume", "surface"
SOURCES = {VOLUME: "cross-sectional images", SURFACE: "surface scans"}


def sources_of(master: DeviceMaster) -> tuple[str, ...]:
    """A master that does not say takes cross-sectional images alone."""
    return tuple(master.imaging.get("sources", (VOLUME,)))


def is_scan(study: Study | None) -> bool:
    """Whether it was sent in as a surface scan, read or not."""
    return study is not None and study.declared is not None


def segmentation_section(master: DeviceMaster, study: Study | None) -> dict[str, Any]:
    """Segmenter, parameters and limits for what the case begins with."""
    section: dict[str, Any] = master.segmentation
    return dict(section["scan"]) if is_scan(study) else section

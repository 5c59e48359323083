"""Slices of a device's images and masks, one at a time, for whatever page shows them: addressed by the digest of what they are cut from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.views.decorators.http import require_GET

from devices.imaging.base import Volume
from devices.imaging.slices import hu_slice, mask_slice, screen_geometry
from devices.imaging.storage import StoredFileRefused, map_mask, map_volume
from devices.models import Device
from devices.selectors.drafts import mask_known, volume_known
from mes.api.actors import actor_of
from mes.dashboard.devices import device_by
from mes.exceptions import Refused
from mes.permissions import require
from mes.services.artefacts import lately_intact_path


def slices_shown(device: Device, volume: str) -> dict[str, Any]:
    """What a page needs to show the slices of a volume, by its digest. Raises Refused for a file that is altered (G-INT-01)."""
    return {
        "geometry": screen_geometry(_laid_over(volume)),
        "slices": _address("device-slice", device, volume),
    }


def mask_address(device: Device, sha256: str) -> str:
    return _address("device-mask", device, sha256)


def _address(name: str, device: Device, sha256: str) -> str:
    """Of the first axial slice; the page puts in the plane and the number."""
    return reverse(name, args=[device.code, sha256, "axial", 0])


@require_GET
def device_slice(request: HttpRequest, code: str, sha256: str, plane: str, index: int) -> HttpResponse:
    """HU of one slice, int16, little-endian, row by row as the screen has it."""
    device = _looked_at(request, code)
    if not volume_known(device, sha256):
        raise Http404
    what = (sha256, plane, index)
    return _cut(request, what, lambda: hu_slice(_laid_over(sha256), plane, index).tobytes())


@require_GET
def device_mask(request: HttpRequest, code: str, sha256: str, plane: str, index: int) -> HttpResponse:
    """One slice of a mask, a bit a voxel, row by row as the screen has it."""
    device = _looked_at(request, code)
    volume = mask_known(device, sha256)
    if not volume:
        raise Http404

    def bits() -> bytes:
        found = mask_slice(map_mask(lately_intact_path(sha256)), _laid_over(volume), plane, index)
        return np.packbits(found).tobytes()

    return _cut(request, (sha256, plane, index), bits)


def _laid_over(sha256: str) -> Volume:
    """A volume with its voxels in its file. Raises Refused for a file that is altered, or that is no volume (G-INT-01)."""
    try:
        return map_volume(lately_intact_path(sha256))
    except StoredFileRefused as fault:
        raise Refused(
            f"The stored volume cannot be shown: {fault}.", cure="Send in the images again.", rule="G-INT-01"
        ) from fault


def _looked_at(request: HttpRequest, code: str) -> Device:
    device = device_by(request, code)
    require(actor_of(request), "devices.read_artefact", device)
    return device


def _cut(request: HttpRequest, what: tuple[str, str, int], content: Callable[[], bytes]) -> HttpResponse:
    """The browser keeps a slice, and asks again before it shows it to anybody: rights end, digests do not change."""
    tag = f'"{what[0]}-{what[1]}-{what[2]}"'
    if request.headers.get("If-None-Match") == tag:
        answer = HttpResponse(status=304)
    else:
        try:
            answer = HttpResponse(content(), content_type="application/octet-stream")
        except (IndexError, KeyError):
            raise Http404 from None
    answer["ETag"] = tag
    answer["X-Content-Type-Options"] = "nosniff"
    patch_cache_control(answer, private=True, no_cache=True)
    return answer

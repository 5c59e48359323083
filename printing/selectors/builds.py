"""Parameter sets and builds, with what their signatures are over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

from devices.choices import Stage
from devices.models import Design, Device
from mes.eventlog.base import digest_of
from mes.tables import covered_by
from printing.choices import (
    BuildState,
)
from printing.models import (
    Build,
    BuildItem,
    ParameterSet,
)


def parameter_sets() -> QuerySet[ParameterSet]:
    return ParameterSet.objects.select_related("material").order_by("-pk")


def parameters_content(parameters: ParameterSet) -> dict[str, Any]:
    """What the approval of a parameter set is over."""
    return {
        "parameters": parameters.code,
        "name": parameters.name,
        "revision": parameters.revision,
        "printer_kind": parameters.printer_kind,
        "material": parameters.material.code,
        "values": parameters.values,
        "digest": parameters.digest,
    }


def builds() -> QuerySet[Build]:
    related = ("parameters", "material", "created_by", "verified_by", "preparation")
    return Build.objects.select_related(*related).prefetch_related("items__device", "jobs").order_by("-pk")


def items_content(build: Build) -> list[dict[str, Any]]:
    """The devices of a build with what each is made from and where it lies."""
    return [_item_content(item) for item in build.items.order_by("device_id")]


def _item_content(item: BuildItem) -> dict[str, Any]:
    return {
        "device": item.device_id,
        "design": item.design_id,
        "mesh": item.mesh_sha256,
        "transform": item.transform,
    }


def smallest_of(item: BuildItem) -> dict[str, float]:
    """The thinnest wall and every bore of a part on a plate (mm), by name; no wall is thinner than its material allows."""
    design = Design.objects.get(pk=item.design_id)
    least = item.device.material.minimum_wall_mm
    bores = {
        f"bore {number} of the design": float(feature["inner_diameter_mm"])
        for number, feature in enumerate(design.features, start=1)
        if "inner_diameter_mm" in feature
    }
    return {"the thinnest wall": float(design.measures.get("minimum_wall_mm", least)), **bores}


@covered_by("printing.build")
def builds_with_other_items() -> Iterator[str]:
    """Ids of the builds whose items are not those of their `items_digest`."""
    content: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in BuildItem.objects.order_by("build_id", "device_id").iterator():
        content[item.build_id].append(_item_content(item))
    for key, written in Build.objects.order_by("pk").values_list("pk", "items_digest"):
        if digest_of(content[key]) != written:
            yield str(key)


def build_content(build: Build) -> dict[str, Any]:
    """What the verification of a build is over."""
    return {
        "build": build.code,
        "devices": [item.device.code for item in build.items.select_related("device").order_by("device_id")],
        "printer_kind": build.printer_kind,
        "parameters": build.parameters_digest,
        "material": build.material.code,
        "items": items_content(build),
        "file": build.file_id,
        "plate_digest": build.plate_digest,
        "layer_count": build.layer_count,
        "print_seconds": build.print_seconds,
        "material_ml": build.material_ml,
    }


def device_builds(device: Device) -> QuerySet[Build]:
    found = Build.objects.filter(items__device=device).select_related("material").order_by("-pk")
    return found.prefetch_related("jobs__printer")


def builds_at(*states: BuildState) -> QuerySet[Build]:
    return builds().filter(state__in=states).order_by("pk")


def devices_without_build() -> QuerySet[Device]:
    """Frozen devices that are in no open build, most urgent first."""
    frozen = Device.objects.filter(stage=Stage.DESIGN_FROZEN, held=False)
    return frozen.exclude(build_items__active=True).order_by("need_by", "pk")


def is_in_build(device_id: int, build_id: int) -> bool:
    """Whether the device is (still) to be made in this build."""
    return BuildItem.objects.filter(device_id=device_id, build_id=build_id, active=True).exists()


def stage_of(device_id: int) -> Stage:
    return Stage(Device.objects.values_list("stage", flat=True).get(pk=device_id))

"""The mould of one stage of an aligner series: an arch model over which an aligner is thermoformed.

Every mould of a series is made from the same scan, labels and plan; it is checked against all of them before it is made, so no stage
exists of a series that collides at another. Research-only: no validation of this generator exists (G-SW-01).
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

from devices.generators.base import (
    CASE_CODE,
    GENERATORS,
    STAGE,
    STAGES,
    Design,
    DesignRefused,
    Parameter,
    ValidationStatus,
    check_values,
)
from devices.generators.dental.arch_model import BaseShape
from devices.generators.dental.marks import labels_of, read_object
from devices.generators.dental.series import Series, SeriesLimits, make_mould, prepare_series
from devices.generators.dental.teeth import GUM, RULE
from devices.mesh.base import Mesh
from devices.mesh.kept import Kept, digest_of
from devices.planning.marks import LONGEST
from devices.planning.movements import read_treatment
from devices.planning.staging import StepLimits
from mes.exceptions import Reason

PARAMETERS = (
    Parameter(
        "teeth", "", "Teeth", "text", 2, LONGEST, None,
        "Which vertex is which tooth, and what was picked on the teeth: JSON, of the plan.", planned=True,
    ),
    Parameter(
        "treatment", "", "Treatment", "text", 2, LONGEST, None,
        "Movements, reductions, attachments and their order: JSON, of the plan.", planned=True,
    ),
    CASE_CODE,
    STAGE,
    STAGES,
    Parameter("translation_step_mm", "mm", "Translation per stage", "number", 0.05, 0.5, 0.25, "The most of one tooth."),
    Parameter("rotation_step_deg", "deg", "Rotation per stage", "number", 0.5, 5.0, 2.0, "The most of one tooth."),
    Parameter("overlap_mm", "mm", "Overlap of neighbours", "number", 0.0, 0.5, 0.1, "The most that two crowns may share."),
    Parameter("minimum_wall_mm", "mm", "Minimum wall", "number", 0.4, 4.0, 0.8, "What the material and the process can build."),
    Parameter("base_height_mm", "mm", "Height of the base", "number", 2.0, 20.0, 5.0, "Below the lowest gum."),
    Parameter("gum_shown_mm", "mm", "Gum around the crowns", "number", 2.0, 8.0, 3.5, "On which the aligner is trimmed."),
)  # fmt: skip
STAGE_NUMBERS = 2
OF_ONE_STAGE = (STAGE.name, CASE_CODE.name)
KEPT: Kept[Series] = Kept(2)


class AlignerSeries:
    """The generator; see `PARAMETERS` for what it takes."""

    id = "aligner_series"
    version = "1"
    title = "Mould of a stage of an aligner series"
    parameters: tuple[Parameter, ...] = PARAMETERS
    validation_status: ValidationStatus = "research_only"

    def generate(self, bone: Mesh, values: Mapping[str, object]) -> Design:
        """The mould where the scan lies. `bone`: the open scan. Raises DesignRefused; the same input gives the same bytes."""
        checked = check_values(self.parameters, values)
        series = prepared_series(bone, checked)
        stage = int(str(checked[STAGE.name]))
        _refuse_another_length(series, int(str(checked[STAGES.name])))
        label = (
            f"{series.scan.arch[0].upper()}{stage:0{STAGE_NUMBERS}d}/{series.staging.count:0{STAGE_NUMBERS}d}"
        )
        made = make_mould(series, stage, (label, str(checked[CASE_CODE.name])))
        neighbours = {
            f"overlap_{one.teeth[0]}_{one.teeth[1]}_mm": one.depth_mm
            for one in series.contacts
            if one.stage == stage
        }
        measures = {**made.measures, **neighbours}
        return Design(made.mesh, checked, measures, (), series.warnings)


def _refuse_another_length(series: Series, devices: int) -> None:
    count = series.staging.count
    if devices != count:
        raise DesignRefused(
            [Reason(
                f"The plan needs {count} stages; the order has {devices} devices.",
                "Order as many devices as the plan has stages, or plan for as many.", RULE,
            )]
        )  # fmt: skip


def prepared_series(scan: Mesh, values: Mapping[str, object]) -> Series:
    """The checked series that these values ask for; the last ones are kept, as its stages are asked for one after the other."""
    shared = sorted((name, value) for name, value in values.items() if name not in OF_ONE_STAGE)
    key = (digest_of(scan), sha256(repr(shared).encode()).digest())
    return KEPT.of(key, lambda: _prepared(scan, values))


def _prepared(scan: Mesh, values: Mapping[str, object]) -> Series:
    labels, picked, warnings = labels_of(scan, str(values["teeth"]))
    numbers = {int(one) for one in labels} - {GUM}
    plan = read_treatment(read_object(str(values["treatment"])), tuple(numbers))
    number = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
    limits = SeriesLimits(
        steps=StepLimits(number["translation_step_mm"], number["rotation_step_deg"]),
        overlap_mm=number["overlap_mm"],
        minimum_wall_mm=number["minimum_wall_mm"],
        base=BaseShape(height_mm=number["base_height_mm"], gum_mm=number["gum_shown_mm"]),
    )
    return prepare_series(scan, labels, plan, limits, picked, warnings)


GENERATORS.add("aligner_series", AlignerSeries())

"""What people do with measuring equipment."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.utils import timezone

from mes.choices import Meaning
from mes.dashboard.actions.base import Action, Doing, Done, Field, Next, Values, why
from mes.eventlog.base import Actor
from quality.choices import AsFound, GaugeKind, GaugeStage
from quality.models import Gauge
from quality.services.gauges import (
    Certified,
    calibrate_gauge,
    calibration_content,
    put_gauge_in_service,
    register_gauge,
    store_calibration_certificate,
    take_gauge_out_of_service,
)


def _choices(values: Any) -> list[tuple[str, str]]:
    return [(str(key), str(label)) for key, label in values]


def _gauge_fields(_: Any) -> tuple[Field, ...]:
    return (
        Field("kind", "What it is", "select", choices=_choices(GaugeKind.choices)),
        Field("maker", "Maker", maximum=80),
        Field("model", "Model", maximum=80),
        Field("serial", "Serial number", maximum=60),
        Field("accuracy_mm", "Accuracy (mm)", "decimal", hint="The largest error that the maker states"),
        Field("location", "Where it stands", maximum=80),
    )


def _register(doing: Doing) -> Done:
    typed = doing.values
    gauge = register_gauge(
        kind=GaugeKind(typed["kind"]),
        maker=str(typed["maker"]),
        model=str(typed["model"]),
        serial=str(typed["serial"]),
        accuracy_mm=typed["accuracy_mm"],
        location=str(typed["location"]),
        actor=doing.actor,
    )
    return Done(f"{gauge.code} is registered. It waits for its calibration.", "gauge", gauge.code)


def _take_in(doing: Doing) -> Next:
    file = store_calibration_certificate(file=doing.values["file"][0].file, actor=doing.actor)
    return Next("calibrate-gauge", {"certificate": file.sha256})


def _calibration_fields(_: Any) -> tuple[Field, ...]:
    return (
        Field("certificate", "The certificate's SHA-256", "carried"),
        Field("calibrated_on", "Calibrated on", "date", initial=timezone.localdate().isoformat()),
        Field("due_on", "Counts until", "date", hint="The last day on which it may measure"),
        Field("as_found", "As found, before any adjustment", "select", choices=_choices(AsFound.choices)),
        Field("laboratory", "Who calibrated", maximum=120),
    )


def _certified(values: Values) -> Certified | None:
    days = (values.get("calibrated_on"), values.get("due_on"))
    found = values.get("as_found")
    if found not in AsFound.values or not all(isinstance(day, date) for day in days):
        return None
    return Certified(values["calibrated_on"], values["due_on"], AsFound(found), str(values["laboratory"]))


def _calibration_signs(gauge: Gauge, values: Values, _: Actor) -> dict[str, Any]:
    """Nothing yet while a day is missing."""
    certified = _certified(values)
    return calibration_content(gauge, certified, str(values["certificate"])) if certified else {}


def _calibrate(doing: Doing) -> str:
    typed = doing.values
    row = calibrate_gauge(
        gauge_id=doing.subject.pk,
        certified=Certified(
            typed["calibrated_on"], typed["due_on"], AsFound(typed["as_found"]), str(typed["laboratory"])
        ),
        certificate=str(typed["certificate"]),
        actor=doing.actor,
        credentials=doing.credentials,
    )
    if row.as_found == AsFound.IN_TOLERANCE:
        return f"Calibration {row.number} is recorded, until {row.due_on:%d %b %Y}."
    return "It was found out of tolerance: it is out of service, and every device measured since the last good calibration is held."


def _put_in_service(doing: Doing) -> str:
    return f"{put_gauge_in_service(gauge_id=doing.subject.pk, actor=doing.actor).code} is in service."


def _take_out(doing: Doing) -> str:
    take_gauge_out_of_service(gauge_id=doing.subject.pk, reason=doing.reason, actor=doing.actor)
    return "It is out of service: what it measures is refused."


GAUGE_ACTIONS = (
    Action(
        "register-gauge", "gauges", "Register a gauge", "Register a gauge", "quality.register_gauge", "plus",
        lambda _: True, _register, fields=_gauge_fields, main=True,
    ),
    Action(
        "take-certificate", "gauge", "Record a calibration", "Record a calibration: its certificate",
        "quality.calibrate_gauge", "certificate", lambda _: True, _take_in,
        fields=lambda _: (Field("file", "The certificate", "file", accept=".pdf,.png,.jpg,.jpeg,.txt"),), main=True,
    ),
    Action(
        "calibrate-gauge", "gauge", "Sign the calibration", "Record a calibration", "quality.calibrate_gauge", "certificate",
        lambda _: True, _calibrate, fields=_calibration_fields, meaning=Meaning.PERFORMED, content=_calibration_signs,
        follows="take-certificate",
    ),
    Action(
        "put-in-service", "gauge", "Put into service", "Put this gauge into service", "quality.move_gauge", "player-play",
        lambda gauge: gauge.stage != GaugeStage.IN_SERVICE, _put_in_service, main=True,
    ),
    Action(
        "take-out-of-service", "gauge", "Take out of service", "Take this gauge out of service", "quality.move_gauge",
        "ban", lambda gauge: gauge.stage != GaugeStage.OUT_OF_SERVICE, _take_out, fields=lambda _: (why(),), danger=True,
    ),
)  # fmt: skip

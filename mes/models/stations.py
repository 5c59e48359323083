"""Stations: the computers on the shop floor that work is recorded at (21 CFR 11.10(h))."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import STATION_PAIRS, StationStage
from mes.models.people import Person
from mes.tables import StageGuard, table


@table(
    "working",
    root="mes.station",
    digest={1: ("name", "location", "actions", "stage", "revoked_because")},
    stage=StageGuard("stage", ("active",), STATION_PAIRS),
    secret=("token", "former_token"),
    beside=("token", "former_token", "rotated_at"),
)
class Station(models.Model):
    """A computer that an administrator enrolled. Its browser holds a key; here lies a keyed hash of it, and of the one
    before, which still counts for a moment after each change of keys."""

    name = models.CharField(max_length=60)
    location = models.CharField(max_length=80)
    actions = models.JSONField(help_text="Which of the actions that are done at a station may be done here")
    stage = models.CharField(max_length=10, choices=StationStage, default=StationStage.ACTIVE)
    revoked_because = models.TextField(blank=True)
    registered_by = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, related_name="+")
    registered_at = models.DateTimeField(db_default=Now())
    token = models.CharField(max_length=64)
    former_token = models.CharField(max_length=64, blank=True)
    rotated_at = models.DateTimeField()

    class Meta:
        db_table = "mes_station"
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["name"], condition=models.Q(stage="active"), name="station_name_once"
            ),
            models.CheckConstraint(condition=models.Q(stage__in=StationStage.values), name="station_stage"),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"

    @property
    def code(self) -> str:
        return f"T{self.pk:07d}"


@table("working", root="mes.station_rule", digest={1: ("action", "required")})
class StationRule(models.Model):
    """The setting: whether an action has to be done at a registered station. Without a row it need not."""

    action = models.CharField(max_length=80, unique=True)
    required = models.BooleanField()

    class Meta:
        db_table = "mes_station_rule"

    def __str__(self) -> str:
        return f"{self.action}: {'required' if self.required else 'recorded'}"

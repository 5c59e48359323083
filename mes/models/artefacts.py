"""Files of the record, addressed by their content (K-07)."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.tables import table


@table("record", without_event="an unreferenced file is harmless; the event that names it comes later")
class Artefact(models.Model):
    """A file stored once under its SHA-256. Records hold the digest, never a path."""

    sha256 = models.CharField(max_length=64, primary_key=True)
    size = models.BigIntegerField()
    media_type = models.CharField(max_length=80)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_artefact"

    def __str__(self) -> str:
        return self.sha256[:12]

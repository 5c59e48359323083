"""Which rules and settings were in force when (K-11)."""

from __future__ import annotations

from django.db import models

from mes.tables import table


@table("working", root="mes.ruleset", digest={1: ("digest", "rules", "configuration", "content")})
class RuleSet(models.Model):
    """One state of the gates, moves and permissions, and of the settings that decide. `content` is the canonical text of
    all of it, so that two can be laid side by side; the digests are of its parts and of the whole."""

    digest = models.CharField(max_length=64, unique=True)
    rules = models.CharField(max_length=64)
    configuration = models.CharField(max_length=64)
    content = models.TextField()

    class Meta:
        db_table = "mes_ruleset"

    def __str__(self) -> str:
        return f"rules {self.rules[:12]}, configuration {self.configuration[:12]}"

"""What shows that the record can be brought back and is whole: backups, drills and checks (21 CFR 11.10(c))."""

from __future__ import annotations

from django.db import models
from django.db.models.functions import Now

from mes.choices import Meaning
from mes.models.signatures import Signature
from mes.tables import Signed, table


@table(
    "working",
    root="mes.backup",
    digest={1: ("name", "folder", "events", "tree_size", "files", "size", "seconds", "faults", "manifest")},
)
class Backup(models.Model):
    """A backup that was finished. `manifest`: SHA-256 of its list of everything in it. `size` is in bytes."""

    name = models.CharField(max_length=40)
    folder = models.CharField(max_length=400)
    events = models.BigIntegerField()
    tree_size = models.BigIntegerField(help_text="Leaves under the last seal that it holds")
    files = models.BigIntegerField()
    size = models.BigIntegerField()
    seconds = models.FloatField()
    faults = models.JSONField(default=list, help_text="Digests of files that were missing or altered")
    manifest = models.CharField(max_length=64)
    taken_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_backup"

    def __str__(self) -> str:
        return self.name


@table(
    "working",
    root="mes.restore_drill",
    digest={
        1: ("backup", "restored_to", "digest_match", "events", "tree_size", "seconds", "problem"),
        2: (
            "backup",
            "restored_to",
            "digest_match",
            "events",
            "tree_size",
            "seconds",
            "problem",
            "confirmation_id",
        ),
    },
    signed={
        "confirmation": Signed(
            (Meaning.VERIFIED,),
            fixed={"record": "restore drill"},
            says={
                "drill": "pk",
                **{
                    name: name
                    for name in (
                        "backup",
                        "restored_to",
                        "digest_match",
                        "events",
                        "tree_size",
                        "seconds",
                        "problem",
                        "done_at",
                    )
                },
            },
        )
    },
)
class RestoreDrill(models.Model):
    """A backup was restored into an empty place, checked there, and compared with the living witness.

    It shows something once a person has looked at the result and signed it (VERIFIED).
    """

    backup = models.CharField(max_length=40)
    restored_to = models.CharField(max_length=400)
    digest_match = models.BooleanField()
    events = models.BigIntegerField()
    tree_size = models.BigIntegerField()
    seconds = models.FloatField()
    problem = models.TextField(blank=True)
    confirmation = models.ForeignKey(Signature, on_delete=models.PROTECT, null=True, related_name="+")
    done_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_restore_drill"

    def __str__(self) -> str:
        return f"drill {self.pk} of {self.backup}: {'as it was' if self.digest_match else 'differs'}"


@table(
    "working",
    root="mes.integrity_check",
    digest={1: ("result", "events", "files", "disposed", "first_bad", "seconds")},
)
class IntegrityCheck(models.Model):
    """The whole record and every stored file, recomputed. `first_bad`: what is not as it was written, and where."""

    result = models.CharField(max_length=10)
    events = models.BigIntegerField()
    files = models.BigIntegerField()
    disposed = models.BigIntegerField()
    first_bad = models.JSONField(null=True)
    seconds = models.FloatField()
    done_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_integrity_check"

    def __str__(self) -> str:
        return f"{self.result} of {self.events} events"

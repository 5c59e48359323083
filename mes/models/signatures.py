"""Electronic signatures: bound to the digest of what was shown and signed (K-05, 21 CFR 11.50 and 11.70)."""

from __future__ import annotations

from django.db import models

from mes.choices import Meaning
from mes.models.people import Account, Person
from mes.tables import ANY, Signed, table


@table(
    "working",
    root="mes.signing_series",
    digest={
        1: (
            "account_id", "person_id", "session_digest", "address", "agent", "opened_at", "last_at", "signed",
            "ended_at", "ended_because",
        ),
        2: (
            "account_id", "person_id", "session_digest", "address", "agent", "opened_at", "last_at", "signed",
            "ended_at", "ended_because", "stamp",
        ),
    },
    secret=("stamp",),
)  # fmt: skip
class SigningSeries(models.Model):
    """One continuous period in which a person signs at one terminal (11.200(a)(1)(i), ES-02 to ES-04).

    Its stream holds one event for each of its signatures, with the signature's hash.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="signing_series")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    session_digest = models.CharField(max_length=64, blank=True, help_text="Empty: one signing by key")
    address = models.CharField(max_length=60, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    stamp = models.CharField(max_length=64, help_text="Of the roles and the secret that it was opened with")
    opened_at = models.DateTimeField()
    last_at = models.DateTimeField()
    signed = models.IntegerField(default=0)
    ended_at = models.DateTimeField(null=True)
    ended_because = models.CharField(max_length=40, blank=True)

    class Meta:
        db_table = "mes_signing_series"
        verbose_name_plural = "signing series"
        constraints = [
            models.UniqueConstraint(
                fields=["account"], condition=models.Q(ended_at=None), name="signing_series_open_once"
            )
        ]

    def __str__(self) -> str:
        return f"series {self.pk} of account {self.account_id}"


@table("record", spoken={"mes.person": "person"})
class SigningFailure(models.Model):
    """A signing that was tried and refused for its components. Three in a row end the series (ES-04, ES-15)."""

    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    session_digest = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=60, blank=True)
    rule = models.CharField(max_length=20)
    at = models.DateTimeField()

    class Meta:
        db_table = "mes_signing_failure"
        indexes = [models.Index(fields=["person", "session_digest", "at"], name="signing_failure_recent")]

    def __str__(self) -> str:
        return f"{self.rule} by person {self.person_id} at {self.at:%Y-%m-%dT%H:%M:%SZ}"


@table("record", digested=("content",), spoken={"mes.signing_series": "series"})
class Signature(models.Model):
    """One signing act. `content` is the canonical text that was shown, hashed and signed.

    `binding` ties the row to one version of one record, and the server's `seal` (Ed25519) covers every column but the
    database's own key: see `mes.signing_seal`.
    """

    uid = models.UUIDField(unique=True)
    seq = models.IntegerField(help_text="1, 2, … among the signatures of its record")
    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    subject_version = models.IntegerField(help_text="Version of the subject's stream when it was signed")
    content = models.TextField()
    content_digest = models.CharField(max_length=64)
    canon_id = models.CharField(max_length=10)
    attachments_digest = models.CharField(
        max_length=64, help_text="SHA-256 of the sorted list of every SHA-256 that the content names"
    )
    meaning = models.CharField(max_length=20, choices=Meaning)
    statement = models.CharField(max_length=300, help_text="The meaning as it was shown")
    statement_version = models.IntegerField(help_text="Of the statement of legal effect beside it")
    comment = models.TextField(blank=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="+")
    username = models.CharField(max_length=150)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="signatures")
    printed_name = models.CharField(max_length=310)
    title = models.CharField(max_length=100, blank=True)
    roles = models.CharField(max_length=100)
    signed_at = models.DateTimeField()
    timezone = models.CharField(max_length=50)
    utc_offset = models.CharField(max_length=6, help_text="±HH:MM at that moment in that zone")
    method = models.CharField(max_length=20, help_text="The secret that was used")
    components = models.SmallIntegerField(help_text="2: user id and secret; 1: the secret, within a series")
    series = models.ForeignKey(SigningSeries, on_delete=models.PROTECT, related_name="signatures")
    position = models.IntegerField(help_text="In its series")
    batch = models.UUIDField(null=True, help_text="Common to what was signed together")
    session_digest = models.CharField(max_length=64, blank=True)
    address = models.CharField(max_length=60, blank=True)
    agent = models.CharField(max_length=200, blank=True)
    app_version = models.CharField(max_length=40)
    config_version = models.CharField(max_length=16)
    prev_hash = models.CharField(max_length=64, help_text="Of the signature before it of the same record")
    binding = models.CharField(max_length=64)
    key_id = models.CharField(max_length=16)
    seal = models.CharField(max_length=128)

    class Meta:
        db_table = "mes_signature"
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="signature_subject")]
        constraints = [
            models.CheckConstraint(condition=models.Q(meaning__in=Meaning.values), name="signature_meaning"),
            models.CheckConstraint(condition=models.Q(components__in=(1, 2)), name="signature_components"),
            models.UniqueConstraint(fields=["subject_type", "subject_id", "seq"], name="signature_seq"),
            models.UniqueConstraint(fields=["series", "position"], name="signature_position"),
        ]

    def __str__(self) -> str:
        return f"{self.meaning} {self.subject_type}/{self.subject_id} by {self.person_id}"


@table(
    "record",
    spoken={"mes.signing_series": "signature__series"},
    signed={
        "signature": Signed(
            (Meaning.WITHDRAWN,),
            root=ANY,
            key="withdrawn__subject_id",
            fixed={"record": "withdrawal of a signature"},
            says={
                "of": ("{}/{}".format, "withdrawn__subject_type", "withdrawn__subject_id"),
                "signature": "withdrawn__uid",
                "meaning": "withdrawn__meaning",
                "reason": "reason",
            },
        )
    },
)
class SignatureWithdrawal(models.Model):
    """A signature taken back by another one, with the reason. Both rows stay (ES-18)."""

    withdrawn = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="withdrawal")
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="withdraws")
    reason = models.TextField()

    class Meta:
        db_table = "mes_signature_withdrawal"

    def __str__(self) -> str:
        return f"withdrawal of signature {self.withdrawn_id}"

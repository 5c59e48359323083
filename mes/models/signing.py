"""What stands before a first signature, and what was signed by hand (ES-13, ES-20)."""

from __future__ import annotations

from django.db import models

from mes.choices import Meaning
from mes.models.artefacts import Artefact
from mes.models.people import Account, Person
from mes.models.signatures import Signature
from mes.tables import Signed, table


@table(
    "working",
    root="mes.signing_enrolment",
    digest={
        1: (
            "account_id", "person_id", "document", "method", "proved_by", "proved_at", "confirmed_by", "confirmed_at",
            "closed",
        )
    },
)  # fmt: skip
class SigningEnrolment(models.Model):
    """The right of one account to sign for its person: whose identity was proofed, by whom, on what (11.100(b)).

    One open enrolment for each person, so that a signature belongs to one individual (11.100(a)). The number of the
    document is not kept.
    """

    account = models.OneToOneField(Account, on_delete=models.PROTECT, related_name="enrolment")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="enrolments")
    document = models.CharField(max_length=80, help_text="Kind of the document that was seen")
    method = models.CharField(max_length=80, help_text="In person, by video, …")
    proved_by = models.CharField(max_length=80)
    proved_at = models.DateTimeField()
    confirmed_by = models.CharField(max_length=80, blank=True)
    confirmed_at = models.DateTimeField(null=True)
    closed = models.BooleanField(default=False)

    class Meta:
        db_table = "mes_signing_enrolment"
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=models.Q(closed=False), name="signing_enrolment_person_once"
            )
        ]

    def __str__(self) -> str:
        return f"enrolment of account {self.account_id}"


@table(
    "record",
    spoken={"mes.signing_enrolment": "enrolment"},
    signed={
        "signature": Signed(
            (Meaning.ACCEPTED,),
            root="mes.signing_enrolment",
            key="enrolment_id",
            by="enrolment__person_id",
            says={"account": "enrolment__account_id", "version": "version"},
        )
    },
)
class StatementAcceptance(models.Model):
    """A person accepted, by signing, to be accountable for what is signed in their name (11.10(j))."""

    enrolment = models.ForeignKey(SigningEnrolment, on_delete=models.PROTECT, related_name="acceptances")
    version = models.IntegerField()
    text_digest = models.CharField(max_length=64)
    signature = models.OneToOneField(Signature, on_delete=models.PROTECT, related_name="+")
    accepted_at = models.DateTimeField()

    class Meta:
        db_table = "mes_statement_acceptance"

    def __str__(self) -> str:
        return f"statement {self.version} by account {self.enrolment_id}"


@table(
    "working",
    root="mes.certification_letter",
    digest={1: ("sha256", "sent_on", "signatory", "recorded_by")},
)
class CertificationLetter(models.Model):
    """The organisation's letter to the FDA: its electronic signatures are meant to bind as handwritten ones
    (11.100(c))."""

    sha256 = models.CharField(max_length=64)
    sent_on = models.DateField()
    signatory = models.CharField(max_length=200)
    recorded_by = models.CharField(max_length=80)

    class Meta:
        db_table = "mes_certification_letter"

    def __str__(self) -> str:
        return f"letter of {self.sent_on}"


@table(
    "working",
    root="mes.handwritten_signature",
    digest={
        1: (
            "subject_type", "subject_id", "printed_name", "meaning", "executed_on", "scan_id", "uploaded_by_id",
            "uploaded_at", "verification_id",
        )
    },
    signed={
        "verification": Signed(
            (Meaning.VERIFIED,),
            fixed={"record": "handwritten signature"},
            says={
                "of": ("{}/{}".format, "subject_type", "subject_id"),
                "signed_by": "printed_name",
                "meaning": "meaning",
                "executed_on": "executed_on",
                "scan": "scan_id",
            },
        )
    },
)  # fmt: skip
class HandwrittenSignature(models.Model):
    """The scan of a paper that was signed by hand. It counts once a second person has verified it as a true copy
    (ES-20)."""

    subject_type = models.CharField(max_length=60)
    subject_id = models.CharField(max_length=60)
    printed_name = models.CharField(max_length=310, help_text="Of who signed the paper")
    meaning = models.CharField(max_length=20, choices=Meaning)
    executed_on = models.DateField()
    scan = models.ForeignKey(Artefact, on_delete=models.PROTECT, related_name="+")
    uploaded_by = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()
    verification = models.OneToOneField(Signature, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        db_table = "mes_handwritten_signature"
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="handwritten_subject")]
        constraints = [
            models.CheckConstraint(condition=models.Q(meaning__in=Meaning.values), name="handwritten_meaning")
        ]

    def __str__(self) -> str:
        return f"handwritten, {self.subject_type}/{self.subject_id}, executed on {self.executed_on}"

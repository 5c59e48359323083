"""How long each class of record is kept: rules as data, and what each package says about its own records.

A class is a stream root; every other table of the record is kept with one. `retain_until` is the latest date that any
rule gives, and only ever moves forward; a legal hold outlasts all of them (21 CFR 11.10(c), K-15; ISO 13485 4.2.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet

from mes.registry import Registry


@dataclass(frozen=True)
class Rule:
    """`years` after the trigger; `lifetime`: the device's expected life is added (or, without `years`, is the period).

    `least`: years that the period has at any rate. `open_ended`: no end is set. `follows`: kept as the record that it
    describes.
    """

    id: str
    trigger: str
    source: str
    years: int = 0
    lifetime: bool = False
    least: int = 0
    open_ended: bool = False
    follows: bool = False

    def until(self, trigger: date, lifetime_years: int) -> date | None:
        """The last day that the rule keeps a record; None where it sets no end."""
        if self.open_ended or self.follows:
            return None
        return years_after(trigger, max(self.years + (lifetime_years if self.lifetime else 0), self.least))


def years_after(day: date, years: int) -> date:
    """The same day, years later. The 29th of February becomes the 1st of March: never a day too early."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


RULES: Registry[Rule] = Registry("retention rule")
for _rule in (
    Rule("R-13485", "release", "ISO 13485:2016 4.2.5", lifetime=True, least=2),
    Rule("R-MDR-10", "placed on the market", "MDR Art. 10(8), Annex XIII 4", years=10),
    Rule("R-MDR-15", "placed on the market, implantable", "MDR Art. 10(8), Annex XIII 4", years=15),
    Rule("R-830", "end of marketing of the version", "21 CFR 830.360", years=3),
    Rule("R-806", "correction or removal", "21 CFR 806.20", years=2, lifetime=True),
    Rule("R-821", "tracked device", "21 CFR 821.60: its useful life", open_ended=True),
    Rule("R-HIPAA-6Y", "creation, or when it was last in effect", "45 CFR 164.316(b)(2)", years=6),
    Rule("R-RT", "last image or copy", "national rule on medical images; 10 years unless set", years=10),
    Rule("R-AUD", "the record that it describes", "21 CFR 11.10(e)", follows=True),
    Rule("R-SEC", "creation", "security logs that belong to no record", years=2),
):
    RULES.add(_rule.id, _rule)

IMPLANT_LIFETIME_YEARS = 15
LIFETIME_YEARS = 10
"""Expected life of a guide or a model where its type says nothing."""


@dataclass(frozen=True)
class Facts:
    """What a record says about its own clock. `begins`: the trigger's date, None while it has not come: then `waits`
    says what for. `rules`: those that apply to this record beside the class's own."""

    begins: date | None
    waits: str = ""
    lifetime_years: int = LIFETIME_YEARS
    rules: tuple[str, ...] = ()


Clock = Callable[[Any], Facts]


@dataclass(frozen=True)
class RecordClass:
    """`disposable`: its files and what only it names may go after its time. Everything else stays for good."""

    root: str
    rules: tuple[str, ...]
    facts: Clock
    disposable: bool = False


@dataclass(frozen=True)
class Kept:
    """A table whose rows are kept with a root's row. `by`: the way from its row to that root's key, as the ORM has it;
    "" for the log itself, which belongs to all. `files`: columns of text or JSON that hold digests of files."""

    table: str
    root: str
    by: str = ""
    files: tuple[str, ...] = ()


Rows = Callable[[], QuerySet[Any]]


@dataclass(frozen=True)
class Copies:
    """Files that are copies of a record: they belong to it, wherever the rows that name them are kept. `rows`: those that
    name a record of this root, whose key `by` leads to; `column`: their key of the file."""

    table: str
    column: str
    root: str
    by: str
    rows: Rows


Tag = tuple[str, str]
"""(scope, value) of a legal hold that reaches a record: ("order", "12"), ("lot", "3"), ("patient", "PXK…")."""
Reach = Callable[[Any], Iterable[Tag]]

CLASSES: Registry[RecordClass] = Registry("record class")
KEPT: Registry[Kept] = Registry("table kept with a record")
COPIES: Registry[Copies] = Registry("copies of a record")
REACHES: Registry[tuple[str, Reach]] = Registry("reach of legal holds")


def retained(root: str, *rules: str, disposable: bool = False) -> Callable[[Clock], Clock]:
    """Declare a class of record by its root: the rules that keep it, and a function that reads a row's trigger date."""

    def declare(facts: Clock) -> Clock:
        CLASSES.add(root, RecordClass(root, tuple(RULES[rule].id for rule in rules), facts, disposable))
        return facts

    return declare


def retained_for_good(root: str, *rules: str, because: str) -> None:
    """Declare a class without an end: what other records rest on."""
    facts = Facts(begins=None, waits=because)
    CLASSES.add(root, RecordClass(root, tuple(RULES[rule].id for rule in rules), lambda _row: facts))


def kept_with(root: str, table: str, *, by: str = "", files: tuple[str, ...] = ()) -> None:
    """Declare that the rows of a table are kept as long as the root's row that `by` leads to."""
    KEPT.add(table, Kept(table, root, by, files))


def copied_in(root: str, table: str, *, column: str, by: str) -> Callable[[Rows], Rows]:
    """Declare which rows of a table name copies of a root's records: they are destroyed with what they are copies of."""

    def declare(rows: Rows) -> Rows:
        COPIES.add(f"{table}.{column}: {root}", Copies(table, column, root, by, rows))
        return rows

    return declare


def reached_by(name: str, root: str) -> Callable[[Reach], Reach]:
    """Register, for one root, which orders, lots and patients a row has to do with. Several packages may add to one."""

    def declare(reach: Reach) -> Reach:
        REACHES.add(name, (root, reach))
        return reach

    return declare


Records = Callable[[Any], Iterable[Any]]
RECORDS_OF_PATIENTS: Registry[Records] = Registry("records of a patient")
"""Who knows which records of a patient there are: the identity is kept as long as one of them."""


Leading = Callable[[Any], Iterable[QuerySet[Any]]]
LEADING_TO_PATIENTS: Registry[Leading] = Registry("records that lead to a patient")
"""Who knows which rows of which roots are about a patient, shared ones too: a hold over dates that holds one of them holds
the identity. A request to erase it is none of them: it would stop itself."""


def tags_of(root: str, row: Any) -> set[Tag]:
    return {tag for of, reach in REACHES.values() if of == root for tag in reach(row)}


# --- the kernel's own records

EVERY_RECORD = "*"
for _root, _why in (
    ("mes.person", "signatures name people"),
    ("mes.account", "user names are never used again"),
    ("mes.role_grant", "what a person was entitled to stands behind the person's signatures"),
    ("mes.contact", "it belongs to a person"),
    ("mes.passkey", "signatures were made with it"),
    ("mes.access_token", "facts were written with it"),
    ("mes.federated_identity", "signatures were made after such a sign-in"),
    ("mes.reproofing", "it shows that a signer's identity was confirmed"),
    ("mes.certification_letter", "it stands for every signature (11.100(c))"),
    ("mes.handwritten_signature", "it is a signature"),
    ("mes.signing_enrolment", "it shows who may sign"),
    ("mes.signing_right", "it shows who could sign when"),
    ("mes.signing_series", "signatures were made in it"),
    ("mes.document", "records were made after it"),
    ("mes.document_revision", "records were made after it"),
    ("mes.curriculum", "it says which training an action needed"),
    ("mes.audit_review", "it shows that the trail was read"),
    ("mes.history_rebase", "it says why a row's history begins anew"),
    ("mes.station", "records say what was done at it"),
    ("mes.station_rule", "it says what took a station when"),
    ("mes.ruleset", "records were made under these rules"),
    ("mes.lane", "the log's own deliveries"),
    ("mes.schedule", "the clock's own slots"),
    ("mes.legal_hold", "it says why records were kept"),
    ("mes.disposal", "a certificate of destruction outlives what was destroyed"),
    ("mes.retention_clock", "it says how long records are kept"),
    ("mes.backup", "it says what can be brought back"),
    ("mes.restore_drill", "it shows that backups were tried"),
    ("mes.integrity_check", "it shows that the record was checked"),
):
    retained_for_good(_root, "R-AUD", because=_why)
for _table in ("mes_event", "mes_leaf", "mes_seal", "mes_inbox", "mes_signature", "mes_artefact", "mes_delivery",
               "mes_stream", "mes_epoch", "mes_slot", "mes_seal_turn"):  # fmt: skip
    kept_with(EVERY_RECORD, _table)
for _root in ("mes.session", "mes.sign_in_source", "mes.reset"):
    # Security logs: 2 years and 6 years are the least; no rule asks that they go.
    retained_for_good(_root, "R-SEC", "R-HIPAA-6Y", because="nothing asks that it goes")
for _table in (
    "mes_field_change",
    "mes_signature_withdrawal",
    "mes_signing_failure",
    "mes_statement_acceptance",
):
    kept_with(EVERY_RECORD, _table)
for _table in ("mes_credential_review", "mes_former_password", "mes_fresh_proof"):
    kept_with("mes.person", _table)
kept_with("mes.person", "mes_training", by="person_id")
kept_with("mes.patient", "mes_patient_identity", by="patient_id")
kept_with("mes.patient", "mes_identity_view", by="patient_id")
for _root in ("mes.emergency_access", "mes.erasure_request", "mes.reporting_line", "mes.vault_rotation"):
    retained_for_good(_root, "R-SEC", "R-HIPAA-6Y", because="it shows who could see whom, and who decided")
kept_with("mes.retention_clock", "mes_retention_period", by="clock_id")


@retained("mes.patient", "R-AUD")
def _patient(patient: Any) -> Facts:
    """An identity is kept with the records of the patient: each of them has a clock of its own."""
    return Facts(begins=None, waits="kept with the orders of the patient")


@reached_by("mes.patient", "mes.patient")
def _own_token(patient: Any) -> Iterable[Tag]:
    yield "patient", patient.token

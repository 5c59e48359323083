"""Facts about the record itself: its rules, reviews, copies and checks."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class RuleSetInForce(Event, name="mes.ruleset_in_force", terminal=True):
    """From here on these gates, moves, permissions and settings apply (K-11): digests of all, of the rules, of the settings."""

    ruleset: str
    rules: str
    configuration: str


@dataclass(frozen=True, kw_only=True)
class AuditTrailReviewed(Event, name="mes.audit_trail_reviewed", terminal=True):
    """Somebody has read the audit trail up to a seal, and signed it."""

    review_id: int
    first_leaf: int
    tree_size: int
    root: str
    findings: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class HistoryRebased(Event, name="mes.history_rebased", terminal=True):
    """The owner of the database took rows over as they were: their history goes on from there. The reason says why."""

    rebase_id: int
    table_name: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class BackupTaken(Event, name="mes.backup_taken", terminal=True):
    """A backup was finished: what it holds, and the digest of its list."""

    backup_id: int
    backup: str
    events: int
    tree_size: int
    files: int
    manifest: str
    faults: list[str]


@dataclass(frozen=True, kw_only=True)
class DrillConfirmed(Event, name="mes.drill_confirmed", terminal=True):
    """A person looked at what a restore drill showed, and signed it (21 CFR 11.10(c))."""

    drill_id: int
    digest_match: bool
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class RestoreDrilled(Event, name="mes.restore_drilled", terminal=True):
    """A backup was restored into an empty place and checked there (21 CFR 11.10(c))."""

    drill_id: int
    backup: str
    digest_match: bool
    events: int
    tree_size: int
    seconds: float
    problem: str


@dataclass(frozen=True, kw_only=True)
class IntegrityCheckDue(Event, name="mes.integrity_check_due"):
    """The nightly check of the whole record and of every stored file shall be made."""


@dataclass(frozen=True, kw_only=True)
class IntegrityChecked(Event, name="mes.integrity_checked", terminal=True):
    """The whole record and every stored file are as they were written."""

    check_id: int
    events: int
    files: int
    disposed: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class IntegrityFailed(Event, name="mes.integrity_failed", terminal=True):
    """Something is not as it was written: what, and where. Nothing is changed until somebody has looked."""

    check_id: int
    what: str
    where: str
    pos: int | None

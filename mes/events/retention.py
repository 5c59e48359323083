"""Facts about how long records are kept, held and disposed of."""

from __future__ import annotations

from dataclasses import dataclass

from mes.eventlog.base import Event


@dataclass(frozen=True, kw_only=True)
class RetentionSet(Event, name="mes.retention_set", terminal=True):
    """A record is kept until a later day than before: the last day of each rule, and the latest of all."""

    record_root: str
    record_id: str
    until: str
    rules: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class LegalHoldPlaced(Event, name="mes.legal_hold_placed", terminal=True):
    """Nothing that the hold reaches is destroyed or erased from here on (K-15)."""

    hold_id: int
    scope: str
    value: str
    since: str | None
    until: str | None
    review_on: str


@dataclass(frozen=True, kw_only=True)
class LegalHoldReleaseProposed(Event, name="mes.legal_hold_release_proposed", terminal=True):
    """The first of two people signed that a hold may end. It still holds."""

    hold_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class LegalHoldReleaseRefused(Event, name="mes.legal_hold_release_refused", terminal=True):
    """The second person did not agree: the hold stays."""

    hold_id: int


@dataclass(frozen=True, kw_only=True)
class LegalHoldReleased(Event, name="mes.legal_hold_released", terminal=True):
    """Two people signed that a hold ends."""

    hold_id: int
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalProposed(Event, name="mes.disposal_proposed", terminal=True):
    """The records manager signed that a record's files may be destroyed. The digest is that of the certificate."""

    disposal_id: int
    record_root: str
    record_id: str
    certificate: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalApproved(Event, name="mes.disposal_approved", terminal=True):
    """A quality reviewer signed the same certificate: the machine's owner may carry it out."""

    disposal_id: int
    certificate: str
    signature_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalWithdrawn(Event, name="mes.disposal_withdrawn", terminal=True):
    """A disposal will not be carried out."""

    disposal_id: int


@dataclass(frozen=True, kw_only=True)
class DisposalCarriedOut(Event, name="mes.disposal_carried_out", terminal=True):
    """The files that the certificate lists are removed from the store. Their digests stay."""

    disposal_id: int
    record_root: str
    record_id: str
    certificate: str
    files: int

"""Writing down what was done to keep the record safe: backups, drills, and checks of the whole (21 CFR 11.10(c))."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mes.choices import Meaning
from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.eventlog.verify import Verdict
from mes.events import (
    BackupTaken,
    DrillConfirmed,
    IntegrityCheckDue,
    IntegrityChecked,
    IntegrityFailed,
    RestoreDrilled,
)
from mes.exceptions import Conflict, InvalidInput
from mes.models import Artefact, Backup, IntegrityCheck, RestoreDrill, Schedule
from mes.permissions import require
from mes.services.signatures import Credentials, sign
from mes.standing import carries

KEEPER = Actor.system("safekeeping")


@unit_of_work
def record_backup(*, of: Mapping[str, Any], faults: list[str], actor: Actor = KEEPER) -> Backup:
    """A finished backup. `of`: name, folder, events, tree_size, files, size, seconds, manifest."""
    require(actor, "mes.keep_safe")
    backup = Backup.objects.create(**of, faults=faults)
    event = BackupTaken(
        backup_id=backup.pk,
        backup=backup.name,
        events=backup.events,
        tree_size=backup.tree_size,
        files=backup.files,
        manifest=backup.manifest,
        faults=faults,
    )
    publish(backup, event, actor=actor)
    return backup


@unit_of_work
def record_drill(*, of: Mapping[str, Any], actor: Actor = KEEPER) -> RestoreDrill:
    """A drill, whether it went well or not. `of`: the fields of `mes.backup.drilling.Outcome`."""
    require(actor, "mes.keep_safe")
    done = RestoreDrill.objects.create(**of)
    event = RestoreDrilled(
        drill_id=done.pk,
        backup=done.backup,
        digest_match=done.digest_match,
        events=done.events,
        tree_size=done.tree_size,
        seconds=done.seconds,
        problem=done.problem,
    )
    publish(done, event, actor=actor)
    return done


def drill_content(drill: RestoreDrill) -> Mapping[str, Any]:
    """What the person who confirms a drill sees and signs: its result, whether it went well or not."""
    return {
        "record": "restore drill",
        "drill": drill.pk,
        "backup": drill.backup,
        "restored_to": drill.restored_to,
        "digest_match": drill.digest_match,
        "events": drill.events,
        "tree_size": drill.tree_size,
        "seconds": drill.seconds,
        "problem": drill.problem,
        "done_at": drill.done_at,
    }


@unit_of_work
def confirm_drill(*, drill_id: int, actor: Actor, credentials: Credentials) -> RestoreDrill:
    """Sign (VERIFIED) what a drill showed. Raises Conflict for one that is confirmed already."""
    drill = RestoreDrill.objects.select_for_update().filter(pk=drill_id).first()
    require(actor, "mes.confirm_drill", drill)
    if drill is None:
        raise InvalidInput("There is no such drill.", cure="Look at the list again.")
    if carries(drill, "confirmation"):
        raise Conflict("This drill is confirmed already.", cure="Look at the list again.", rule="P11-10c")
    drill.confirmation = sign(
        subject=drill,
        content=drill_content(drill),
        meaning=Meaning.VERIFIED,
        actor=actor,
        credentials=credentials,
    )
    drill.save(update_fields=["confirmation"])
    event = DrillConfirmed(
        drill_id=drill.pk, digest_match=drill.digest_match, signature_id=drill.confirmation.pk
    )
    publish(drill, event, actor=actor)
    return drill


@unit_of_work
def ask_for_check(*, schedule: Schedule, actor: Actor = KEEPER) -> None:
    """Say that the nightly check is due: a worker makes it, outside of every transaction."""
    require(actor, "mes.keep_safe")
    publish(schedule, IntegrityCheckDue(), actor=actor)


@unit_of_work
def record_check(*, verdict: Verdict, actor: Actor = KEEPER) -> IntegrityCheck:
    """What a check of the whole record and every file found. What is ALTERED becomes a fact of its own."""
    require(actor, "mes.keep_safe")
    check = IntegrityCheck.objects.create(
        result=verdict.result,
        events=verdict.events,
        files=Artefact.objects.count() - verdict.disposed,
        disposed=verdict.disposed,
        first_bad=verdict.first_bad,
        seconds=verdict.seconds,
    )
    if verdict.first_bad is None:
        event = IntegrityChecked(
            check_id=check.pk,
            events=check.events,
            files=check.files,
            disposed=check.disposed,
            seconds=check.seconds,
        )
        publish(check, event, actor=actor)
    else:
        bad = verdict.first_bad
        publish(
            check,
            IntegrityFailed(check_id=check.pk, what=bad["what"], where=bad["where"], pos=bad["pos"]),
            actor=actor,
        )
    return check

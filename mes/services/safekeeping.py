"""Writing down what was done to keep the record safe: backups, drills, and checks of the whole (21 CFR 11.10(c))."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mes.eventlog.base import Actor
from mes.eventlog.unit import publish, unit_of_work
from mes.eventlog.verify import Verdict
from mes.events import BackupTaken, IntegrityCheckDue, IntegrityChecked, IntegrityFailed, RestoreDrilled
from mes.models import Artefact, Backup, IntegrityCheck, RestoreDrill, Schedule
from mes.permissions import require

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

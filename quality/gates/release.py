"""Gates of the release: complete, reviewed, intact, signed, fit for its use, and released by somebody apart."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from devices.choices import IntendedUse
from devices.models import Device
from mes.eventlog.base import Actor
from mes.eventlog.rowdigests import digests_of
from mes.lifecycle import Verdict, blocked, gate, not_applicable, passed
from mes.models import Artefact
from mes.services.artefacts import store
from mes.standing import carries
from quality.models import ReleaseDecision
from quality.reports.agreement import disagreements
from quality.reports.completeness import quantities_of, record_items
from quality.reports.evidence import required_signatures, tools_of
from quality.selectors.people import took_part, unreviewed_events
from quality.selectors.record import events_in, files_of, names_of, streams_of, supply_streams_of, trail_of


@gate("G-REL-01", "device.complete_record", "device.release")
def the_record_is_complete(device: Device, **_: Any) -> Verdict:
    """Every part of the production record is there."""
    items = record_items(device)
    missing = [item for item in items if not item.present]
    evidence = {item.key: item.evidence for item in items}
    if missing:
        return blocked(
            "Missing: " + "; ".join(item.title for item in missing) + ".",
            cure=" ".join(dict.fromkeys(item.cure for item in missing)),
            **evidence,
        )
    return passed(**evidence)


@gate("G-REL-01", "device.complete_record", "device.release")
def the_quantities_agree(device: Device, **_: Any) -> Verdict:
    """Quantity started equals built plus lost, and what was built is accepted or scrapped."""
    counts = quantities_of(device)
    if not counts.agree:
        return blocked(
            f"Started {counts.started}, built {counts.built}, lost {counts.lost}, scrapped {counts.scrapped}, accepted "
            f"{counts.accepted}: {'one good unit is not' if device.quantity == 1 else 'not every unit is'} accounted for.",
            cure="Settle every print of this device, then look again.",
            **counts.as_evidence(),
        )
    return passed(**counts.as_evidence())


@gate("G-REL-01", "device.release")
def the_trail_was_reviewed(device: Device, **_: Any) -> Verdict:
    """A reviewer read the audit trail, and nothing has happened since."""
    review = device.record_reviews.order_by("pk").last()
    if review is None:
        return blocked("Nobody has reviewed the audit trail.", cure="A quality reviewer reads and signs it.")
    seen = trail_of(device, review.last_pos)
    later = unreviewed_events(device, review)
    evidence = {"events": review.events, "last_pos": review.last_pos, "trail_digest": review.trail_digest}
    if seen.digest != review.trail_digest:
        return blocked(
            "The events that were reviewed are not the events that stand there now.",
            cure="Have the log verified; then review again.",
            now=seen.digest,
            **evidence,
        )
    if later:
        return blocked(
            f"{len(later)} events came after the review, the first: {later[0].type}.",
            cure="Review the record again.",
            later=[event.type for event in later],
            **evidence,
        )
    return passed(reviewer=str(review.reviewed_by_id), **evidence)


@gate("G-REL-02", "device.release")
def the_releaser_took_no_part(device: Device, *, actor: Actor | None = None, **_: Any) -> Verdict:
    """The releaser took no part in ordering, designing, making or inspecting this device."""
    if actor is None:
        return not_applicable("Asked when a releaser signs.")
    if actor.person_id is None:
        return blocked("Only a person can release.", cure="A quality releaser signs.")
    parts = took_part(device)
    if actor.person_id in parts:
        name = names_of([actor.person_id])[actor.person_id]
        return blocked(
            f"{name} took part in making this device.",
            cure="A quality releaser who took no part signs.",
            facts=parts[actor.person_id],
        )
    return passed(releaser=actor.person_id, people_who_took_part=sorted(parts))


@gate("G-INT-01", "device.release", "device.ship")
def every_file_is_as_recorded(device: Device, **_: Any) -> Verdict:
    """Every file of the record still has the bytes that its digest names."""
    files = files_of(device)
    known = set(Artefact.objects.filter(pk__in=list(files)).values_list("pk", flat=True))
    altered = sorted(digest for digest in files if digest not in known or not store().verify(digest))
    if altered:
        return blocked(
            f"{len(altered)} of {len(files)} files are missing or altered: {files[altered[0]]}.",
            cure="Restore them from a backup; release nothing meanwhile.",
            altered=altered,
        )
    return passed(files=len(files))


@gate("G-INT-01", "device.release", "device.ship")
def every_row_is_as_recorded(device: Device, **_: Any) -> Verdict:
    """Every row that the record stands on is as its last event left it."""
    keys = [*streams_of(device), *supply_streams_of(device)]
    newest = {(event.stream_type, event.stream_id): event for event in events_in(keys)}
    altered = [
        f"{kind}/{key}"
        for (kind, key), event in newest.items()
        if digests_of(kind, [key], event.record_schema).get(key) != event.record_digest
    ]
    if altered:
        return blocked(
            f"{', '.join(altered)} was changed behind the log's back.",
            cure="Have the log verified; release nothing meanwhile.",
            altered=altered,
        )
    return passed(streams=len(newest))


@gate("G-INT-01", "device.release", "device.ship")
def every_value_is_as_told(device: Device, **_: Any) -> Verdict:
    """Every figure, step, decision, quantity, place and signature is as its event and its signature told it."""
    found = disagreements(device)
    if found:
        return blocked(
            f"{len(found)} things were changed behind the log's back: {'; '.join(found)}.",
            cure="Have the log verified; release nothing meanwhile.",
            altered=found,
        )
    return passed(disagreements=0)


@gate("G-SIG-01", "device.release")
def every_signature_stands(device: Device, **_: Any) -> Verdict:
    """Every required signature is there and over what the record holds now."""
    required = required_signatures(device)
    broken = [item for item in required if not item.stands]
    evidence = {item.what: item.signature_ids for item in required}
    if broken:
        return blocked(
            "Missing or no longer valid: " + "; ".join(item.what for item in broken) + ".",
            cure="Have it signed again over the present content.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-SIG-01", "device.ship")
def the_release_stands(device: Device, **_: Any) -> Verdict:
    """Whoever released the device has not taken the release back."""
    decision: ReleaseDecision | None = getattr(device, "release_decision", None)
    if decision is None or not carries(decision, "signature"):
        return blocked(
            f"No release stands for {device.code}.",
            cure="Keep the device; open a nonconformance, which decides what becomes of it.",
        )
    return passed(signature=decision.signature_id)


@gate("G-SW-01", "device.release")
def every_tool_is_validated(device: Device, **_: Any) -> Verdict:
    """Every tool that touched the geometry is validated for the intended use."""
    tools = tools_of(device)
    if not device.master.needs_validated_tools:
        use = IntendedUse(device.master.intended_use).label.lower()
        return not_applicable(f"The device master asks for no validated tools ({use}).")
    unfit = [tool for tool in tools if tool["validation"] not in ("cleared", "validated_in_house")]
    if unfit:
        named = ", ".join(f"{tool['name']} {tool['version']}" for tool in unfit)
        return blocked(
            f"For research only: {named}.",
            cure="Qualify the tool for clinical use by a signed record, or use one that is.",
            tools=tools,
        )
    return passed(tools=tools)


@gate("G-SW-01", "device.ship")
def only_what_may_leave_is_shipped(device: Device, **_: Any) -> Verdict:
    """What leaves the house was made for clinical use, or is a model that says that it is no medical device."""
    route = device.master.route
    if route.shipped:
        return passed(intended_use=device.master.intended_use, notice=route.notice)
    return blocked(
        f"{device.code} was {route.stays}, not for a patient.",
        cure="Keep it for training; order what a patient needs from a master for clinical use.",
        intended_use=device.master.intended_use,
    )


@gate("G-IMG-02", "device.release")
def the_images_are_recent_enough(device: Device, **_: Any) -> Verdict:
    """The images are not too old at the planned use."""
    limit = device.master.imaging.get("max_image_age_days")
    study = device.current_study
    if limit is None:
        return not_applicable("The device master sets no age.")
    if study is None or study.acquired_on is None:
        return blocked("The day of the images is not known.", cure="Use images with an acquisition date.")
    use = max(device.need_by, timezone.localdate())
    age = (use - study.acquired_on).days
    evidence = {"age_at_use_days": age, "limit_days": limit, "planned_use": use.isoformat()}
    if age > limit:
        return blocked(
            f"The images will be {age} days old; {limit} are allowed.", cure="Take new images.", **evidence
        )
    return passed(**evidence)

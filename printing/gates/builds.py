"""Builds: made of frozen designs, verified by another person, printed as verified."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from devices.choices import Stage
from devices.models import Design, Device
from devices.services.designs import against_approval
from devices.services.segmentations import against_bone_of_design
from mes.eventlog.base import Actor, digest_of
from mes.lifecycle import Verdict, blocked, gate, passed
from mes.models import Artefact
from mes.services.artefacts import require_intact
from mes.standing import carries, stands_for
from printing.choices import BuildState, ParametersState
from printing.gates.base import (
    DISPATCH,
    RESUME,
    START,
    allows_material,
    apart,
    devices_on,
)
from printing.models import Build, ParameterSet, PrintJob
from printing.selectors.builds import build_content, items_content
from printing.selectors.jobs import Placement
from printing.services.standing import outdated_parts
from printing.services.wholeness import faults_of, parts_ml


@gate("G-DES-02", "build.create")
def designs_approved(devices: Sequence[Device], **_: Any) -> Verdict:
    """Every device is frozen with a prescriber's approval that stands for its design."""
    reasons = [text for device in devices if (text := _not_frozen(device))]
    if reasons:
        return blocked(" ".join(reasons), cure="Leave these devices out, or have their designs approved.")
    return passed(meshes={device.code: _design(device).mesh_id for device in devices})


def _not_frozen(device: Device) -> str:
    if device.stage != Stage.DESIGN_FROZEN or device.held:
        return f"{device.code} is {'held' if device.held else device.get_stage_display()}."
    against = against_approval(device)
    return f"{device.code}: {against.text}" if against else ""


@gate("G-DES-02", "build.verify", DISPATCH, START, RESUME)
def approvals_stand(subject: Build | Placement, **_: Any) -> Verdict:
    """The prescriber's approval of every part on the plate stands."""
    devices = devices_on(subject if isinstance(subject, Build) else subject.build)
    against = {device.code: reason for device in devices if (reason := against_approval(device))}
    if against:
        return blocked(
            " ".join(f"{code}: {reason.text}" for code, reason in against.items()),
            cure=" ".join(dict.fromkeys(reason.cure for reason in against.values())),
            parts=sorted(against),
        )
    return passed(approvals={device.code: _design(device).approval_id for device in devices})


def _design(device: Device) -> Design:
    if device.current_design is None:
        raise ValueError(f"{device.code} has no design")
    return device.current_design


@gate("G-SEG-01", "build.create", "build.verify", DISPATCH, START, RESUME)
def designs_made_from_approved_segmentations(
    subject: Sequence[Device] | Build | Placement, **_: Any
) -> Verdict:
    """Every part is designed on the segmentation of its device that is current and approved."""
    build = subject.build if isinstance(subject, Placement) else subject
    devices = devices_on(build) if isinstance(build, Build) else build
    # A device without a design is G-DES-02's and G-BLD-01's to refuse.
    designed = [device for device in devices if device.current_design is not None]
    against = [reason for device in designed if (reason := against_bone_of_design(device)) is not None]
    if against:
        return blocked(
            " ".join(reason.text for reason in against),
            cure=" ".join(dict.fromkeys(reason.cure for reason in against)),
        )
    return passed(segmentations={device.code: device.current_segmentation_id for device in devices})


@gate("G-MAT-07", "build.create")
def devices_of_this_material(devices: Sequence[Device], *, parameters: ParameterSet, **_: Any) -> Verdict:
    """The parameter set's material is the one of every device, and its master allows it."""
    wrong = [d.code for d in devices if not allows_material(d, parameters.material_id)]
    code = parameters.material.code
    if wrong:
        return blocked(
            f"{code} is not what {', '.join(wrong)} are made of.",
            cure="Choose a parameter set of their material.",
            material=code,
        )
    return passed(material=code)


@gate("G-BLD-02", "build.create", "build.verify")
def devices_go_together(subject: Sequence[Device] | Build, **_: Any) -> Verdict:
    """Devices of different intended use or process are not on one plate."""
    devices = devices_on(subject) if isinstance(subject, Build) else list(subject)
    kinds = {(device.master.intended_use, device.master.process) for device in devices}
    patients = {device.order.patient_id for device in devices}
    if len(kinds) != 1:
        return blocked(
            "Training and clinical devices, or different processes, are on one plate.",
            cure="Make a build for each.",
            kinds=sorted(map(list, kinds)),
        )
    return passed(kinds=sorted(map(list, kinds)), patients=len(patients), told_apart_by="place on the plate")


@gate("G-BLD-01", "build.create")
def one_build_each(devices: Sequence[Device], **_: Any) -> Verdict:
    """No device is in another build that is still open, or was printed in one."""
    taken = [
        (device.code, item.build)
        for device in devices
        for item in device.build_items.filter(active=True).select_related("build")
    ]
    if not taken:
        return passed()
    printed = any(build.state == BuildState.COMPLETED for _, build in taken)
    return blocked(
        " ".join(
            f"{code} is in {build.code}, which is {build.get_state_display()}." for code, build in taken
        ),
        cure="It was printed there. If it has to be made again, a nonconformance decides that."
        if printed
        else "Give that build up first.",
    )


@gate("G-BLD-01", "build.verify")
def built_from_frozen_meshes(build: Build, **_: Any) -> Verdict:
    """Every part on the plate is the frozen mesh of its device, placed, under the digest that the build names."""
    wrong = []
    for item in build.items.select_related("device__current_design").order_by("device_id"):
        design = item.device.current_design
        same = design and (design.pk, design.mesh_id) == (item.design_id, item.mesh_sha256)
        if not same or item.device.stage != Stage.DESIGN_FROZEN or item.device.held:
            wrong.append(item.device.code)
        elif item.transform is None:
            wrong.append(f"{item.device.code} (not placed)")
    if wrong or digest_of(items_content(build)) != build.items_digest:
        return blocked(
            f"Not what was frozen: {', '.join(wrong) or 'the list of parts'}.",
            cure="Give the build up and make a new one from the frozen designs.",
            parts=wrong,
        )
    return passed(items_digest=build.items_digest, plate_digest=build.plate_digest)


@gate("G-BLD-01", "build.verify")
def every_part_is_whole(build: Build, **_: Any) -> Verdict:
    """The layers hold the whole of every part, and no wall or bore is smaller than two layers or pixels."""
    wanted = parts_ml(build)
    if faults := faults_of(build, wanted):
        return blocked(
            " ".join(fault.text for fault in faults),
            cure=" ".join(dict.fromkeys(fault.cure for fault in faults)),
            problems=len(faults),
        )
    return passed(volume_ml=build.volume_ml, parts_ml=round(wanted, 4), layers=build.layer_count)


@gate("G-BLD-01", "build.verify", DISPATCH, START, RESUME)
def parameters_approved(subject: Build | Placement, **_: Any) -> Verdict:
    """The parameter set is approved and unchanged, and its approval stands."""
    build = subject if isinstance(subject, Build) else subject.build
    parameters = build.parameters
    unchanged = digest_of(parameters.values) == parameters.digest == build.parameters_digest
    if parameters.state != ParametersState.APPROVED or not unchanged:
        return blocked(
            f"{parameters} is {parameters.get_state_display()}{'' if unchanged else ' and was changed'}.",
            cure="Make a build with an approved parameter set.",
        )
    if not carries(parameters, "signature"):
        return blocked(
            f"No approval stands for {parameters}.",
            cure="Have its next revision approved, and make the build anew with that.",
            parameters=str(parameters),
        )
    return passed(parameters=str(parameters), digest=parameters.digest)


@gate("G-INT-01", "build.verify", DISPATCH, START)
def build_file_intact(subject: Build | Placement, **_: Any) -> Verdict:
    """The build file is the one that slicing made."""
    build = subject if isinstance(subject, Build) else subject.build
    if build.file_id is None:
        return blocked("There is no build file.", cure="Have the build prepared.")
    require_intact(Artefact.objects.get(pk=build.file_id))
    return passed(file=build.file_id)


@gate("G-SOD-01", "build.verify")
def verifier_is_not_author(build: Build, *, actor: Actor, **_: Any) -> Verdict:
    """Who verifies the build did not make it."""
    return apart(actor, "printing.verify_build", build)


@gate("G-BLD-01", DISPATCH, START, RESUME, "build.complete", "build.accept")
def designs_still_stand(subject: Placement | PrintJob, **_: Any) -> Verdict:
    """Every part on the plate is the approved design that its device has now."""
    build = subject.build
    outdated = outdated_parts(build)
    if outdated:
        return blocked(
            f"{build.code} holds a design of {', '.join(outdated)} that does not stand any more.",
            cure="Give the build up and make a new one from the approved designs.",
            parts=outdated,
        )
    return passed(items_digest=build.items_digest)


@gate("G-BLD-01", DISPATCH)
def no_device_held(placement: Placement, **_: Any) -> Verdict:
    """No device of the build is held or was taken out of the queue."""
    return _devices_at(placement.build, Stage.DESIGN_FROZEN, Stage.QUEUED)


@gate("G-BLD-01", START)
def devices_queued(placement: Placement, **_: Any) -> Verdict:
    """Every device of the build is queued, and none is held."""
    return _devices_at(placement.build, Stage.QUEUED)


@gate("G-NC-01", RESUME)
def no_device_of_it_is_held(placement: Placement, **_: Any) -> Verdict:
    """No device of the build is held."""
    return _devices_at(placement.build, Stage.QUEUED, Stage.IN_BUILD)


def _devices_at(build: Build, *stages: Stage) -> Verdict:
    wrong = [
        f"{device.code} is {'held' if device.held else device.get_stage_display().lower()}."
        for device in devices_on(build)
        if device.held or device.stage not in stages
    ]
    if wrong:
        return blocked(" ".join(wrong), cure="Wait until every device is ready for it; have holds lifted.")
    return passed(stages=[stage.value for stage in stages])


@gate("G-SIG-01", DISPATCH, START, RESUME)
def verification_stands(placement: Placement, **_: Any) -> Verdict:
    """The verification was signed over the build as it is."""
    build = placement.build
    signature = build.verify_signature
    if signature is None or not stands_for(signature, build_content(build)):
        return blocked("No verification stands for this build.", cure="Have the build verified.")
    return passed(signature=signature.pk)


@gate("G-PRT-01", "build.complete")
def printed_what_was_verified(job: PrintJob, **_: Any) -> Verdict:
    """The machine printed the verified file, all of it."""
    build = job.build
    evidence = {
        "digest_seen": job.file_digest_seen,
        "digest": build.plate_digest,
        "layers": job.layers_done,
        "planned": build.layer_count,
    }
    if job.file_digest_seen != build.plate_digest:
        return blocked(
            "The machine did not report the digest of the verified build.",
            cure="Quality decides about the parts.",
            **evidence,
        )
    if job.layers_done != build.layer_count:
        return blocked(
            f"{job.layers_done} of {build.layer_count} layers were seen.",
            cure="Quality decides about the parts.",
            **evidence,
        )
    return passed(**evidence)


@gate("G-PRT-01", "build.complete")
def interruptions_decided(job: PrintJob, **_: Any) -> Verdict:
    """Every interruption was decided by a person, and the printer was never unheard for longer than the limit."""
    open_ones = [stop["text"] for stop in job.interruptions if not stop["decided"]]
    if open_ones:
        return blocked(
            f"Nobody decided about: {', '.join(open_ones)}.",
            cure="Quality decides about the parts.",
            interruptions=job.interruptions,
        )
    if any(not gap.get("within_limit", False) for gap in job.gaps):
        return blocked(
            "The printer was not heard for a while.",
            cure="Quality decides about the parts.",
            gaps=job.gaps,
        )
    return passed(interruptions=job.interruptions)

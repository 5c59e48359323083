"""One order's objects of every kind, made by people of their own, and one asker for each column of the matrix.

The makers hold every role too, so that who asks made nothing: a row then shows the role, not the segregation of duties,
which `tests/flows/test_segregation.py` asks about. Four things belong to askers, for their rows are about belonging: the
order names its prescriber and its clinical reviewer, who reads the segmentation again, and the operator has a key, an address, a passkey, a session and an
access in an emergency of their own, for which the quality control manager answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from http.cookies import SimpleCookie
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4
from zipfile import ZipFile

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from django.test import Client
from django.utils import timezone
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import Aaguid, AttestedCredentialData

from devices.choices import Door, DraftPurpose, Stage
from devices.imaging.storage import save_mask, save_volume
from devices.models import Arrival, Device, Kit, KitMember, SegmentationDraft, Study, Upload
from devices.services.assignments import assign_person
from devices.services.peers import register_peer
from mes.choices import Meaning, Role
from mes.models import (
    AccessToken,
    Account,
    Artefact,
    BrowserSession,
    Delivery,
    Disposal,
    FederatedIdentity,
    Passkey,
    Patient,
    Person,
    Signature,
    SigningEnrolment,
)
from mes.services.accounts import name_contact, request_reset
from mes.services.artefacts import store_artefact
from mes.services.emergency import break_glass, end_emergency_access, name_manager
from mes.services.erasure import request_erasure
from mes.services.holds import place_hold
from mes.services.people import grant_role, open_account, register_person
from mes.services.roles import propose_role
from mes.services.safekeeping import record_drill
from mes.services.signatures import content_digest
from mes.services.signing_enrolment import statement_content
from mes.services.signing_handwritten import upload_handwritten
from mes.services.stations import register_station
from mes.services.tokens import issue_token
from mes.services.training import (
    approve_document,
    draft_document,
    keep_evidence,
    record_training,
    require_training,
)
from printing.choices import CommandKind
from printing.models import Build, BuildItem, Container, MaterialLot, PrinterCommand
from printing.slicing.buildfile import mask_name
from quality.choices import ExportKind, Severity, Source
from quality.models import ExportedRecord, Report
from quality.services.export import request_export
from quality.services.nonconformance import open_nonconformance
from quality.services.packages import open_package
from tests.devices.makers import small_skull
from tests.mes.makers import enrol, make_paper
from tests.quality.makers import (
    PASSWORD,
    SYSTEM,
    Staff,
    acting,
    make_built_device,
    make_measured,
    make_person,
    the_gauge,
    typed,
)
from tests.scenes import Scene

STRANGERS = ("other-PRE", "other-CLR", "external-DSN", "external-QAR", "no-role", "program")
COLUMNS = [*(role.value for role in Role), *STRANGERS]
PACKAGING = {"scheme": "internal", "levels": {"carton": {}}}
LABEL = "CX78KCDMJ2"
DRILL = {"backup": "x", "restored_to": "x", "digest_match": True, "events": 1, "tree_size": 1, "seconds": 1.0}
REASON = "For the matrix of who may do what"
TYPED = {
    "reason": REASON, "finding": REASON, "findings": REASON, "justification": REASON, "justified": "yes",
    "document": "passport", "method": "in person", "address": "y@example.org",
    "sha256": "0" * 64, "sent_on": "2026-01-05", "signatory": "x", "issuer": "https://example.org", "subject": "y",
    "kind": ExportKind.DEVICE.value, "name": "x", "days": "1", "role": "", "outcome": "finished", "accept": "true",
    "label": LABEL, "executed_on": "2026-01-05", "printed_name": "x", "purpose": "reading",
}  # fmt: skip
NAMED_FIELDS = {"code": "device", "patient": "patient", "about": "patient"}
NUMBERED = {
    "confirm": "enrolment", "withdraw": "enrolment", "confirm-contact": "contact", "revoke-passkey": "passkey",
    "unbind": "identity", "confirm-bind": "identity", "approve-reset": "reset", "refuse-reset": "reset",
}  # fmt: skip
"""What a form's `number` names, by the verb of its address; elsewhere it is the operator's account."""
STATEMENTS = ("statement", "my-signature")


@dataclass(frozen=True)
class Story:
    """The objects that every call is about, by the name in its braces, and who is who.

    usernames, and digests of the `statements` that those who sign have accepted: by column.
    """

    names: Mapping[str, str]
    cookies: Mapping[str, Mapping[str, str]]
    usernames: Mapping[str, str]
    statements: Mapping[str, str]

    @property
    def telling(self) -> tuple[bytes, ...]:
        """What only the order's own pages say."""
        return tuple(self.names[name].encode() for name in ("device", "order", "serial", "build", "job"))

    def client(self, column: str) -> Client:
        """A browser in which this person is signed in, and in which nothing happened since."""
        found = Client(raise_request_exception=False)
        found.cookies = SimpleCookie(dict(self.cookies[column]))
        return found

    def body(self, column: str, address: str) -> dict[str, str]:
        """What is sent with a POST: the column's own credentials, and enough that only rights and states refuse it."""
        verb = address.rstrip("/").rpartition("/")[2]
        signed = {"digest": self.statements.get(column, "")} if verb in STATEMENTS else {}
        signed |= {"meaning": Meaning.REVIEWED.value} if verb == "upload" else {}
        named = {field: self.names[name] for field, name in NAMED_FIELDS.items()}
        number = {"number": self.names[NUMBERED.get(verb, "account")]}
        return {
            "username": self.usernames[column],
            "password": PASSWORD,
            **TYPED,
            **named,
            **number,
            **signed,
        }


def make_story() -> Story:
    """What happens to the order comes last: pages that show the newest facts only show it then."""
    askers = Staff({role: make_person(f"Asker {role.value}", role) for role in Role})
    makers = Staff(
        {
            role: askers[role] if role is Role.PRE else make_person(f"Maker {role.value}", role)
            for role in Role
        }
    )
    accounts = {column: _account(column, askers) for column in COLUMNS}
    cookies = {column: _signed_in(account) for column, account in accounts.items()}
    names = _people(makers, askers[Role.OPR]) | _own(makers, askers[Role.OPR])
    device = make_built_device(makers, stage=Stage.AWAITING_INSPECTION, packaging=PACKAGING)
    order, prescriber = device.order, acting(makers[Role.ORD])
    assign_person(order_id=order.pk, person_id=askers[Role.CLR].pk, role=Role.CLR, actor=prescriber)
    names |= _printed(device.build_items.get())
    names |= _filed(makers, device)
    names |= _kept(makers, device)
    names |= _exported(makers, device)
    names |= _sources(makers)
    names |= _packed(makers, device)
    names |= _in_kit(makers, device)
    names |= _private(makers, askers, order.patient)
    names |= _coming_in(askers[Role.IMG], device)
    names |= _made(makers, device)
    names |= _read_again(device, askers[Role.CLR])
    return Story(names, cookies, _usernames(accounts), _statements(accounts))


def _usernames(accounts: Mapping[str, Account]) -> dict[str, str]:
    return {column: account.username for column, account in accounts.items()}


def _statements(accounts: Mapping[str, Account]) -> dict[str, str]:
    """The digest of the statement of accountability that an account signs."""
    rows = SigningEnrolment.objects.filter(account__in=accounts.values(), closed=False)
    digests = {row.account_id: content_digest(statement_content(row)) for row in rows}
    return {column: digests[account.pk] for column, account in accounts.items() if account.pk in digests}


def _read_again(device: Device, reader: Person) -> dict[str, str]:
    """A second reading of the segmentation that its reader has open."""
    segmentation, skull = device.current_segmentation, small_skull(8.0)
    assert segmentation is not None
    with TemporaryDirectory() as folder:
        save_volume(skull, Path(folder) / "volume.npz")
        save_mask(np.ones(skull.shape, np.uint8), Path(folder) / "mask.npz")
        volume, mask = (
            store_artefact(Path(folder) / f"{name}.npz", media_type="application/x-npz")
            for name in ("volume", "mask")
        )
    study = Study.objects.create(
        device=device, quarantine=uuid4(), received_by=reader, source_digest="0" * 64, volume=volume
    )
    Device.objects.filter(pk=device.pk).update(current_study=study)
    draft = SegmentationDraft.objects.create(
        device=device,
        study=study,
        author=reader,
        purpose=DraftPurpose.READING,
        segmentation=segmentation,
        masks=[mask.pk],
        volumes_ml=[1.0],
    )
    return {"draft": str(draft.pk), "volume": volume.pk, "mask": mask.pk}


def _made(staff: Staff, device: Device) -> dict[str, str]:
    """The device with what was designed, measured and found, and the definitions that it was made by."""
    inspection = make_measured(staff, device)
    finding = open_nonconformance(
        device_id=device.pk,
        source=Source.PERSON,
        requirement="x",
        description="x",
        severity=Severity.MAJOR,
        actor=acting(staff[Role.INS]),
    )
    design = device.current_design
    assert design is not None
    return {
        "device": device.code,
        "order": device.order.code,
        "serial": device.serial,
        "patient": device.order.patient.token,
        "finding": finding.code,
        "inspection": str(inspection.pk),
        "study": str(device.studies.get().pk),
        "file": str(design.mesh_id),
        "master": str(device.master_id),
        "material": str(device.material_id),
    }


def _printed(item: BuildItem) -> dict[str, str]:
    """The build with its file, its job, its printer, and the lot with its certificate."""
    job = item.build.jobs.get()
    build_file, certificate = _build_file(), store_artefact(b"A certificate", media_type="text/plain")
    Build.objects.filter(pk=item.build_id).update(file=build_file)
    MaterialLot.objects.filter(pk=job.container.lot_id).update(certificate_file=certificate)
    Container.objects.filter(pk=job.container_id).update(label=LABEL)
    command = PrinterCommand.objects.create(job=job, printer=job.printer, kind=CommandKind.START)
    return {
        "build": item.build.code,
        "build_file": build_file.pk,
        "parameters": item.build.parameters.code,
        "job": job.code,
        "printer": job.printer.code,
        "command": str(command.uid),
        "lot": job.container.lot.code,
        "certificate": certificate.pk,
        "container": LABEL,
    }


def _build_file() -> Artefact:
    """A build file with one layer, for the door to layers."""
    file = BytesIO()
    with ZipFile(file, "w") as archive:
        archive.writestr(mask_name(0), b"a picture")
    return store_artefact(file.getvalue(), media_type="application/zip")


def _filed(staff: Staff, device: Device) -> dict[str, str]:
    """A report on the device, a paper about it, a signature on its design, and a delivery of one of its facts."""
    json, pdf = (store_artefact(b"{}", media_type=f"application/{kind}") for kind in ("json", "pdf"))
    Report.objects.create(device=device, name="production_record", json=json, pdf=pdf, last_pos=1)
    paper = upload_handwritten(
        subject=device,
        printed_name="x",
        meaning=Meaning.REVIEWED,
        executed_on=timezone.localdate(),
        scan=make_paper(),
        actor=acting(staff[Role.QAR]),
    )
    signed = Signature.objects.filter(subject_type="devices.device", subject_id=str(device.pk)).latest("pk")
    delivery = (
        Delivery.objects.filter(stream_type="devices.device", stream_id=str(device.pk)).order_by("pk").first()
    )
    assert delivery is not None
    return {"handwritten": str(paper.pk), "signature": str(signed.pk), "delivery": str(delivery.pk)}


def _kept(staff: Staff, device: Device) -> dict[str, str]:
    """A hold on the order, and a disposal of it that waits."""
    hold = place_hold(
        subject=device.order,
        reason="x",
        requester="Counsel",
        review_on=timezone.localdate(),
        actor=acting(staff[Role.REC]),
    )
    disposal = Disposal.objects.create(
        record_root="devices.order", record_id=str(device.order_id), certificate=f'{{"code":"{device.code}"}}'
    )
    return {"hold": hold.code, "disposal": disposal.code}


def _exported(staff: Staff, device: Device) -> dict[str, str]:
    """An export that has one bundle, and goes on."""
    actor = acting(staff[Role.QAR])
    export = request_export(kind=ExportKind.DEVICE, subject=device.code, actor=actor, reason="x")
    bundle = store_artefact(b"a bundle", media_type="application/zip")
    ExportedRecord.objects.create(
        export=export, device=device, bundle=bundle, record_sha256="0" * 64, name="x.zip", events=1
    )
    return {"export": export.code, "bundle": bundle.pk}


def _sources(makers: Staff) -> dict[str, str]:
    """What measured the device, with the certificate of its calibration, and a station that nobody sits at."""
    actions = ["quality.receive_scan"]
    station, _ = register_station(name="Bench", location="x", actions=actions, actor=acting(makers[Role.SYS]))
    gauge = the_gauge()
    return {
        "gauge": gauge.code,
        **_arrived(makers),
        "gauge_file": gauge.calibrations.get().certificate_id,
        "station": station.code,
    }


def _arrived(makers: Staff) -> dict[str, str]:
    """A sender of images, and a study that came from it and whose files are gone."""
    peer = register_peer(title="CT", address="10.0.0.1", description="x", actor=acting(makers[Role.SYS]))
    arrival = Arrival.objects.create(
        door=Door.DICOM, peer=peer, quarantine=uuid4(), files=1, size_bytes=1, unreadable=0
    )
    return {"peer": str(peer.pk), "arrival": arrival.code}


def _coming_in(sender: Person, device: Device) -> dict[str, str]:
    """An upload of one asker's own, of which nothing came yet."""
    upload = Upload.objects.create(
        device=device, sender=sender, quarantine=uuid4(), sizes=[1], files=1, size_bytes=1
    )
    return {"upload": str(upload.quarantine)}


def _packed(makers: Staff, device: Device) -> dict[str, str]:
    """A package of the order that is still empty."""
    package = open_package(
        order_id=device.order_id,
        level="carton",
        station="Bench 1",
        line_clear=True,
        actor=acting(makers[Role.LBL]),
    )
    return {"package": package.code}


def _in_kit(makers: Staff, device: Device) -> dict[str, str]:
    """A kit that the device belongs to: what it is put together with is asked about elsewhere."""
    kit = Kit.objects.create(patient=device.order.patient, members_digest="", created_by=makers[Role.ORD])
    KitMember.objects.create(kit=kit, device=device)
    return {"kit": kit.code}


def _private(makers: Staff, askers: Staff, patient: Patient) -> dict[str, str]:
    """Two accesses of the operator's, one that has ended, with a manager who answers for them, and a request that waits."""
    person, officer = acting(askers[Role.OPR]), acting(makers[Role.PRV])
    name_manager(person=askers[Role.OPR], manager=askers[Role.QCM], actor=officer)
    opened = break_glass(patient=patient, actor=person, reason=REASON)
    ended = end_emergency_access(access_id=opened.pk, actor=person)
    lasting = break_glass(patient=patient, actor=person, reason=REASON)
    asked = request_erasure(patient=patient, reason=REASON, actor=officer)
    return {"emergency": ended.code, "lasting": lasting.code, "erasure": asked.code}


def _people(makers: Staff, person: Person) -> dict[str, str]:
    """Somebody with a role, a second role that waits for its approval, and a document in force."""
    proposer, writer, approver = makers[Role.SEC], makers[Role.QCM], makers[Role.QAR]
    proposed = propose_role(
        person_id=person.pk, role=Role.PST, reason="x", actor=acting(proposer), credentials=typed(proposer)
    )
    row = draft_document(
        number="WI-1", title="x", revision="A", file=b"x", media_type="text/plain", actor=acting(writer)
    )
    approve_document(revision_id=row.pk, actor=acting(approver), credentials=typed(approver))
    kept = keep_evidence(file=b"Signed: all", media_type="text/plain", actor=acting(writer))
    trained = record_training(
        person_id=person.pk,
        revision_id=row.pk,
        evidence=kept,
        actor=acting(writer),
        credentials=typed(writer),
    )
    # An action that nobody at a door performs, so that nobody is refused for want of training.
    asked = require_training(
        action="mes.carry_out_disposal", document_id=row.document_id, actor=acting(approver), reason="x"
    )
    return {
        "person": str(person.pk),
        "account": str(person.accounts.get().pk),
        "grant": str(person.role_grants.get(approved=True).pk),
        "proposed": str(proposed.pk),
        "document": "WI-1",
        "revision": "WI-1:A",
        "revision-number": str(row.pk),
        "training": str(trained.pk),
        "curriculum": str(asked.pk),
        "drill": str(record_drill(of=DRILL).pk),
    }


def _own(makers: Staff, person: Person) -> dict[str, str]:
    """What is one person's own: what opens the account and where it is open, and a reset that waits."""
    account, actor = person.accounts.get(), acting(person)
    issue_token(account=account, name="x", valid_for=timedelta(days=1), actor=actor)
    contact = name_contact(person=person, address="x@example.org", actor=actor)
    passkey = Passkey.objects.create(
        account=account, name="x", credential_id="x", credential=websafe_encode(_credential())
    )
    identity = FederatedIdentity.objects.create(
        account=account, issuer="https://example.org", subject="x", proposed_by=makers[Role.SEC]
    )
    reset = request_reset(account=account, actor=acting(makers[Role.SEC]), reason=REASON)
    return {
        "key": str(AccessToken.objects.get(account=account).pk),
        "contact": str(contact.pk),
        "passkey": str(passkey.pk),
        "session": str(BrowserSession.objects.get(account=account).pk),
        "enrolment": str(SigningEnrolment.objects.get(account=account).pk),
        "identity": str(identity.pk),
        "reset": str(reset.pk),
    }


def _credential() -> bytes:
    """What an authenticator of nobody attested."""
    public = ES256.from_cryptography_key(  # type: ignore[no-untyped-call]
        generate_private_key(SECP256R1()).public_key()
    )
    return AttestedCredentialData.create(Aaguid(bytes(16)), b"x", public)


def _account(column: str, askers: Staff) -> Account:
    if column in Role.values:
        return askers[Role(column)].accounts.get()
    if column == "program":
        return open_account(username="program", password=PASSWORD, person=None, actor=SYSTEM)
    person = register_person(full_name=column, actor=SYSTEM, external=column.startswith("external"))
    if column != "no-role":
        grant_role(person=person, role=Role(column[-3:]), actor=SYSTEM)
    account = open_account(username=column, password=PASSWORD, person=person, actor=SYSTEM)
    enrol(account, PASSWORD)
    return account


def _signed_in(account: Account) -> dict[str, str]:
    """The cookies of a browser in which somebody came in."""
    client = Client()
    client.force_login(account)
    return {name: morsel.value for name, morsel in client.cookies.items()}


Scene("doors", make=make_person, roles=(), story=make_story)

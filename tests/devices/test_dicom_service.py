"""The DICOM network service: who may send, what is confirmed, and what becomes of it whatever happens."""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydicom import config, dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import AE
from pynetdicom.sop_class import CTImageStorage, Verification  # type: ignore[attr-defined]

from devices.choices import ArrivalStage, Door
from devices.imaging import inbox
from devices.imaging.inbox import Arriving, Spool
from devices.models import Arrival, DicomPeer, Study
from devices.services import dicomservice
from devices.services.arrivals import (
    attach_arrival,
    begin_arrival,
    discard_arrival,
    folder_of,
    record_arrival,
    record_left_behind,
)
from devices.services.dicomservice import DicomService, Listening
from devices.services.peers import register_peer, revoke_peer
from devices.services.studies import received_folder, sweep_quarantine
from mes import room
from mes.choices import Role
from mes.exceptions import Conflict, InvalidInput, NotPermitted
from mes.models import EventRecord
from tests.devices.makers import Staff, make_person, make_planned, make_upload

pytestmark = pytest.mark.requirement("G-IMG-01")
OURS, THEIRS = "LAMINA", "CT2"
SUCCESS, FULL = 0x0000, 0xA700


@pytest.fixture(autouse=True)
def places(tmp_path: Path, settings: Any) -> None:
    settings.ARTEFACTS_DIR = tmp_path / "artefacts"
    settings.QUARANTINE_DIR = tmp_path / "quarantine"


@pytest.fixture(scope="module")
def slices(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    folder = make_upload(tmp_path_factory.mktemp("sent") / "s")
    return [dcmread(path) for path in sorted(folder.iterdir())]


@pytest.fixture
def service(committed_db: None) -> Iterator[DicomService]:
    with listening() as service:
        yield service


@contextmanager
def listening() -> Iterator[DicomService]:
    """At a port of its own, for one registered sender on this machine."""
    who = make_person(Role.SYS)
    register_peer(title=THEIRS, address="127.0.0.1", description="CT 2, radiology", actor=who.actor)
    service = DicomService(Listening("127.0.0.1", 0, OURS, 4))
    service.start()
    yield service
    service.stop()


def call(service: DicomService, *, calling: str = THEIRS, called: str = OURS) -> Any:
    entity = AE(ae_title=calling)
    entity.add_requested_context(Verification)
    entity.add_requested_context(CTImageStorage)
    return entity.associate("127.0.0.1", service.port, ae_title=called)


def send(service: DicomService, objects: list[Dataset]) -> list[int]:
    association = call(service)
    assert association.is_established
    answers = [association.send_c_store(one).Status for one in objects]
    association.release()
    return answers


def arrivals(service: DicomService) -> list[Arrival]:
    """Once everything that came in is on record."""
    service.stop()
    return list(Arrival.objects.order_by("pk"))


def test_a_study_is_taken_attached_and_read(
    service: DicomService,
    slices: list[Dataset],
    drain: Callable[[], int],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What comes after acceptance is told elsewhere, and takes longer than all of this.
    monkeypatch.setattr("devices.handlers.start_segmentation_by_rule", lambda **_: None)
    with caplog.at_level(logging.DEBUG):
        assert send(service, slices) == [SUCCESS] * len(slices)
        (arrival,) = arrivals(service)
    assert (arrival.door, arrival.files, arrival.unreadable) == (Door.DICOM, len(slices), 0)
    assert (arrival.peer, arrival.modalities) == (DicomPeer.objects.get(), ["CT"])
    uids = {str(one[name].value) for one in slices for name in ("StudyInstanceUID", "SOPInstanceUID")}
    names = [str(path) for path in received_folder().rglob("*")]
    told = [*names, caplog.text, *EventRecord.objects.values_list("payload", flat=True)]
    for secret in (*uids, str(slices[0].PatientName), str(slices[0].PatientID)):
        assert not any(secret in text for text in told)

    staff = Staff()
    device = make_planned(staff)
    study = attach_arrival(arrival_id=arrival.pk, device_id=device.pk, actor=staff[Role.IMG].actor)
    arrival.refresh_from_db()
    assert (arrival.stage, arrival.study, arrival.device) == (ArrivalStage.ATTACHED, study, device)
    drain()
    arrival.refresh_from_db()
    assert Study.objects.get().status == "accepted"
    assert arrival.stage == ArrivalStage.TAKEN
    assert not folder_of(arrival.quarantine).exists()


@pytest.mark.requirement("K-13")
def test_a_name_in_an_identifier_reaches_no_log(
    committed_db: None,
    slices: list[Dataset],
    caplog: pytest.LogCaptureFixture,
    recwarn: pytest.WarningsRecorder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As in a process that has read no image yet: pydicom would print every odd value that a peer calls its objects by."""
    monkeypatch.setattr(config.settings, "_reading_validation_mode", config.WARN)
    monkeypatch.setattr(logging.getLogger("pydicom"), "level", logging.NOTSET)
    named = deepcopy(slices[0])
    with config.disable_value_validation():
        named.SOPInstanceUID = named.file_meta.MediaStorageSOPInstanceUID = UID("1.2.840.Zzcanary.0")
    with listening() as service:
        association = call(service)
        recwarn.clear()
        assert association.send_c_store(named).Status == SUCCESS
        association.release()
        (arrival,) = arrivals(service)
    assert arrival.files == 1
    assert not [one for one in (caplog.text, *(str(one.message) for one in recwarn)) if "Zzcanary" in one]


@pytest.mark.requirement("G-ORD-05")
def test_images_of_somebody_else_wait_again(
    committed_db: None, tmp_path: Path, drain: Callable[[], int]
) -> None:
    arrival = _arrived(make_upload(tmp_path / "s", patient_id="somebody else"))
    staff = Staff()
    device = make_planned(staff)
    study = attach_arrival(arrival_id=arrival.pk, device_id=device.pk, actor=staff[Role.IMG].actor)
    drain()
    arrival.refresh_from_db()
    study.refresh_from_db()
    assert (study.status, arrival.stage, arrival.study) == ("refused", ArrivalStage.WAITING, study)
    assert len(list(folder_of(arrival.quarantine).iterdir())) == arrival.files
    discard_arrival(arrival_id=arrival.pk, reason="sent by mistake", actor=staff[Role.IMG].actor)
    drain()
    assert not folder_of(arrival.quarantine).exists()


def _laid_down(folder: Path) -> Arriving:
    """Received as by the web: no network is needed for what comes after."""
    arriving = begin_arrival(door=Door.STOW, sender_id=make_person(Role.IMG).person.pk)
    for path in folder.iterdir():
        spool = Spool(received_folder())
        spool.write(path.read_bytes())
        arriving.take(spool)
        spool.drop()
    return arriving


def _arrived(folder: Path) -> Arrival:
    record_arrival(_laid_down(folder).folder)
    return Arrival.objects.get()


@pytest.mark.django_db
def test_a_sender_is_its_title_at_its_address_and_known_once() -> None:
    admin = make_person(Role.SYS).actor
    for address in ("10.0.0.9", "10.0.0.10"):
        register_peer(title="CT2", address=address, description="CT 2, radiology", actor=admin)
    with pytest.raises(Conflict, match="registered already"):
        register_peer(title="CT2", address="::ffff:10.0.0.9", description="again", actor=admin)
    assert DicomPeer.objects.count() == 2


def test_strangers_are_refused_before_they_say_anything(
    service: DicomService, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = make_person(Role.SYS).actor
    register_peer(title="ELSEWHERE", address="10.0.0.9", description="known at another address", actor=admin)
    gone = register_peer(title="GONE", address="127.0.0.1", description="was here", actor=admin)
    revoke_peer(peer_id=gone.pk, reason="sold", actor=admin)
    calling_unknown, called_unknown, congested = (1, 1, 3), (1, 1, 7), (2, 3, 1)

    def refused(**titles: str) -> tuple[int, int, int]:
        association = call(service, **titles)
        assert association.is_rejected
        said = association.acceptor.primitive
        return said.result, said.result_source, said.diagnostic

    for title in ("STRANGER", "ELSEWHERE", "GONE"):
        assert refused(calling=title) == calling_unknown
    assert refused(called="ANY-SCP") == called_unknown

    def broken(*_: object) -> None:
        raise ConnectionError("the database is away")

    monkeypatch.setattr(dicomservice, "known_peer", broken)
    assert refused() == congested
    assert arrivals(service) == []


def test_the_registered_sender_hears_an_echo_and_one_too_many_is_refused(service: DicomService) -> None:
    held = [call(service) for _ in range(4)]
    assert all(one.is_established for one in held)
    assert held[0].send_c_echo().Status == SUCCESS
    assert call(service).is_rejected
    for one in held:
        one.release()


def test_silent_connections_are_cut_off_and_keep_no_registered_sender_out(
    committed_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than there are associations, some with half a packet."""
    monkeypatch.setattr(dicomservice, "NEGOTIATED_WITHIN_S", 0.5)
    who = make_person(Role.SYS)
    register_peer(title=THEIRS, address="127.0.0.1", description="CT 2, radiology", actor=who.actor)
    service = DicomService(Listening("127.0.0.1", 0, OURS, 1))
    service.start()
    silent = [socket.create_connection(("127.0.0.1", service.port), timeout=5) for _ in range(4)]
    try:
        silent[-1].sendall(b"\x01\x00")
        association = call(service)
        assert association.is_established
        assert [one.recv(1) for one in silent] == [b""] * len(silent)
        assert association.send_c_echo().Status == SUCCESS
        association.release()
    finally:
        for one in silent:
            one.close()
        service.stop()


def test_the_same_objects_again_change_nothing(service: DicomService, slices: list[Dataset]) -> None:
    send(service, [*slices[:3], *slices[:3]])
    send(service, slices[:4])
    (arrival,) = arrivals(service)
    assert arrival.files == 4
    assert len(list(folder_of(arrival.quarantine).iterdir())) == 4


def test_what_has_no_room_is_answered_so_and_leaves_nothing_half_written(
    service: DicomService, slices: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    association = call(service)
    assert association.send_c_store(slices[0]).Status == SUCCESS
    with monkeypatch.context() as full:
        full.setattr(room, "free_bytes", lambda _: 0)
        assert association.send_c_store(slices[1]).Status == FULL
    with monkeypatch.context() as full:

        def torn(self: Spool, part: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        full.setattr(Spool, "_take", torn)
        assert association.send_c_store(slices[2]).Status == FULL
    with monkeypatch.context() as full:
        full.setattr(inbox, "MAX_FILES", 1)
        assert association.send_c_store(slices[3]).Status == FULL
    assert association.send_c_store(slices[1]).Status == SUCCESS
    association.release()
    (arrival,) = arrivals(service)
    assert arrival.files == 2
    assert list((received_folder() / inbox.SPOOL).iterdir()) == []


def test_an_association_that_breaks_off_keeps_what_was_confirmed(
    service: DicomService, slices: list[Dataset]
) -> None:
    association = call(service)
    for one in slices[:2]:
        association.send_c_store(one)
    association.abort()
    (arrival,) = arrivals(service)
    assert arrival.files == 2


def test_what_a_killed_process_had_confirmed_is_recorded_by_the_next(
    committed_db: None, tmp_path: Path
) -> None:
    arriving = _laid_down(make_upload(tmp_path / "s"))
    count = len(list(arriving.folder.iterdir())) - 1
    assert record_left_behind() == 0, "somebody receives into it"
    arriving.close()
    assert record_left_behind() == 1
    assert Arrival.objects.get().files == count
    assert record_left_behind() == 0
    assert sweep_quarantine() == 0


def test_what_cannot_be_read_is_told_and_kept_for_a_person(committed_db: None, tmp_path: Path) -> None:
    folder = make_upload(tmp_path / "s")
    (folder / "a").write_bytes(b"no DICOM at all")
    record_arrival(_laid_down(folder).folder)
    without, study = Arrival.objects.order_by("files")
    assert (without.files, without.unreadable, without.study_key) == (1, 1, "")
    assert (study.unreadable, len(study.study_key)) == (0, 64)


@pytest.mark.django_db
def test_who_may_send_is_decided_by_an_administrator_and_audited() -> None:
    admin = make_person(Role.SYS)
    peer = register_peer(title=" CT2 ", address="::ffff:10.0.0.7", description="CT", actor=admin.actor)
    assert (peer.title, peer.address) == ("CT2", "10.0.0.7")
    with pytest.raises(Conflict):
        register_peer(title="CT2", address="10.0.0.7", description="CT", actor=admin.actor)
    with pytest.raises(NotPermitted):
        register_peer(title="CT3", address="10.0.0.7", description="CT", actor=make_person(Role.IMG).actor)
    with pytest.raises(InvalidInput) as wrong:
        register_peer(title="a\\b", address="10.0.0.0/8", description=" ", actor=admin.actor)
    assert len(wrong.value.reasons) == 3
    revoke_peer(peer_id=peer.pk, reason="sold", actor=admin.actor)
    with pytest.raises(Conflict):
        revoke_peer(peer_id=peer.pk, reason="sold", actor=admin.actor)
    register_peer(title="CT2", address="10.0.0.7", description="a new one", actor=admin.actor)
    types = EventRecord.objects.filter(type__startswith="devices.peer_").order_by("pos")
    assert [one.type.split("_")[1] for one in types] == ["registered", "revoked", "registered"]

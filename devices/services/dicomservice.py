"""The DICOM network service: takes objects by C-STORE from registered senders, and confirms each once it is on the disk.

A stranger is refused before anything is said to them, C-ECHO included; so is whoever calls another title than ours. What
is received is streamed into quarantine (`devices.imaging.inbox`) and never parsed here. When an association ends, however
it ends, its objects are put on record in a thread of their own.
"""

from __future__ import annotations

import logging
import socket
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock, Timer
from typing import Any

from django.db import close_old_connections, connection
from pynetdicom import AE, AllStoragePresentationContexts, _config, dimse_messages, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from devices.choices import Door
from devices.imaging.inbox import Arriving, Spool
from devices.imaging.standard import keep_silent
from devices.services.arrivals import begin_arrival, record_arrival, record_left_behind
from devices.services.peers import known_peer
from devices.services.studies import received_folder

log = logging.getLogger(__name__)
SUCCESS, OUT_OF_RESOURCES, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xC000
# PS3.8 9.3.4: result, source and reason of a rejection.
CALLING_UNKNOWN, CALLED_UNKNOWN, CONGESTED, TOO_MANY = (1, 1, 3), (1, 1, 7), (2, 3, 1), (2, 3, 2)
RECORDED_EVERY_S = 60.0
IDLE_S = 60.0
NEGOTIATED_WITHIN_S = 5.0
"""A sender asks for its association in the first packet of a connection."""
PDU_BYTES = 128 * 1024
SYNTAXES = (
    "1.2.840.10008.1.2.1",  # explicit little endian
    "1.2.840.10008.1.2",  # implicit little endian
    "1.2.840.10008.1.2.4.70",  # JPEG lossless
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.80",  # JPEG-LS
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.4.50",  # with loss; what may be made of it is decided when it is read
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.81",
    "1.2.840.10008.1.2.4.91",
    "1.2.840.10008.1.2.2",
)
"""Everything that is read later. Deflated is not: a kilobyte of it may be a gigabyte."""


@dataclass(frozen=True)
class Listening:
    """Where, under which title, and for how many at a time."""

    host: str
    port: int
    title: str
    associations: int


class DicomService:
    """`start()`, then `run()` until told to stop."""

    def __init__(self, listening: Listening) -> None:
        self._listening = listening
        self._open: dict[Any, Arriving] = {}
        self._lock = Lock()
        self._recorder = ThreadPoolExecutor(1, thread_name_prefix="arrivals")
        self._server: Any = None
        self._entity: Any = None

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Raises OSError where the address cannot be listened at."""
        keep_silent()
        _stream_objects()
        self._entity = entity = AE(ae_title=self._listening.title)
        # pynetdicom counts every connection, a silent stranger's too: we count those that were let in.
        entity.maximum_associations = sys.maxsize
        entity.maximum_pdu_size = PDU_BYTES
        entity.network_timeout = entity.dimse_timeout = IDLE_S
        entity.acse_timeout = NEGOTIATED_WITHIN_S
        entity.add_supported_context(Verification)
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), list(SYNTAXES))
        self._server = entity.start_server(
            (self._listening.host, self._listening.port),
            block=False,
            evt_handlers=[
                (evt.EVT_CONN_OPEN, _opened),
                (evt.EVT_REQUESTED, self._requested),
                (evt.EVT_C_STORE, self._store),
                *((event, self._ended) for event in (evt.EVT_RELEASED, evt.EVT_ABORTED, evt.EVT_CONN_CLOSE)),
            ],
        )

    def run(self, stop: Event) -> None:
        """What a process before this one left behind is put on record first, and again and again what could not be."""
        while True:
            self._recorder.submit(_recorded, record_left_behind)
            if stop.wait(RECORDED_EVERY_S):
                break
        self.stop()

    def stop(self) -> None:
        """No more associations; what was confirmed is put on record. Doing it twice changes nothing."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.shutdown()
        with self._lock:
            left = list(self._open)
        for association in left:
            self._close(association)
        self._recorder.shutdown()

    def _requested(self, event: Any) -> None:
        """Fails closed: pynetdicom takes a handler that raised for one that had nothing against it."""
        event.assoc.unnegotiated.cancel()
        try:
            verdict = self._verdict(event.assoc)
        except Exception:
            log.exception("a sender could not be looked up")
            verdict = CONGESTED
        finally:
            connection.close()
        if verdict:
            log.warning(
                "refused an association from %s (reason %d)", event.assoc.requestor.address, verdict[2]
            )
            event.assoc.acse.send_reject(*verdict)
            event.assoc.kill()

    def _verdict(self, association: Any) -> tuple[int, int, int] | None:
        asked = association.requestor.primitive
        peer = known_peer(asked.calling_ae_title, association.requestor.address)
        if peer is None:
            return CALLING_UNKNOWN
        if asked.called_ae_title.strip() != self._listening.title:
            return CALLED_UNKNOWN
        return self._let_in(association, peer.pk)

    def _let_in(self, association: Any, peer_id: int) -> tuple[int, int, int] | None:
        with self._lock:
            inside = [one for one in self._entity.active_associations if hasattr(one, "peer_id")]
            if len(inside) >= self._listening.associations:
                return TOO_MANY
            association.peer_id = peer_id
        return None

    def _store(self, event: Any) -> int:
        """Success is answered once the object is on the disk, by its own name and by its folder's."""
        spool: Spool | None = event.request._dataset_file
        if spool is None:
            return NOT_UNDERSTOOD
        try:
            self._arriving(event.assoc).take(spool)
        except OSError as fault:
            log.error("an object could not be kept: %s", fault.strerror)
            return OUT_OF_RESOURCES
        return SUCCESS

    def _arriving(self, association: Any) -> Arriving:
        with self._lock:
            if association not in self._open:
                self._open[association] = begin_arrival(door=Door.DICOM, peer_id=association.peer_id)
            return self._open[association]

    def _ended(self, event: Any) -> None:
        message = event.assoc.dimse.message
        if message is not None and message._data_set_file is not None:
            message._data_set_file.drop()
        self._close(event.assoc)

    def _close(self, association: Any) -> None:
        with self._lock:
            arriving = self._open.pop(association, None)
        if arriving is not None:
            self._recorder.submit(_recorded, lambda: _record(arriving))


def _opened(event: Any) -> None:
    """Who does not ask for an association soon is cut off: pynetdicom's own timer does not run while it reads, and half a
    packet is read for as long as the other half does not come."""
    association = event.assoc
    association.unnegotiated = Timer(NEGOTIATED_WITHIN_S, _cut_off, [association.dul.socket.socket])
    association.unnegotiated.daemon = True
    association.unnegotiated.start()


def _cut_off(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _record(arriving: Arriving) -> None:
    try:
        record_arrival(arriving.folder)
    finally:
        arriving.close()


def _recorded(record: Any) -> None:
    """What cannot be recorded now lies safe, and is tried again."""
    close_old_connections()
    try:
        record()
    except Exception:
        log.exception("what was received is not on record yet")
    finally:
        connection.close()


class _Received(Spool):
    """In place of the temporary file that pynetdicom would write: ours has a cap, a digest and a folder, and never raises."""

    def __init__(self, **_: Any) -> None:
        super().__init__(received_folder())

    @property
    def file(self) -> _Received:
        return self

    def flush(self) -> None:
        """Once, at the end."""

    def close(self) -> None:
        self.drop()


def _stream_objects() -> None:
    """Objects go to the disk part by part, never as a whole into memory, and nothing of them into a log."""
    _config.STORE_RECV_CHUNKED_DATASET = True
    _config.LOG_HANDLER_LEVEL = "none"
    logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
    setattr(dimse_messages, "NamedTemporaryFile", _Received)  # noqa: B010 - the one place where it can be replaced

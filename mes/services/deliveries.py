"""What an operator may do with a delivery: try a given-up one again, pass it over, or replay a done one."""

from __future__ import annotations

from django.db.models import F, QuerySet
from django.db.models.functions import Now

from mes.eventlog.base import Actor, Event
from mes.eventlog.unit import publish, unit_of_work
from mes.events import DeliveryReplayed, DeliveryRetried, DeliverySkipped
from mes.exceptions import Conflict, InvalidInput, Refused
from mes.locking import locked_row
from mes.models import Delivery, DeliveryStatus, Lane
from mes.permissions import require


@unit_of_work
def retry_delivery(*, delivery_id: int, actor: Actor, reason: str = "") -> None:
    """Give a dead delivery its attempts back."""
    delivery = _locked(delivery_id, DeliveryStatus.DEAD, actor)
    _reopen(delivery)
    _publish(delivery, DeliveryRetried, actor, reason)


@unit_of_work
def skip_delivery(*, delivery_id: int, actor: Actor, reason: str) -> None:
    """Pass over a dead delivery: its effect will never happen, so a reason is needed."""
    if not reason.strip():
        raise InvalidInput("Say why this reaction may be left out.", rule="P11-10e")
    delivery = _locked(delivery_id, DeliveryStatus.DEAD, actor)
    Delivery.objects.filter(pk=delivery.pk).update(status=DeliveryStatus.SKIPPED)
    _publish(delivery, DeliverySkipped, actor, reason)


@unit_of_work
def replay_delivery(*, delivery_id: int, actor: Actor, reason: str) -> None:
    """Have a handler react once more: a new run, with an inbox row of its own."""
    if not reason.strip():
        raise InvalidInput("Say why this reaction must happen again.", rule="P11-10e")
    delivery = _locked(delivery_id, DeliveryStatus.DONE, actor)
    Delivery.objects.filter(pk=delivery.pk).update(run=F("run") + 1)
    _reopen(delivery)
    publish(
        _lanes(delivery).get(),
        DeliveryReplayed(
            delivery_id=delivery.pk,
            handler=delivery.handler,
            event_uid=str(delivery.event.uid),
            run=delivery.run + 1,
        ),
        actor=actor,
        reason=reason,
    )


def _locked(delivery_id: int, status: DeliveryStatus, actor: Actor) -> Delivery:
    """Lock the lane, then the delivery, as a relay does; refuse while something of the lane is at work."""
    require(actor, "mes.operate_deliveries")
    found = Delivery.objects.select_related("event").filter(pk=delivery_id)
    delivery = found.first()
    if delivery is not None:
        # One that no relay has held yet has no lane: it waits, and is refused below.
        _lanes(delivery).select_for_update().first()
        delivery = locked_row(Delivery.objects.select_related("event"), delivery.pk)
    if delivery is None or delivery.status != status:
        raise Refused(f"Delivery {delivery_id} is not {status.label}.", cure="Look at the list again.")
    at_work = Delivery.objects.filter(
        handler=delivery.handler,
        stream_type=delivery.stream_type,
        stream_id=delivery.stream_id,
        status__in=(DeliveryStatus.SENT, DeliveryStatus.RUNNING),
    )
    if at_work.exists():
        raise Conflict("A later event of this stream is being handled.", cure="Try again when it is done.")
    return delivery


def _reopen(delivery: Delivery) -> None:
    Delivery.objects.filter(pk=delivery.pk).update(
        status=DeliveryStatus.PENDING, attempts=0, next_at=Now(), last_error=""
    )


def _lanes(delivery: Delivery) -> QuerySet[Lane]:
    return Lane.objects.filter(
        handler=delivery.handler, stream_type=delivery.stream_type, stream_id=delivery.stream_id
    )


def _publish(
    delivery: Delivery, fact: type[DeliveryRetried] | type[DeliverySkipped], actor: Actor, reason: str
) -> None:
    event: Event = fact(delivery_id=delivery.pk, handler=delivery.handler, event_uid=str(delivery.event.uid))
    publish(_lanes(delivery).get(), event, actor=actor, reason=reason)

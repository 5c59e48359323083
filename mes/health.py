"""`/healthz`: whether this process can do its work, which is to say whether it reaches the database and the broker; and
whether the sealer does its own."""

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from mes.eventlog.waiting import oldest_waiting, refusal


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 when both answer, else 503 with the word `down` beside the one that does not. Names no version, no address.

    `seals` is `late` where an event has waited longer than a minute for its seal, and `refused` as soon as the sealer finds
    that the record contradicts its seals or the witness, or that its key is lost: both are for people to look at, and no reason to take this process
    out of service.
    """
    found = {"database": _database_answers(), "broker": _broker_answers()}
    words = {name: "up" if answers else "down" for name, answers in found.items()}
    words["seals"] = _seals() if found["database"] else "down"
    return JsonResponse(
        words, status=200 if all(found.values()) else 503, headers={"Cache-Control": "no-store"}
    )


def _seals() -> str:
    try:
        if refusal():
            return "refused"
        waiting = oldest_waiting()
    except DatabaseError:
        return "down"
    return "late" if waiting is not None and waiting.is_late else "up"


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _broker_answers() -> bool:
    try:
        with redis.Redis.from_url(settings.BROKER_URL, socket_timeout=2, socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.exceptions.RedisError:
        return False

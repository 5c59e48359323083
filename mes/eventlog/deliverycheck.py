"""The checks of what carries events to their handlers: whoever alters it keeps a reaction from happening, or has it twice.

An event in the log and the subscriptions in code say what must stand there. Each check is one statement over whole tables.
"""

from __future__ import annotations

from collections.abc import Generator

from mes.eventlog.findings import Bad
from mes.eventlog.statements import rows
from mes.eventlog.subscriptions import HANDLERS

# A delivery of another stream or version comes out of turn.
MISPLACED = """
    WITH bad AS MATERIALIZED (
        SELECT d.event_id, d.handler, CASE WHEN e.pos IS NULL THEN 'there is no such event'
            ELSE 'it names another stream or version than its event' END
        FROM mes_delivery d LEFT JOIN mes_event e ON e.pos = d.event_id
        WHERE e.pos IS NULL OR (e.stream_type, e.stream_id, e.version) IS DISTINCT FROM (d.stream_type, d.stream_id, d.version))
    SELECT * FROM bad ORDER BY event_id LIMIT 1
"""
# The longest pause between two attempts is ten minutes, the longest lease one.
PUT_OFF = """
    SELECT event_id, handler, 'it waits until ' || to_char(greatest(next_at, lease_until), 'YYYY-MM-DD') FROM mes_delivery
    WHERE status IN ('pending', 'sent', 'running', 'dead')
        AND greatest(CASE WHEN status = 'pending' THEN next_at END, lease_until) > statement_timestamp() + interval '1 day'
    ORDER BY event_id LIMIT 1
"""
# Every run that was done has its row in the inbox, and no other run has: done and inbox are one transaction.
UNDONE = """
    WITH runs AS MATERIALIZED (
        SELECT handler, event_id, count(*) AS number, min(run) AS first, max(run) AS last FROM mes_inbox GROUP BY 1, 2
    ), bad AS MATERIALIZED (
        SELECT coalesce(d.event_id, r.event_id) AS event_id, coalesce(d.handler, r.handler) AS handler,
            CASE WHEN d.id IS NULL THEN 'the delivery was deleted (the inbox speaks of it)'
                ELSE d.status || ' in run ' || d.run || ', but the inbox holds ' || coalesce(r.number, 0) || ' runs' END
        FROM mes_delivery d FULL JOIN runs r ON r.handler = d.handler AND r.event_id = d.event_id
        WHERE d.id IS NULL OR coalesce(r.number, 0) <> d.run - (d.status <> 'done')::int
            OR r.first <> 1 OR r.last <> r.number)
    SELECT * FROM bad ORDER BY event_id LIMIT 1
"""
# A person skips and replays, with a reason that the log keeps.
UNSPOKEN = """
    WITH said AS MATERIALIZED (
        SELECT (payload::json->>'delivery_id')::bigint AS id, min(pos) AS pos, payload::json->>'handler' AS handler,
            count(*) FILTER (WHERE type = 'mes.delivery_skipped') AS skipped,
            count(*) FILTER (WHERE type = 'mes.delivery_replayed') AS replayed
        FROM mes_event WHERE type IN ('mes.delivery_skipped', 'mes.delivery_replayed') GROUP BY 1, 3
    ), bad AS MATERIALIZED (
        SELECT coalesce(d.event_id, s.pos) AS event_id, coalesce(d.handler, s.handler) AS handler,
            CASE WHEN d.id IS NULL THEN 'the delivery was deleted (an event speaks of it)'
                ELSE d.status || ' in run ' || d.run || ', but events speak of ' || coalesce(s.skipped, 0) || ' skips and '
                    || coalesce(s.replayed, 0) || ' replays' END
        FROM mes_delivery d FULL JOIN said s ON s.id = d.id AND s.handler = d.handler
        WHERE d.id IS NULL OR (d.status = 'skipped') <> (coalesce(s.skipped, 0) > 0)
            OR d.run - 1 <> coalesce(s.replayed, 0))
    SELECT * FROM bad ORDER BY event_id LIMIT 1
"""
# Once a version of Lamina has delivered to a handler, every later event of that version that the handler subscribes to has a
# delivery to it. An older version beside it, which did not know the handler yet, delivers nothing.
MISSING = """
    WITH since AS MATERIALIZED (
        SELECT d.handler, e.software, min(e.pos) AS pos FROM mes_delivery d JOIN mes_event e ON e.pos = d.event_id GROUP BY 1, 2
    ), bad AS MATERIALIZED (
        SELECT e.pos, h.id, 'the delivery was deleted' FROM unnest(%s::text[], %s::text[], %s::text[]) AS h(id, type, stream)
        JOIN since s ON s.handler = h.id
        JOIN mes_event e ON e.type = h.type AND e.software = s.software AND e.pos > s.pos
            AND (h.stream = '' OR e.stream_id = h.stream)
        LEFT JOIN mes_delivery d ON d.event_id = e.pos AND d.handler = h.id
        WHERE d.id IS NULL)
    SELECT * FROM bad ORDER BY pos LIMIT 1
"""
# A lane comes into being when a relay first finds a delivery in it.
EMPTY_LANE = """
    WITH bad AS MATERIALIZED (
        SELECT l.id, l.handler, l.stream_type, l.stream_id FROM mes_lane l
        LEFT JOIN (SELECT DISTINCT handler, stream_type, stream_id FROM mes_delivery) d
            ON (d.handler, d.stream_type, d.stream_id) = (l.handler, l.stream_type, l.stream_id)
        WHERE d.handler IS NULL)
    SELECT handler, stream_type, stream_id FROM bad ORDER BY id LIMIT 1
"""
SLOTS = """
    WITH due AS MATERIALIZED (
        SELECT stream_id AS job, payload::json->>'due_at' AS due_at, min(pos) AS pos FROM mes_event
        WHERE type = 'mes.slot_due' GROUP BY 1, 2
    ), taken AS MATERIALIZED (
        SELECT job, to_char(due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS due_at FROM mes_slot
    ), bad AS MATERIALIZED (
        SELECT coalesce(d.job, t.job) AS job, coalesce(d.due_at, t.due_at) AS due_at, d.pos
        FROM due d FULL JOIN taken t ON t.job = d.job AND t.due_at = d.due_at WHERE d.job IS NULL OR t.job IS NULL)
    SELECT * FROM bad ORDER BY job, due_at LIMIT 1
"""
# An epoch is opened before its first event.
EPOCHS = """
    SELECT n.number, CASE WHEN n.number <> n.place THEN 'one before it is gone' ELSE 'opened after its first event' END
    FROM (SELECT number, opened_at, row_number() OVER (ORDER BY number) AS place FROM mes_epoch) n
    LEFT JOIN LATERAL (SELECT recorded_at FROM mes_event WHERE epoch = n.number ORDER BY tx, pos LIMIT 1) e ON true
    WHERE n.number <> n.place OR e.recorded_at < n.opened_at - interval '1 minute' ORDER BY n.number LIMIT 1
"""
BEYOND_EPOCHS = """
    SELECT e.pos, e.epoch FROM mes_event e WHERE e.epoch < 1 OR e.epoch > coalesce((SELECT max(number) FROM mes_epoch), 0) LIMIT 1
"""


def check_deliveries() -> Generator[Bad]:
    """Every delivery stands where its event does, and is done, skipped or run again only as inbox and log say; none is gone."""
    for statement in (MISPLACED, UNDONE, UNSPOKEN, PUT_OFF):
        for pos, handler, what in rows(statement):
            yield Bad("delivery", f"pos {pos} to {handler}: {what}", pos)
    for pos, handler, what in rows(MISSING, *_subscriptions()):
        yield Bad("delivery", f"pos {pos} to {handler}: {what}", pos)
    for handler, kind, key in rows(EMPTY_LANE):
        yield Bad("delivery", f"{handler} of {kind}/{key}: the lane stands without a delivery")


def check_clock() -> Generator[Bad]:
    """Every slot of the clock has its event and the reverse; epochs follow each other, and every event is of one."""
    for job, due_at, pos in rows(SLOTS):
        what = "the slot stands without its event" if pos is None else "the slot was deleted"
        yield Bad("slot", f"{job} at {due_at}: {what}", pos)
    for number, what in rows(EPOCHS):
        yield Bad("epoch", f"epoch {number}: {what}")
    for pos, epoch in rows(BEYOND_EPOCHS):
        yield Bad("epoch", f"pos {pos}: there is no epoch {epoch}", pos)


def _subscriptions() -> tuple[list[str], list[str], list[str]]:
    """Handler ids, the types of the events that they subscribe to, and the stream where it is one alone."""
    keys = [handler.routing_key.partition(":") for handler in HANDLERS.values()]
    return list(HANDLERS), [name for name, _, _ in keys], [stream for _, _, stream in keys]

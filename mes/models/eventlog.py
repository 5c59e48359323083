"""The event log and what carries its events to their handlers. Written by `mes.eventlog` alone."""

from __future__ import annotations

from django.db import models
from django.db.models.expressions import RawSQL
from django.db.models.functions import Now

from mes.tables import table

OF_THE_LOG = "it carries the log, which its own checks cover"


@table("fixed")
class Epoch(models.Model):
    """One life of the database cluster's transaction counter. A logical restore opens a new one."""

    number = models.IntegerField(primary_key=True)
    opened_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "mes_epoch"

    def __str__(self) -> str:
        return str(self.number)


@table("working", no_history=OF_THE_LOG)
class Stream(models.Model):
    """The order of events of one root: its row lock gives versions without gaps."""

    pk = models.CompositePrimaryKey("type", "id")
    type = models.CharField(max_length=60)
    id = models.CharField(max_length=60)
    version = models.IntegerField()

    class Meta:
        db_table = "mes_stream"

    def __str__(self) -> str:
        return f"{self.type}/{self.id}@{self.version}"


@table("record", no_history=OF_THE_LOG, given=("pos", "tx", "epoch", "recorded_at"))
class EventRecord(models.Model):
    """A fact in the past tense, written in the transaction that made it true. `payload` is the text that is hashed."""

    pos = models.BigAutoField(primary_key=True)
    tx = models.BigIntegerField(db_default=RawSQL("pg_current_xact_id()::text::bigint", ()))
    epoch = models.IntegerField(db_default=RawSQL("mes_current_epoch()", ()))
    uid = models.UUIDField(unique=True)
    stream_type = models.CharField(max_length=60)
    stream_id = models.CharField(max_length=60)
    version = models.IntegerField()
    type = models.CharField(max_length=80)
    schema_version = models.IntegerField()
    payload = models.TextField()
    actor = models.CharField(max_length=80)
    reason = models.TextField()
    correlation = models.UUIDField()
    causation = models.UUIDField(null=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    software = models.CharField(max_length=40, help_text="The version of Lamina that wrote it (K-11)")
    record_schema = models.IntegerField()
    record_digest = models.CharField(max_length=64)

    class Meta:
        db_table = "mes_event"
        constraints = [
            models.UniqueConstraint(
                fields=["stream_type", "stream_id", "version"], name="event_stream_version"
            )
        ]
        indexes = [
            models.Index(fields=["epoch", "tx", "pos"], name="event_settled_order"),
            models.Index(fields=["type", "pos"], name="event_type"),
            models.Index(fields=["actor", "pos"], name="event_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.stream_type}/{self.stream_id}@{self.version}"


@table("working", root="mes.lane", digest={1: ("handler", "stream_type", "stream_id")}, no_history=OF_THE_LOG)
class Lane(models.Model):
    """One handler's path along one stream: what a relay locks."""

    handler = models.CharField(max_length=80)
    stream_type = models.CharField(max_length=60)
    stream_id = models.CharField(max_length=60)

    class Meta:
        db_table = "mes_lane"
        constraints = [
            models.UniqueConstraint(fields=["handler", "stream_type", "stream_id"], name="lane_once")
        ]

    def __str__(self) -> str:
        return f"{self.handler} of {self.stream_type}/{self.stream_id}"


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", "waiting"
    SENT = "sent", "in the queue"
    RUNNING = "running", "running"
    DONE = "done", "done"
    DEAD = "dead", "given up"
    SKIPPED = "skipped", "skipped"


OPEN_STATUSES = ("pending", "sent", "running", "dead")


@table("working", no_history=OF_THE_LOG)
class Delivery(models.Model):
    """One event on its way to one handler. `run` counts replays; `lease_token` fences a late worker.

    Written by the statement that writes its event, which nobody can delete: a foreign key would check, and lock, the
    event's row once more for every delivery. Nor have the inbox and the leaves one (ADR 20).
    """

    event = models.ForeignKey(
        EventRecord,
        on_delete=models.PROTECT,
        related_name="deliveries",
        db_constraint=False,
        db_index=False,
    )
    handler = models.CharField(max_length=80)
    stream_type = models.CharField(max_length=60)
    stream_id = models.CharField(max_length=60)
    version = models.IntegerField()
    status = models.CharField(max_length=10, choices=DeliveryStatus, default=DeliveryStatus.PENDING)
    attempts = models.IntegerField(default=0)
    run = models.IntegerField(default=1)
    next_at = models.DateTimeField(db_default=Now())
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    last_error = models.TextField(default="")

    class Meta:
        db_table = "mes_delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["event", "handler"], name="delivery_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=DeliveryStatus.values), name="delivery_status"
            ),
        ]
        indexes = [
            models.Index(
                fields=["handler", "stream_type", "stream_id", "version"],
                name="delivery_open_in_lane",
                condition=models.Q(status__in=OPEN_STATUSES),
            ),
            models.Index(
                fields=["lease_until"],
                name="delivery_leased",
                condition=models.Q(status__in=("sent", "running")),
            ),
            models.Index(fields=["handler", "id"], name="delivery_dead", condition=models.Q(status="dead")),
        ]

    def __str__(self) -> str:
        return f"{self.handler} <- {self.stream_type}/{self.stream_id}@{self.version} ({self.status})"


@table("record", no_history=OF_THE_LOG)
class Inbox(models.Model):
    """Written with a handler's effect, in its transaction: an effect cannot happen twice in one run."""

    handler = models.CharField(max_length=80)
    event = models.ForeignKey(
        EventRecord, on_delete=models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    run = models.IntegerField()

    class Meta:
        db_table = "mes_inbox"
        verbose_name_plural = "inbox"
        constraints = [models.UniqueConstraint(fields=["handler", "event", "run"], name="inbox_once")]

    def __str__(self) -> str:
        return f"{self.handler} {self.event_id} run {self.run}"


@table("working", root="mes.schedule", digest={1: ("job",)}, no_history=OF_THE_LOG)
class Schedule(models.Model):
    """A job that the clock starts. Its slots are events of its stream."""

    job = models.CharField(max_length=80, primary_key=True)

    class Meta:
        db_table = "mes_schedule"

    def __str__(self) -> str:
        return self.job


@table("record", no_history=OF_THE_LOG)
class Slot(models.Model):
    """One due time of a job, taken once however many tickers run."""

    job = models.CharField(max_length=80)
    due_at = models.DateTimeField()

    class Meta:
        db_table = "mes_slot"
        constraints = [models.UniqueConstraint(fields=["job", "due_at"], name="slot_once")]

    def __str__(self) -> str:
        return f"{self.job} {self.due_at:%Y-%m-%dT%H:%M:%SZ}"


@table("record", no_history=OF_THE_LOG)
class Leaf(models.Model):
    """One event's place in the Merkle tree (RFC 6962)."""

    index = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(
        EventRecord, on_delete=models.PROTECT, related_name="leaf", db_constraint=False
    )
    hash = models.CharField(max_length=64)
    tiles = models.TextField(
        db_default="", help_text="Hashes of the perfect subtrees of 256, 65,536 … leaves that end here"
    )

    class Meta:
        db_table = "mes_leaf"
        verbose_name_plural = "leaves"

    def __str__(self) -> str:
        return f"{self.index}:{self.hash[:12]}"


@table("record", no_history=OF_THE_LOG)
class Seal(models.Model):
    """A signed root over the first `tree_size` leaves, bound to the whole of the seal before it."""

    tree_size = models.BigIntegerField(primary_key=True)
    root = models.CharField(max_length=64)
    prev_size = models.BigIntegerField()
    prev_root = models.CharField(max_length=64)
    prev_seal = models.CharField(
        max_length=64, help_text="SHA-256 of the text and signature of the seal before"
    )
    consistency = models.TextField(
        help_text="Proof that this tree begins with the one before (RFC 6962 §2.1.2)"
    )
    key_id = models.CharField(max_length=16)
    signature = models.CharField(max_length=128)
    sealed_at = models.DateTimeField()

    class Meta:
        db_table = "mes_seal"

    def __str__(self) -> str:
        return f"{self.tree_size}:{self.root[:12]}"


@table("fixed")
class SealTurn(models.Model):
    """One row. Who locks it seals, or copies the database while nobody does; a lock that any login may take (an advisory
    one) would let a reader stop the seals.

    `refusal`: why the sealer seals nothing, as it said last. It outlives the sealer, and only one that could seal clears it.
    """

    id = models.IntegerField(primary_key=True)
    refusal = models.TextField(default="", db_default="")

    class Meta:
        db_table = "mes_seal_turn"

    def __str__(self) -> str:
        return str(self.id)

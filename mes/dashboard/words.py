"""One word, tone and icon for every state that a screen can show. Colour never says anything that the word does not."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """`tone` is ok, busy, wait, stop or off."""

    text: str
    tone: str
    icon: str = ""


WORDS: dict[str, Word] = {
    "release_proposed": Word("release proposed", "wait", "lock"),
    "carried_out": Word("carried out", "off", "trash-x"),
    # orders and devices
    "draft": Word("draft", "off", "pencil"),
    "submitted": Word("submitted", "wait", "send"),
    "under_review": Word("under review", "wait", "eye"),
    "in_review": Word("under review", "wait", "eye"),
    "approved": Word("approved", "ok"),
    "accepted": Word("accepted", "ok"),
    "info_required": Word("information required", "wait", "help-circle"),
    "in_design": Word("in design", "busy", "ruler-measure"),
    "awaiting_clinical_approval": Word("awaiting clinical approval", "wait", "stethoscope"),
    "in_production": Word("in production", "busy", "stack-2"),
    "ready_to_ship": Word("ready to ship", "ok", "package"),
    "in_use": Word("in use", "ok", "droplet"),
    "on_hold": Word("on hold", "wait", "hand-stop"),
    "proposed": Word("waits for a second approval", "wait", "writing-sign"),
    "active": Word("active", "ok"),
    "inactive": Word("inactive", "off", "circle-minus"),
    "effective": Word("in force", "ok"),
    "obsolete": Word("obsolete", "off", "circle-minus"),
    "trained": Word("trained", "ok"),
    "grace": Word("trained on the revision before: grace", "wait", "clock"),
    "none": Word("not trained", "off", "circle-minus"),
    "sealed": Word("sealed", "off", "lock"),
    "empty": Word("empty", "off", "circle-minus"),
    "unprepared": Word("could not be prepared", "stop", "circle-x"),
    "requal_required": Word("needs requalification", "wait", "certificate"),
    "commissioning": Word("being commissioned", "off", "settings-automation"),
    "iq_approved": Word("installation qualified", "wait", "certificate"),
    "oq_approved": Word("operation qualified", "wait", "certificate"),
    "attention": Word("needs attention", "wait", "alert-triangle"),
    "busy": Word("busy", "busy"),
    "claimed": Word("claimed", "wait", "hourglass"),
    "starting": Word("starting", "busy", "send"),
    "confirmed": Word("confirmed", "ok"),
    "acknowledged": Word("acknowledged", "busy", "send"),
    "requested": Word("requested", "wait", "hourglass"),
    "refused": Word("refused", "stop", "ban"),
    "withdrawn": Word("withdrawn", "off", "circle-minus"),
    "rejected": Word("rejected", "stop", "circle-x"),
    "cancelled": Word("cancelled", "off", "circle-x"),
    "planned": Word("planned", "off", "circle-dashed"),
    "design_frozen": Word("design frozen", "ok", "lock"),
    "queued": Word("queued", "wait", "hourglass"),
    "in_build": Word("in build", "busy", "stack-2"),
    "built": Word("built", "busy", "cube"),
    "post_processing": Word("post-processing", "busy", "droplet"),
    "awaiting_inspection": Word("awaiting inspection", "wait", "ruler-measure"),
    "inspected_pass": Word("inspection passed", "ok", "clipboard-check"),
    "labelled": Word("labelled", "busy", "barcode"),
    "ready_for_review": Word("ready for review", "wait", "clipboard-list"),
    "reviewed": Word("reviewed", "ok", "eye"),
    "released": Word("released", "ok", "shield-check"),
    "shipped": Word("shipped", "ok", "truck-delivery"),
    "delivered": Word("delivered", "ok", "package"),
    "nonconforming": Word("nonconforming", "stop", "flag"),
    "rework": Word("rework", "wait", "repeat"),
    "scrapped": Word("scrapped", "stop", "trash-x"),
    "held": Word("on hold", "wait", "hand-stop"),
    # packages
    "packing": Word("being packed", "busy", "package"),
    # patients
    "erased": Word("erased", "off", "lock"),
    "ended": Word("ended, not reviewed", "wait", "hourglass"),
    # gates
    "pass": Word("passed", "ok"),
    "block": Word("blocks", "stop", "ban"),
    "n/a": Word("does not apply", "off", "circle-minus"),
    # lots
    "quarantine": Word("quarantine", "wait", "lock"),
    "hold": Word("on hold", "wait", "hand-stop"),
    "expired": Word("expired", "stop", "clock"),
    "depleted": Word("used up", "off", "circle-minus"),
    # printers, what they may and what they do
    "qualified": Word("qualified", "ok", "certificate"),
    "not_qualified": Word("not qualified", "stop", "certificate"),
    "suspended": Word("suspended", "stop", "ban"),
    "idle": Word("idle", "ok"),
    "ready": Word("ready", "ok"),
    "printing": Word("printing", "busy", "printer"),
    "preparing": Word("preparing", "busy"),
    "heating": Word("heating", "busy", "temperature"),
    "pausing": Word("pausing", "wait", "player-pause"),
    "paused": Word("paused", "wait", "player-pause"),
    "finished": Word("finished", "ok", "flag"),
    "waiting_for_clear": Word("plate to clear", "wait", "layers-subtract"),
    "plate_to_clear": Word("plate to clear", "wait", "layers-subtract"),
    "cancelling": Word("cancelling", "wait", "player-stop"),
    "fault": Word("fault", "stop", "alert-triangle"),
    "error": Word("fault", "stop", "alert-triangle"),
    "offline": Word("offline", "stop", "plug-connected-x"),
    "stale": Word("not heard from", "stop", "wifi-off"),
    "unknown": Word("unknown", "stop", "help-circle"),
    "maintenance": Word("maintenance", "off", "settings-automation"),
    # builds and jobs
    "prepared": Word("sliced", "busy", "stack-2"),
    "verified": Word("verified", "ok"),
    "scheduled": Word("scheduled", "wait", "clock"),
    "dispatched": Word("dispatched", "busy", "send"),
    "started": Word("printing", "busy", "printer"),
    "interrupted": Word("interrupted", "stop", "alert-triangle"),
    "completed": Word("completed", "ok"),
    "failed": Word("failed", "stop", "circle-x"),
    "uncertain": Word("uncertain", "stop", "help-circle"),
    "aborted": Word("aborted", "stop", "circle-x"),
    # measuring equipment
    "registered": Word("registered", "off", "circle-dashed"),
    "in_service": Word("in service", "ok"),
    "out_of_service": Word("out of service", "stop", "ban"),
    "in_tolerance": Word("in tolerance", "ok"),
    "out_of_tolerance": Word("out of tolerance", "stop", "alert-triangle"),
    # deliveries
    "pending": Word("waiting", "wait"),
    "sent": Word("in the queue", "busy", "send"),
    "running": Word("running", "busy"),
    "done": Word("done", "ok"),
    "dead": Word("given up", "stop", "skull"),
    "skipped": Word("skipped", "off", "player-skip-forward"),
    # signatures
    "valid": Word("valid", "ok", "writing-sign"),
    "superseded": Word("superseded", "off", "repeat"),
    "altered": Word("altered – do not use", "stop", "alert-circle"),
    "invalid_binding": Word("of another record – do not use", "stop", "alert-circle"),
    "handwritten": Word("handwritten, true copy", "ok", "signature"),
    "unverified": Word("not verified", "wait", "hourglass"),
    "may_sign": Word("may sign", "ok", "writing-sign"),
    "may_not_sign": Word("may not sign yet", "wait", "hand-stop"),
    "proofed": Word("proofed", "ok", "id-badge-2"),
    "not_proofed": Word("not proofed", "off", "id-badge-2"),
    "waits_for_second": Word("waits for a second person", "wait", "hourglass"),
    "missing": Word("missing", "stop", "alert-circle"),
    # validation and fields of use
    "training": Word("training", "wait", "school"),
    "clinical": Word("clinical", "ok", "stethoscope"),
    "research_only": Word("research only", "wait", "flask"),
    "cleared": Word("cleared", "ok", "certificate"),
    "validated_in_house": Word("validated in house", "ok", "certificate"),
    "open": Word("open", "off", "circle-dot"),
    "dissolved": Word("dissolved", "off", "circle-minus"),
    "closed": Word("closed", "ok"),
    "passed": Word("passed", "ok"),
}


def word_for(value: str) -> Word:
    """The word of a state. One that has none yet is shown as it is, never hidden."""
    return WORDS.get(value) or WORDS.get(value.lower()) or Word(value.replace("_", " "), "off", "circle-dot")

"""Enumerations of what is made, and the literal pairs that the database lets a stage move along (K-06)."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import models


class Stage(models.TextChoices):
    """The life of a device unit."""

    PLANNED = "planned", "Planned"
    DESIGN_FROZEN = "design_frozen", "Design frozen"
    QUEUED = "queued", "Queued"
    IN_BUILD = "in_build", "In build"
    BUILT = "built", "Built"
    POST_PROCESSING = "post_processing", "Post-processing"
    AWAITING_INSPECTION = "awaiting_inspection", "Awaiting inspection"
    INSPECTED_PASS = "inspected_pass", "Inspection passed"
    LABELLED = "labelled", "Labelled"
    READY_FOR_REVIEW = "ready_for_review", "Ready for review"
    REVIEWED = "reviewed", "Reviewed"
    RELEASED = "released", "Released"
    SHIPPED = "shipped", "Shipped"
    DELIVERED = "delivered", "Delivered"
    NONCONFORMING = "nonconforming", "Nonconforming"
    REWORK = "rework", "Rework"
    SCRAPPED = "scrapped", "Scrapped"
    CANCELLED = "cancelled", "Cancelled"


# fmt: off
DEVICE_PAIRS: tuple[tuple[str, str], ...] = (
    ("planned",             "design_frozen"),
    ("planned",             "cancelled"),
    ("design_frozen",       "planned"),
    ("design_frozen",       "queued"),
    ("design_frozen",       "cancelled"),
    ("queued",              "design_frozen"),
    ("queued",              "in_build"),
    ("in_build",            "built"),
    ("in_build",            "nonconforming"),
    ("built",               "post_processing"),
    ("built",               "nonconforming"),
    ("post_processing",     "awaiting_inspection"),
    ("post_processing",     "nonconforming"),
    ("awaiting_inspection", "inspected_pass"),
    ("awaiting_inspection", "nonconforming"),
    ("inspected_pass",      "labelled"),
    ("inspected_pass",      "ready_for_review"),
    ("inspected_pass",      "nonconforming"),
    ("labelled",            "ready_for_review"),
    ("labelled",            "nonconforming"),
    ("ready_for_review",    "reviewed"),
    ("ready_for_review",    "nonconforming"),
    ("reviewed",            "released"),
    ("reviewed",            "nonconforming"),
    ("released",            "shipped"),
    ("shipped",             "delivered"),
    ("nonconforming",       "rework"),
    ("nonconforming",       "scrapped"),
    ("rework",              "post_processing"),
    ("rework",              "awaiting_inspection"),
    ("rework",              "nonconforming"),
)
# fmt: on


class Phase(models.TextChoices):
    """The groups that screens show: a projection of stage and progress, in their order."""

    ORDER = "order", "Order"
    IMAGING = "imaging", "Imaging"
    DESIGN = "design", "Design"
    APPROVAL = "approval", "Approval"
    SLICING = "slicing", "Slicing"
    QUEUE = "queue", "Queue"
    PRINTING = "printing", "Printing"
    POST_PROCESSING = "post_processing", "Post-processing"
    INSPECTION = "inspection", "Inspection"
    REVIEW = "review", "Review"
    RELEASE = "release", "Release"
    DELIVERY = "delivery", "Delivery"


class OrderStage(models.TextChoices):
    """The life of an order."""

    DRAFT = "draft", "Draft"
    SUBMITTED = "submitted", "Submitted"
    UNDER_REVIEW = "under_review", "Under review"
    INFO_REQUIRED = "info_required", "Information required"
    ACCEPTED = "accepted", "Accepted"
    REJECTED = "rejected", "Rejected"
    IN_DESIGN = "in_design", "In design"
    AWAITING_CLINICAL_APPROVAL = "awaiting_clinical_approval", "Awaiting clinical approval"
    IN_PRODUCTION = "in_production", "In production"
    READY_TO_SHIP = "ready_to_ship", "Ready to ship"
    SHIPPED = "shipped", "Shipped"
    DELIVERED = "delivered", "Delivered"
    CLOSED = "closed", "Closed"
    CANCELLED = "cancelled", "Cancelled"


KEPT_FROM = frozenset({Stage.RELEASED, Stage.SHIPPED, Stage.DELIVERED, Stage.SCRAPPED, Stage.CANCELLED})
"""Where the time for which a device's record is kept has begun."""

# fmt: off
ORDER_PAIRS: tuple[tuple[str, str], ...] = (
    ("draft",                      "submitted"),
    ("draft",                      "cancelled"),
    ("submitted",                  "under_review"),
    ("submitted",                  "cancelled"),
    ("under_review",               "info_required"),
    ("under_review",               "accepted"),
    ("under_review",               "rejected"),
    ("under_review",               "cancelled"),
    ("info_required",              "under_review"),
    ("info_required",              "cancelled"),
    ("accepted",                   "in_design"),
    ("accepted",                   "cancelled"),
    ("in_design",                  "awaiting_clinical_approval"),
    ("in_design",                  "cancelled"),
    ("awaiting_clinical_approval", "in_design"),
    ("awaiting_clinical_approval", "in_production"),
    ("awaiting_clinical_approval", "cancelled"),
    ("in_production",              "in_design"),
    ("in_production",              "ready_to_ship"),
    ("in_production",              "cancelled"),
    ("ready_to_ship",              "shipped"),
    ("shipped",                    "delivered"),
    ("delivered",                  "closed"),
)
# fmt: on


class Side(models.TextChoices):
    LEFT = "left", "Left"
    RIGHT = "right", "Right"
    BILATERAL = "bilateral", "Both sides"
    NONE = "none", "Not sided"


class IntendedUse(models.TextChoices):
    """What may be done with the devices of a master. A training device is not for clinical use; a model is no device at all."""

    TRAINING = "training", "Training, not for clinical use"
    CLINICAL = "clinical", "Clinical"
    MODEL = "model", "Model, not a medical device"


@dataclass(frozen=True)
class Route:
    """What an intended use asks of the way from an order to a delivery, and what it spares. Every other gate is the same.

    notice: what every screen and record of such a thing says.  validated_tools: whether its images must be fit for patients and
    the tools that touch its geometry validated (G-IMG-01, G-SW-01).  prescriber_approves: whether the prescriber signs the
    design, or else a clinical reviewer (G-DES-02).  shipped: whether it leaves the house (G-SW-01); `stays` says why not.
    """

    notice: str
    validated_tools: bool
    prescriber_approves: bool
    shipped: bool
    stays: str = ""


ROUTES: dict[IntendedUse, Route] = {
    IntendedUse.CLINICAL: Route("", validated_tools=True, prescriber_approves=True, shipped=True),
    # An exercise goes the whole way, signatures included, and ends in the house: nobody may use it on a patient.
    IntendedUse.TRAINING: Route(
        "TRAINING · NOT FOR CLINICAL USE",
        validated_tools=False,
        prescriber_approves=True,
        shipped=False,
        stays="made for training",
    ),
    # It touches no patient, so no prescriber has to answer for its shape. Somebody will still look at it and decide, so it is the
    # right patient's, a clinician approves both the segmentation and the shape, and it is inspected and released. What is looked at
    # for a diagnosis needs validated tools: a master that allows it says so (`DeviceMaster.needs_validated_tools`).
    IntendedUse.MODEL: Route(
        "MODEL · NOT A MEDICAL DEVICE · NOT FOR IMPLANTATION",
        validated_tools=False,
        prescriber_approves=False,
        shipped=True,
    ),
}


class ExportFormat(models.TextChoices):
    """What a design can be given away as."""

    STL = "stl", "STL, millimetres by agreement"
    PLY = "ply", "PLY, millimetres by agreement"
    THREEMF = "3mf", "3MF, in millimetres, each part in a colour"
    DICOM = "dicom", "DICOM Encapsulated STL, with the images' frame of reference"
    WALL_MAP = "wall_map", "Map of the walls, coloured PLY"
    GAP_MAP = "gap_map", "Map of the gaps, coloured PLY"


class TrackedAs(models.TextChoices):
    """What has a number and a record of its own (K-08): each device, or a lot of identical ones for one order."""

    UNIT = "unit", "Each device by its serial number"
    LOT = "lot", "Identical devices of an order as one lot"


class DeviceField(models.TextChoices):
    DENTAL = "dental", "Dental"
    SPINE = "spine", "Spine"
    CARDIAC = "cardiac", "Cardiac"
    ORTHOPAEDIC = "orthopaedic", "Orthopaedic"
    CRANIAL = "cranial", "Cranial"
    OPHTHALMIC = "ophthalmic", "Ophthalmic"
    DERMATOLOGY = "dermatology", "Dermatology"


class DefinitionStatus(models.TextChoices):
    """A master's or a material's life: drafted by one person, effective by another's signature."""

    DRAFT = "draft", "Draft"
    EFFECTIVE = "effective", "Effective"
    SUPERSEDED = "superseded", "Superseded"


DEFINITION_PAIRS: tuple[tuple[str, str], ...] = (("draft", "effective"), ("effective", "superseded"))


class KitStage(models.TextChoices):
    """A kit is put together, released as a whole, and over once its members go their own ways."""

    OPEN = "open", "Being put together"
    RELEASED = "released", "Released"
    DISSOLVED = "dissolved", "Dissolved"


KIT_PAIRS: tuple[tuple[str, str], ...] = (
    ("open", "released"),
    ("open", "dissolved"),
    ("released", "dissolved"),
)


class StudyStatus(models.TextChoices):
    RECEIVED = "received", "Received, not read yet"
    ACCEPTED = "accepted", "Accepted"
    REFUSED = "refused", "Refused"


STUDY_PAIRS: tuple[tuple[str, str], ...] = (("received", "accepted"), ("received", "refused"))


class Door(models.TextChoices):
    DICOM = "dicom", "DICOM network"
    STOW = "stow", "DICOMweb"


class PeerStage(models.TextChoices):
    ACTIVE = "active", "May send images"
    REVOKED = "revoked", "Revoked"


PEER_PAIRS: tuple[tuple[str, str], ...] = (("active", "revoked"),)


class ArrivalStage(models.TextChoices):
    WAITING = "waiting", "Waits for a person"
    ATTACHED = "attached", "Attached, being read"
    TAKEN = "taken", "Accepted"
    DISCARDED = "discarded", "Discarded"


ARRIVAL_PAIRS: tuple[tuple[str, str], ...] = (
    ("waiting", "attached"),
    ("waiting", "discarded"),
    ("attached", "waiting"),
    ("attached", "taken"),
)


class UploadPurpose(models.TextChoices):
    IMAGES = "images", "Images or a surface scan"
    DESIGN = "design", "A part that was drawn in another program"


class UploadStage(models.TextChoices):
    OPEN = "open", "Coming in"
    TAKEN = "taken", "Taken in"
    CANCELLED = "cancelled", "Given up by its sender"
    ABANDONED = "abandoned", "Nobody went on with it"


UPLOAD_PAIRS: tuple[tuple[str, str], ...] = (
    ("open", "taken"),
    ("open", "cancelled"),
    ("open", "abandoned"),
)


class SegmentationStatus(models.TextChoices):
    RECORDED = "recorded", "Awaiting approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    SUPERSEDED = "superseded", "Superseded"


SEGMENTATION_PAIRS: tuple[tuple[str, str], ...] = (
    ("recorded", "approved"),
    ("recorded", "rejected"),
    ("recorded", "superseded"),
    ("approved", "rejected"),
    ("approved", "superseded"),
)


class DraftStatus(models.TextChoices):
    OPEN = "open", "Being edited"
    FINISHED = "finished", "Finished"
    DISCARDED = "discarded", "Discarded"


DRAFT_PAIRS: tuple[tuple[str, str], ...] = (("open", "finished"), ("open", "discarded"))


class DraftPurpose(models.TextChoices):
    SEGMENTATION = "segmentation", "To make the segmentation"
    READING = "reading", "As a second reading of the segmentation"


class DesignStatus(models.TextChoices):
    REQUESTED = "requested", "Being made"
    FAILED = "failed", "Not made"
    GENERATED = "generated", "Awaiting review"
    REVIEWED = "reviewed", "Awaiting approval"
    REJECTED = "rejected", "Changes requested"
    APPROVED = "approved", "Approved"
    VOIDED = "voided", "Voided"


DESIGN_PAIRS: tuple[tuple[str, str], ...] = (
    ("requested", "generated"),
    ("requested", "failed"),
    ("requested", "voided"),
    ("generated", "reviewed"),
    ("generated", "rejected"),
    ("generated", "voided"),
    ("reviewed", "approved"),
    ("reviewed", "rejected"),
    ("reviewed", "voided"),
    ("approved", "voided"),
)


class PlanStatus(models.TextChoices):
    """The life of a revision of a clinical plan."""

    DRAFTED = "drafted", "Awaiting its reader"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    SUPERSEDED = "superseded", "Superseded"


PLAN_PAIRS: tuple[tuple[str, str], ...] = (
    ("drafted", "approved"),
    ("drafted", "rejected"),
    ("drafted", "superseded"),
    ("approved", "superseded"),
    ("approved", "rejected"),
)

"""What happens by itself: images are read, bone is segmented, designs are made, orders follow their devices."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

from django.utils import timezone

from devices.choices import Stage
from devices.events import (
    ArrivalDiscarded,
    ArrivalTaken,
    DesignComparisonRequested,
    DesignExportRequested,
    DesignFailed,
    DesignGenerated,
    DesignRejected,
    DesignRequested,
    DesignReviewed,
    DesignVoided,
    DeviceStageChanged,
    ImagesAccepted,
    ImagesRefused,
    KitCheckRequested,
    OrderClosed,
    OrderRejected,
    SegmentationDraftChanged,
    SegmentationFailed,
    SegmentationIgnored,
    SegmentationRead,
    SegmentationRecorded,
    SegmentationRequested,
    StudyReceived,
    UploadAbandoned,
    UploadCancelled,
    UploadTaken,
)
from devices.selectors.history import READING, SEGMENTING
from devices.selectors.kits import CHECKING
from devices.services.arrivals import record_left_behind, remove_arrival, settle_arrival
from devices.services.closing import start_clock_of_order, start_clocks_of_device
from devices.services.comparing import compare_with_last, compute_difference, record_difference
from devices.services.designs import record_design
from devices.services.drafting import compare_readings, compute_draft
from devices.services.drafts import record_agreement, record_draft
from devices.services.exporting import compute_export, record_export
from devices.services.external import discard_sent_segmentations
from devices.services.external_designs import discard_part
from devices.services.following import follow_devices
from devices.services.generating import compute_design
from devices.services.kits import follow_member, record_kit_check
from devices.services.matching import compare_members
from devices.services.parcels import remove_upload, sweep_uploads
from devices.services.reading import read_study
from devices.services.reminding import remind_of_decisions
from devices.services.segmentations import record_segmentation, start_segmentation_by_rule
from devices.services.segmenting import compute_segmentation
from devices.services.series import void_rest_of_series
from devices.services.studies import discard_upload, record_images, sweep_quarantine
from mes.eventlog.base import Recorded
from mes.eventlog.subscriptions import Effect, SlotDue, every, on


@on(StudyReceived, id=READING, queue="imaging")
def read_received_study(recorded: Recorded[StudyReceived]) -> Effect:
    study_id = recorded.event.study_id
    outcome = read_study(study_id, recorded.event.series)
    return partial(record_images, study_id=study_id, outcome=outcome)


@on(ImagesAccepted, id="devices.discard_accepted_upload")
def discard_accepted_upload(recorded: Recorded[ImagesAccepted]) -> None:
    discard_upload(recorded.event.study_id)


@on(ImagesRefused, id="devices.discard_refused_upload")
def discard_refused_upload(recorded: Recorded[ImagesRefused]) -> None:
    discard_upload(recorded.event.study_id)


@on(ImagesAccepted, id="devices.settle_accepted_arrival")
def settle_accepted_arrival(recorded: Recorded[ImagesAccepted]) -> None:
    settle_arrival(study_id=recorded.event.study_id, accepted=True)


@on(ImagesRefused, id="devices.settle_refused_arrival")
def settle_refused_arrival(recorded: Recorded[ImagesRefused]) -> None:
    """What was meant for another device, or for nobody yet, is not lost by one refusal."""
    settle_arrival(study_id=recorded.event.study_id, accepted=False)


@on(ArrivalTaken, id="devices.remove_taken_arrival")
def remove_taken_arrival(recorded: Recorded[ArrivalTaken]) -> None:
    remove_arrival(recorded.event.arrival_id)


@on(ArrivalDiscarded, id="devices.remove_discarded_arrival")
def remove_discarded_arrival(recorded: Recorded[ArrivalDiscarded]) -> None:
    remove_arrival(recorded.event.arrival_id)


@on(UploadTaken, id="devices.remove_taken_upload")
def remove_taken_upload(recorded: Recorded[UploadTaken]) -> None:
    remove_upload(recorded.event.upload_id)


@on(UploadCancelled, id="devices.remove_cancelled_upload")
def remove_cancelled_upload(recorded: Recorded[UploadCancelled]) -> None:
    remove_upload(recorded.event.upload_id)


@on(UploadAbandoned, id="devices.remove_abandoned_upload")
def remove_abandoned_upload(recorded: Recorded[UploadAbandoned]) -> None:
    remove_upload(recorded.event.upload_id)


@every(timedelta(hours=1), id="devices.sweep_quarantine")
def sweep_old_uploads(_: Recorded[SlotDue]) -> None:
    record_left_behind()
    sweep_uploads()
    sweep_quarantine()


@every(timedelta(days=1), id="devices.remind_of_decisions")
def remind_of_waiting_decisions(_: Recorded[SlotDue]) -> None:
    remind_of_decisions(now=timezone.now())


@on(ImagesAccepted, id="devices.start_segmentation")
def start_segmentation_of_images(recorded: Recorded[ImagesAccepted]) -> None:
    start_segmentation_by_rule(device_id=recorded.event.device_id, study_id=recorded.event.study_id)


@on(SegmentationRequested, id=SEGMENTING, queue="imaging")
def segment_study(recorded: Recorded[SegmentationRequested]) -> Effect:
    event = recorded.event
    return partial(
        record_segmentation,
        device_id=event.device_id,
        study_id=event.study_id,
        author_id=event.author_id,
        request=recorded.version,
        outcome=compute_segmentation(event.study_id, event.parameters),
    )


@on(SegmentationRecorded, id="devices.discard_recorded_segmentation")
def discard_recorded_segmentation(recorded: Recorded[SegmentationRecorded]) -> None:
    discard_sent_segmentations(recorded.event.device_id)


@on(SegmentationFailed, id="devices.discard_failed_segmentation")
def discard_failed_segmentation(recorded: Recorded[SegmentationFailed]) -> None:
    discard_sent_segmentations(recorded.event.device_id)


@on(SegmentationIgnored, id="devices.discard_ignored_segmentation")
def discard_ignored_segmentation(recorded: Recorded[SegmentationIgnored]) -> None:
    discard_sent_segmentations(recorded.event.device_id)


@on(SegmentationDraftChanged, id="devices.compute_draft", queue="imaging")
def compute_changed_draft(recorded: Recorded[SegmentationDraftChanged]) -> Effect:
    event = recorded.event
    outcome = compute_draft(event.draft_id, event.revision)
    return partial(record_draft, draft_id=event.draft_id, revision=event.revision, outcome=outcome)


@on(SegmentationRead, id="devices.compare_readings", queue="imaging")
def compare_second_reading(recorded: Recorded[SegmentationRead]) -> Effect:
    draft_id = recorded.event.draft_id
    return partial(record_agreement, draft_id=draft_id, measures=compare_readings(draft_id))


@on(DesignRequested, id="devices.generate_design", queue="imaging")
def generate_requested_design(recorded: Recorded[DesignRequested]) -> Effect:
    design_id = recorded.event.design_id
    return partial(record_design, design_id=design_id, outcome=compute_design(design_id))


@on(DesignGenerated, id="devices.discard_generated_part")
def discard_generated_part(recorded: Recorded[DesignGenerated]) -> None:
    discard_part(recorded.event.design_id)


@on(DesignFailed, id="devices.discard_failed_part")
def discard_failed_part(recorded: Recorded[DesignFailed]) -> None:
    discard_part(recorded.event.design_id)


@on(DesignVoided, id="devices.discard_voided_part")
def discard_voided_part(recorded: Recorded[DesignVoided]) -> None:
    discard_part(recorded.event.design_id)


@on(DesignGenerated, id="devices.compare_with_last")
def compare_generated_design(recorded: Recorded[DesignGenerated]) -> None:
    compare_with_last(device_id=recorded.event.device_id, design_id=recorded.event.design_id)


@on(DesignComparisonRequested, id="devices.compare_designs", queue="imaging")
def compare_two_designs(recorded: Recorded[DesignComparisonRequested]) -> Effect:
    event = recorded.event
    outcome = compute_difference(event.design_id, event.older_id)
    return partial(record_difference, asked=event, outcome=outcome)


@on(DesignExportRequested, id="devices.export_design", queue="imaging")
def export_requested_design(recorded: Recorded[DesignExportRequested]) -> Effect:
    event = recorded.event
    asked: dict[str, Any] = {
        "design_id": event.design_id,
        "format": event.format,
        "tolerance_mm": event.tolerance_mm,
    }
    return partial(record_export, **asked, outcome=compute_export(**asked))


@on(ImagesAccepted, id="devices.order_follows_images")
def order_follows_images(recorded: Recorded[ImagesAccepted]) -> None:
    follow_devices(device_id=recorded.event.device_id)


@on(DesignReviewed, id="devices.order_follows_review")
def order_follows_review(recorded: Recorded[DesignReviewed]) -> None:
    follow_devices(device_id=recorded.event.device_id)


@on(DesignRejected, id="devices.order_follows_rejection")
def order_follows_rejection(recorded: Recorded[DesignRejected]) -> None:
    follow_devices(device_id=recorded.event.device_id)


@on(DesignVoided, id="devices.series_follows_void")
def series_follows_void(recorded: Recorded[DesignVoided]) -> None:
    """One decision was made about the whole series: with one stage it is gone for all."""
    void_rest_of_series(device_id=recorded.event.device_id)


@on(DesignVoided, id="devices.order_follows_void")
def order_follows_void(recorded: Recorded[DesignVoided]) -> None:
    follow_devices(device_id=recorded.event.device_id)


@on(DeviceStageChanged, id="devices.order_follows_stage")
def order_follows_stage(recorded: Recorded[DeviceStageChanged]) -> None:
    follow_devices(device_id=recorded.event.device_id)


@on(DeviceStageChanged, id="devices.kit_follows_design")
def kit_follows_design(recorded: Recorded[DeviceStageChanged]) -> None:
    """Once the last design of a kit is approved, its members are held against each other."""
    if recorded.event.target == Stage.DESIGN_FROZEN:
        follow_member(device_id=recorded.event.device_id)


@on(KitCheckRequested, id=CHECKING, queue="imaging")
def check_kit(recorded: Recorded[KitCheckRequested]) -> Effect:
    kit_id = recorded.event.kit_id
    return partial(record_kit_check, kit_id=kit_id, found=compare_members(kit_id))


@on(DeviceStageChanged, id="devices.start_clocks")
def start_clocks(recorded: Recorded[DeviceStageChanged]) -> None:
    """A release starts the time for which the record is kept, and so do a delivery, a scrapping and a cancellation."""
    start_clocks_of_device(device_id=recorded.event.device_id, stage=recorded.event.target)


@on(OrderClosed, id="devices.start_clock_of_closed_order")
def start_clock_of_closed_order(recorded: Recorded[OrderClosed]) -> None:
    start_clock_of_order(order_id=recorded.event.order_id)


@on(OrderRejected, id="devices.start_clock_of_rejected_order")
def start_clock_of_rejected_order(recorded: Recorded[OrderRejected]) -> None:
    start_clock_of_order(order_id=recorded.event.order_id)

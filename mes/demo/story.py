"""The demo: one real case from its prescription to its release, and a second one that is rightly refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from django.conf import settings

from devices.models import Device
from devices.services.lifecycle import check_transition
from mes.demo import case as first_half
from mes.demo import people, plant, production, training
from mes.demo.case import CLINICAL, TRAINING, Case
from mes.demo.dataset import demo_images
from mes.demo.teller import Teller
from mes.lifecycle import GateResult
from mes.selectors import events_of
from quality.models import Report

SHOWN = ("G-IMG-01", "G-SW-01")


@dataclass(frozen=True)
class Told:
    """The released device with its record, and the refused one with the gates that refused it."""

    device: Device
    record: Report
    refused: Device
    refusals: tuple[GateResult, ...]
    events: int


def tell(teller: Teller) -> Told:
    # The images come from another machine: what is set up here does not wait for them.
    with teller.timed("setup"), ThreadPoolExecutor(max_workers=1) as beside:
        fetched = beside.submit(demo_images, settings.CACHE_DIR, teller.say)
        teller.steadily(people.enrol)
        teller.steadily(training.train)
        teller.say("Work instructions are in force, and whoever works by one is trained on it.")
        first_half.publish_definitions(teller)
        plant.equip(teller)
        images = fetched.result()
    case = first_half.place_order(teller, TRAINING)
    first_half.send_images(teller, case, images)
    first_half.approve_bone(teller, case)
    first_half.freeze_design(teller, case)
    build = production.slice_build(teller, case)
    production.print_build(teller, case, build)
    production.finish(teller, case)
    production.inspect(teller, case)
    record = production.release(teller, case)
    refused = first_half.place_order(teller, CLINICAL)
    first_half.send_images(teller, refused, images, timed=False)
    refusals = show_refusal(teller, refused)
    device = teller.steadily(case.refresh)
    events = teller.steadily(events_of(device).count)
    return Told(device, record, teller.steadily(refused.refresh), refusals, events)


def show_refusal(teller: Teller, case: Case) -> tuple[GateResult, ...]:
    """The clinical master refuses the same images and tools. Each gate says why, and what would cure it."""
    device = teller.steadily(case.refresh)
    results = teller.steadily(lambda: check_transition(device, "start_segmentation"))
    blocked = tuple(result for result in results if not result.passed)
    teller.say(f"{device.code}, the clinical guide, is refused:")
    for result in blocked:
        teller.say(f"   {result.gate}: {result.reason} {result.cure}")
    if missing := set(SHOWN) - {result.gate for result in blocked}:
        raise RuntimeError(f"the clinical master did not refuse with {', '.join(sorted(missing))}")
    return blocked

"""Data and constraints of what is made, one file per concept."""

from devices.models.arrivals import Arrival, DicomPeer
from devices.models.assignments import Assignment
from devices.models.changes import ChangeRequest
from devices.models.designs import Design
from devices.models.devices import Device
from devices.models.drafts import DraftProgress, SegmentationDraft
from devices.models.kits import Kit, KitMember
from devices.models.masters import DeviceMaster
from devices.models.materials import Material
from devices.models.orders import Order
from devices.models.plans import Plan
from devices.models.segmentations import Segmentation
from devices.models.studies import Study
from devices.models.uploads import Upload

__all__ = [
    "Arrival",
    "Assignment",
    "ChangeRequest",
    "Design",
    "Device",
    "DeviceMaster",
    "DicomPeer",
    "DraftProgress",
    "Kit",
    "KitMember",
    "Material",
    "Order",
    "Plan",
    "Segmentation",
    "SegmentationDraft",
    "Study",
    "Upload",
]

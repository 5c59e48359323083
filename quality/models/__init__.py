"""Data and constraints of quality, one file per concept."""

from quality.models.exports import Export, ExportedRecord
from quality.models.gauges import Calibration, Gauge
from quality.models.inspection import Inspection, Measurement, Verdict
from quality.models.nonconformance import Nonconformance
from quality.models.packages import Package, PackageContent
from quality.models.postprocessing import PostProcessStep
from quality.models.release import RecordReview, ReleaseDecision, Report

__all__ = [
    "Calibration",
    "Export",
    "ExportedRecord",
    "Gauge",
    "Inspection",
    "Measurement",
    "Nonconformance",
    "Package",
    "PackageContent",
    "PostProcessStep",
    "RecordReview",
    "ReleaseDecision",
    "Report",
    "Verdict",
]

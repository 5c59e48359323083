"""Facts of post-processing, inspection, nonconformance, review, release and packing, by topic.

Facts about a device stand on the device's stream; those about a nonconformance or a package on its own.
"""

from quality.events.export import (
    RecordBundleTaken,
    RecordExportCancelled,
    RecordExported,
    RecordExportFailed,
    RecordExportFinished,
    RecordExportRequested,
)
from quality.events.gauges import (
    GaugeCalibrated,
    GaugeFoundOut,
    GaugeRegistered,
    GaugeStageChanged,
)
from quality.events.inspection import (
    InspectionMeasured,
    InspectionRefused,
    InspectionSetAside,
    InspectionSigned,
    PostProcessStepRecorded,
    ScanReceived,
)
from quality.events.nonconformance import (
    DispositionProposed,
    DispositionReturned,
    NonconformanceDisposed,
    NonconformanceOpened,
    NonconformanceStageChanged,
    NonconformanceVoided,
)
from quality.events.packing import (
    LabelsApplied,
    LabelsDestroyed,
    LabelsIssued,
    PackageClosed,
    PackageContentChanged,
    PackageMoved,
    PackageOpened,
    PackageReopened,
    PackageVoided,
)
from quality.events.release import (
    DeviceReleased,
    ProductionRecordRendered,
    RecordReviewed,
)

__all__ = [
    "DeviceReleased",
    "DispositionProposed",
    "DispositionReturned",
    "GaugeCalibrated",
    "GaugeFoundOut",
    "GaugeRegistered",
    "GaugeStageChanged",
    "InspectionMeasured",
    "InspectionRefused",
    "InspectionSetAside",
    "InspectionSigned",
    "LabelsApplied",
    "LabelsDestroyed",
    "LabelsIssued",
    "NonconformanceDisposed",
    "NonconformanceOpened",
    "NonconformanceStageChanged",
    "NonconformanceVoided",
    "PackageClosed",
    "PackageContentChanged",
    "PackageMoved",
    "PackageOpened",
    "PackageReopened",
    "PackageVoided",
    "PostProcessStepRecorded",
    "ProductionRecordRendered",
    "RecordBundleTaken",
    "RecordExportCancelled",
    "RecordExportFailed",
    "RecordExportFinished",
    "RecordExportRequested",
    "RecordExported",
    "RecordReviewed",
    "ScanReceived",
]

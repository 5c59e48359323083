"""The lives of a nonconformance (regulatory record 4.6), of a gauge and of a package, as tables."""

from __future__ import annotations

from mes.choices import Meaning
from mes.lifecycle import Lifecycle
from mes.lifecycle import Transition as Row
from quality.choices import GaugeStage, PackageStage
from quality.choices import NonconformanceStage as Stage

# fmt: off
NONCONFORMANCE = Lifecycle("nonconformance", (
    #  name                   source                   target                   trigger   signature
    Row("contain",              Stage.OPEN,                  Stage.CONTAINED,             "person"),
    Row("evaluate",             Stage.CONTAINED,             Stage.UNDER_EVALUATION,      "person"),
    Row("investigate",          Stage.UNDER_EVALUATION,      Stage.INVESTIGATION,         "person"),
    Row("propose_disposition",  Stage.UNDER_EVALUATION,      Stage.DISPOSITION_PROPOSED,  "person", Meaning.AUTHORED),
    Row("propose_disposition",  Stage.INVESTIGATION,         Stage.DISPOSITION_PROPOSED,  "person", Meaning.AUTHORED),
    Row("return_proposal",      Stage.DISPOSITION_PROPOSED,  Stage.UNDER_EVALUATION,      "person"),
    Row("approve_disposition",  Stage.DISPOSITION_PROPOSED,  Stage.DISPOSITION_APPROVED,  "person", Meaning.APPROVED),
    Row("execute",              Stage.DISPOSITION_APPROVED,  Stage.EXECUTING,             "person"),
    Row("verify",               Stage.EXECUTING,             Stage.VERIFYING,             "person"),
    Row("repeat",               Stage.VERIFYING,             Stage.EXECUTING,             "person"),
    Row("close",                Stage.VERIFYING,             Stage.CLOSED,                "person", Meaning.APPROVED),
    Row("void",                 Stage.OPEN,                  Stage.VOID,                  "person", Meaning.APPROVED),
    Row("void",                 Stage.CONTAINED,             Stage.VOID,                  "person", Meaning.APPROVED),
    Row("void",                 Stage.UNDER_EVALUATION,      Stage.VOID,                  "person", Meaning.APPROVED),
))

GAUGE = Lifecycle("gauge", (
    #  name                    source                     target                     trigger
    Row("put_in_service",      GaugeStage.REGISTERED,     GaugeStage.IN_SERVICE,     "person"),
    Row("put_in_service",      GaugeStage.OUT_OF_SERVICE, GaugeStage.IN_SERVICE,     "person"),
    Row("take_out_of_service", GaugeStage.REGISTERED,     GaugeStage.OUT_OF_SERVICE, "person"),
    Row("take_out_of_service", GaugeStage.IN_SERVICE,     GaugeStage.OUT_OF_SERVICE, "person"),
))
PACKAGE = Lifecycle("package", (
    #  name      source                target                trigger   signature
    Row("close",   PackageStage.PACKING,   PackageStage.CLOSED,   "person", Meaning.VERIFIED),
    Row("reopen",  PackageStage.CLOSED,    PackageStage.PACKING,  "person"),
    Row("void",    PackageStage.PACKING,   PackageStage.VOID,     "person"),
))
# fmt: on

POINTS = ("package.pack", "package.put_into", "package.apply_labels")
"""Where gates are asked without a move of a stage."""

PROPOSAL_PATH = (Stage.OPEN, Stage.CONTAINED, Stage.UNDER_EVALUATION, Stage.DISPOSITION_PROPOSED)
"""What a proposal runs through: the device is contained by its hold, and the proposal is the evaluation."""

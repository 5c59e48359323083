"""THE tables of printing: how a lot, a parameter set, a printer's qualification, a build, a job and a command may move."""

from __future__ import annotations

from mes.choices import Meaning
from mes.lifecycle import Lifecycle
from mes.lifecycle import Transition as Row
from printing.choices import (
    BuildState,
    CommandState,
    JobState,
    LotState,
    ParametersState,
    Qualification,
)

# fmt: off
LOT = Lifecycle("lot", (
    #    name              source                 target                 trigger   signature
    Row("release",         LotState.QUARANTINE,   LotState.RELEASED,     "person", Meaning.APPROVED),
    Row("reject",          LotState.QUARANTINE,   LotState.REJECTED,     "person", Meaning.REJECTED),
    Row("reject",          LotState.ON_HOLD,      LotState.REJECTED,     "person", Meaning.REJECTED),
    Row("take_into_use",   LotState.RELEASED,     LotState.IN_USE,       "system"),
    Row("return",          LotState.RELEASED,     LotState.QUARANTINE,   "system"),
    Row("return",          LotState.IN_USE,       LotState.QUARANTINE,   "system"),
    Row("use_up",          LotState.RELEASED,     LotState.DEPLETED,     "system"),
    Row("use_up",          LotState.IN_USE,       LotState.DEPLETED,     "system"),
    Row("hold",            LotState.QUARANTINE,   LotState.ON_HOLD,      "person"),
    Row("hold",            LotState.RELEASED,     LotState.ON_HOLD,      "person"),
    Row("hold",            LotState.IN_USE,       LotState.ON_HOLD,      "person"),
    Row("release_hold",    LotState.ON_HOLD,      LotState.QUARANTINE,   "person", Meaning.APPROVED),
    Row("release_hold",    LotState.ON_HOLD,      LotState.RELEASED,     "person", Meaning.APPROVED),
    Row("release_hold",    LotState.ON_HOLD,      LotState.IN_USE,       "person", Meaning.APPROVED),
    Row("expire",          LotState.QUARANTINE,   LotState.EXPIRED,      "system"),
    Row("expire",          LotState.RELEASED,     LotState.EXPIRED,      "system"),
    Row("expire",          LotState.IN_USE,       LotState.EXPIRED,      "system"),
    Row("expire",          LotState.ON_HOLD,      LotState.EXPIRED,      "system"),
))

PARAMETERS = Lifecycle("parameters", (
    Row("approve",         ParametersState.DRAFT,      ParametersState.APPROVED,  "person", Meaning.APPROVED),
    Row("retire",          ParametersState.DRAFT,      ParametersState.RETIRED,   "person"),
    Row("retire",          ParametersState.APPROVED,   ParametersState.RETIRED,   "person"),
))

PRINTER = Lifecycle("printer", (
    Row("approve_installation",  Qualification.COMMISSIONING,    Qualification.IQ_APPROVED,      "person", Meaning.APPROVED),
    Row("approve_operation",     Qualification.IQ_APPROVED,      Qualification.OQ_APPROVED,      "person", Meaning.APPROVED),
    Row("qualify",               Qualification.OQ_APPROVED,      Qualification.QUALIFIED,        "person", Meaning.APPROVED),
    Row("qualify",               Qualification.REQUAL_REQUIRED,  Qualification.QUALIFIED,        "person", Meaning.APPROVED),
    Row("require_requalification", Qualification.QUALIFIED,      Qualification.REQUAL_REQUIRED,  "person"),
    Row("require_requalification", Qualification.SUSPENDED,      Qualification.REQUAL_REQUIRED,  "person"),
    Row("suspend",               Qualification.QUALIFIED,        Qualification.SUSPENDED,        "person"),
    Row("suspend",               Qualification.REQUAL_REQUIRED,  Qualification.SUSPENDED,        "person"),
    Row("retire",                Qualification.COMMISSIONING,    Qualification.RETIRED,          "person"),
    Row("retire",                Qualification.IQ_APPROVED,      Qualification.RETIRED,          "person"),
    Row("retire",                Qualification.OQ_APPROVED,      Qualification.RETIRED,          "person"),
    Row("retire",                Qualification.QUALIFIED,        Qualification.RETIRED,          "person"),
    Row("retire",                Qualification.REQUAL_REQUIRED,  Qualification.RETIRED,          "person"),
    Row("retire",                Qualification.SUSPENDED,        Qualification.RETIRED,          "person"),
))

BUILD = Lifecycle("build", (
    Row("prepare",         BuildState.DRAFT,         BuildState.PREPARED,     "system"),
    Row("give_up",         BuildState.DRAFT,         BuildState.UNPREPARED,   "system"),
    Row("reopen",          BuildState.UNPREPARED,    BuildState.DRAFT,        "person"),
    Row("verify",          BuildState.PREPARED,      BuildState.VERIFIED,     "person", Meaning.VERIFIED),
    Row("schedule",        BuildState.VERIFIED,      BuildState.SCHEDULED,    "person"),
    Row("unschedule",      BuildState.SCHEDULED,     BuildState.VERIFIED,     "person"),
    Row("start",           BuildState.SCHEDULED,     BuildState.STARTED,      "system"),
    Row("interrupt",       BuildState.STARTED,       BuildState.INTERRUPTED,  "system"),
    Row("complete",        BuildState.STARTED,       BuildState.COMPLETED,    "system"),
    Row("fail",            BuildState.STARTED,       BuildState.FAILED,       "system"),
    Row("accept",          BuildState.INTERRUPTED,   BuildState.COMPLETED,    "person", Meaning.APPROVED),
    Row("discard",         BuildState.INTERRUPTED,   BuildState.FAILED,       "person", Meaning.REJECTED),
    Row("cancel",          BuildState.DRAFT,         BuildState.CANCELLED,    "person"),
    Row("cancel",          BuildState.UNPREPARED,    BuildState.CANCELLED,    "person"),
    Row("cancel",          BuildState.PREPARED,      BuildState.CANCELLED,    "person"),
    Row("cancel",          BuildState.VERIFIED,      BuildState.CANCELLED,    "person"),
))

JOB = Lifecycle("job", (
    Row("start",           JobState.CLAIMED,     JobState.STARTING,    "person"),
    Row("withdraw",        JobState.CLAIMED,     JobState.CANCELLED,   "person"),
    Row("refuse",          JobState.STARTING,    JobState.CLAIMED,     "system"),
    Row("refuse",          JobState.UNCERTAIN,   JobState.CLAIMED,     "person"),
    Row("run",             JobState.STARTING,    JobState.PRINTING,    "system"),
    Row("await_run",       JobState.UNCERTAIN,   JobState.STARTING,    "person"),
    Row("run",             JobState.UNCERTAIN,   JobState.PRINTING,    "person"),
    Row("pause",           JobState.PRINTING,    JobState.PAUSED,      "system"),
    Row("pause",           JobState.UNCERTAIN,   JobState.PAUSED,      "person"),
    Row("resume",          JobState.PAUSED,      JobState.PRINTING,    "system"),
    Row("lose",            JobState.STARTING,    JobState.UNCERTAIN,   "system"),
    Row("lose",            JobState.PRINTING,    JobState.UNCERTAIN,   "system"),
    Row("lose",            JobState.PAUSED,      JobState.UNCERTAIN,   "system"),
    Row("finish",          JobState.PRINTING,    JobState.FINISHED,    "system"),
    Row("finish",          JobState.PAUSED,      JobState.FINISHED,    "system"),
    Row("finish",          JobState.UNCERTAIN,   JobState.FINISHED,    "person"),
    Row("fail",            JobState.PRINTING,    JobState.FAILED,      "system"),
    Row("fail",            JobState.PAUSED,      JobState.FAILED,      "system"),
    Row("fail",            JobState.UNCERTAIN,   JobState.FAILED,      "person"),
    Row("cancel",          JobState.PRINTING,    JobState.CANCELLED,   "system"),
    Row("cancel",          JobState.PAUSED,      JobState.CANCELLED,   "system"),
    Row("cancel",          JobState.UNCERTAIN,   JobState.CANCELLED,   "person"),
))

COMMAND = Lifecycle("command", (
    Row("send",            CommandState.REQUESTED,      CommandState.SENT),
    Row("withdraw",        CommandState.REQUESTED,      CommandState.WITHDRAWN,    "person"),
    Row("acknowledge",     CommandState.SENT,           CommandState.ACKNOWLEDGED),
    Row("confirm",         CommandState.SENT,           CommandState.CONFIRMED),
    Row("confirm",         CommandState.ACKNOWLEDGED,   CommandState.CONFIRMED),
    Row("confirm",         CommandState.UNCERTAIN,      CommandState.CONFIRMED,    "person"),
    Row("refuse",          CommandState.SENT,           CommandState.REFUSED),
    Row("refuse",          CommandState.UNCERTAIN,      CommandState.REFUSED,      "person"),
    Row("lose",            CommandState.SENT,           CommandState.UNCERTAIN),
    Row("lose",            CommandState.ACKNOWLEDGED,   CommandState.UNCERTAIN),
))
# fmt: on

LIFECYCLES = (LOT, PARAMETERS, PRINTER, BUILD, JOB, COMMAND)

POINTS = ("build.create", "job.dispatch", "printer.load")
"""Where gates are asked without a move."""

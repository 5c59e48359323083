"""The life of a nonconformance, as a table (regulatory record 4.6)."""

from __future__ import annotations

from mes.choices import Meaning
from mes.lifecycle import Lifecycle
from mes.lifecycle import Transition as T
from quality.choices import NonconformanceStage as S

# fmt: off
NONCONFORMANCE = Lifecycle("nonconformance", (
    #  name                   source                   target                   trigger   signature
    T("contain",              S.OPEN,                  S.CONTAINED,             "person"),
    T("evaluate",             S.CONTAINED,             S.UNDER_EVALUATION,      "person"),
    T("investigate",          S.UNDER_EVALUATION,      S.INVESTIGATION,         "person"),
    T("propose_disposition",  S.UNDER_EVALUATION,      S.DISPOSITION_PROPOSED,  "person", Meaning.AUTHORED),
    T("propose_disposition",  S.INVESTIGATION,         S.DISPOSITION_PROPOSED,  "person", Meaning.AUTHORED),
    T("return_proposal",      S.DISPOSITION_PROPOSED,  S.UNDER_EVALUATION,      "person"),
    T("approve_disposition",  S.DISPOSITION_PROPOSED,  S.DISPOSITION_APPROVED,  "person", Meaning.APPROVED),
    T("execute",              S.DISPOSITION_APPROVED,  S.EXECUTING,             "person"),
    T("verify",               S.EXECUTING,             S.VERIFYING,             "person"),
    T("repeat",               S.VERIFYING,             S.EXECUTING,             "person"),
    T("close",                S.VERIFYING,             S.CLOSED,                "person", Meaning.APPROVED),
    T("void",                 S.OPEN,                  S.VOID,                  "person", Meaning.APPROVED),
    T("void",                 S.CONTAINED,             S.VOID,                  "person", Meaning.APPROVED),
    T("void",                 S.UNDER_EVALUATION,      S.VOID,                  "person", Meaning.APPROVED),
))
# fmt: on

PROPOSAL_PATH = (S.OPEN, S.CONTAINED, S.UNDER_EVALUATION, S.DISPOSITION_PROPOSED)
"""What a proposal runs through: the device is contained by its hold, and the proposal is the evaluation."""

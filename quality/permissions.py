"""Who may do what in quality."""

from __future__ import annotations

from mes.choices import Role
from mes.permissions import allow

MAKERS_AND_CHECKERS = (Role.OPR, Role.PST, Role.INS, Role.QCM, Role.QAR, Role.QAX, Role.RA)

allow("quality.record_post_process_step", "record a post-processing step", Role.PST)
allow("quality.receive_scan", "hand in a scan of a part", Role.INS, Role.QCM)
allow("quality.record_measurement", "record a measurement", system=True)
allow("quality.sign_inspection", "sign an inspection", Role.INS)
allow("quality.set_aside_inspection", "set a failed measurement aside", Role.QCM, Role.QAR)
allow("quality.open_nonconformance", "open a nonconformance", *MAKERS_AND_CHECKERS, system=True)
allow("quality.move_nonconformance", "move a nonconformance on", Role.QCM, Role.QAR)
allow("quality.propose_disposition", "propose a disposition", Role.QCM, Role.INS, Role.PST)
allow("quality.dispose_nonconformance", "approve a disposition", Role.QAR)
allow("quality.void_nonconformance", "void a nonconformance", Role.QAR)
allow("quality.complete_record", "complete a production record", system=True)
allow("quality.review_record", "review a production record", Role.QAR)
allow("quality.release_device", "release a device", Role.QAX)
allow("quality.render_report", "write a report", Role.QAR, Role.QAX, Role.RA, system=True)
allow("quality.export_record", "export records", Role.AUD, Role.QAR, Role.QAX, Role.RA, system=True)
allow("quality.verify_integrity", "verify the integrity of a record", *MAKERS_AND_CHECKERS, Role.AUD)

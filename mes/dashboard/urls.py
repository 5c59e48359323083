"""Every page, in the order of the navigation."""

from __future__ import annotations

from mes.dashboard.access import (
    lock,
    locked,
    lost_secret,
    passkey_challenge,
    reset,
    second_factor,
    session_active,
    sign_in,
    sign_out,
)
from mes.dashboard.account import (
    account_page,
    account_password,
    contact_name,
    contact_verify,
    key_close,
    passkey_enrol,
    passkey_lost,
    session_end,
)
from mes.dashboard.acting import act, preview
from mes.dashboard.arrivals import arrival_list, arrival_page, peers
from mes.dashboard.audit import audit_review, audit_trail
from mes.dashboard.board import board
from mes.dashboard.builds import build_layer, build_list, build_page
from mes.dashboard.decisions import decisions
from mes.dashboard.devices import device_gates, device_history, device_page
from mes.dashboard.exports import device_integrity, export_bundle, export_cancel, export_page, exports
from mes.dashboard.files import file_sent
from mes.dashboard.find import find
from mes.dashboard.fleet import fleet, printer_actions, printer_page
from mes.dashboard.gauges import gauge_list, gauge_page
from mes.dashboard.keeping import disposal_page, hold_page, retention, safekeeping
from mes.dashboard.kits import kit_list, kit_page
from mes.dashboard.letters import dead_letters, decide_delivery, delivery
from mes.dashboard.lots import lot_list, lot_page
from mes.dashboard.orders import order_identity, order_list, order_page
from mes.dashboard.packages import package_list, package_page
from mes.dashboard.patients import patient_erasure, patient_identity, patient_page, patient_views, patients
from mes.dashboard.people import people, person_page, who_may, why_not
from mes.dashboard.planning import plan_page
from mes.dashboard.privacy import emergency_asked, emergency_page, erasure_page, privacy
from mes.dashboard.provider import provider_callback, provider_start
from mes.dashboard.reviewing import review_page
from mes.dashboard.routes import digested, page, public
from mes.dashboard.security import security, security_account, security_act
from mes.dashboard.segmenting import segment_act, segment_draft, segment_page
from mes.dashboard.signatures import (
    handwritten,
    handwritten_scan,
    handwritten_upload,
    handwritten_verify,
    signature_page,
    signature_withdraw,
    signature_withdraw_preview,
)
from mes.dashboard.signing import end_my_series, enrol_signer, my_signature, signers
from mes.dashboard.slices import device_mask, device_slice
from mes.dashboard.stations import station_revoke, station_rule, stations
from mes.dashboard.together import together
from mes.dashboard.training import (
    curricula,
    document_file,
    document_page,
    documents,
    skills,
    training_evidence,
)
from mes.dashboard.work import my_work, my_work_count

urlpatterns = [
    public("sign-in/", sign_in, "sign-in"),
    public("sign-in/second/", second_factor, "sign-in-second"),
    public("sign-in/passkey/", passkey_challenge, "passkey-challenge"),
    public("sign-in/provider/", provider_start, "provider-start"),
    public("sign-in/provider/answer/", provider_callback, "provider-callback"),
    public("sign-in/lost/", lost_secret, "lost-secret"),
    public("reset/", reset, "reset"),
    page("sign-out/", sign_out, "sign-out"),
    page("locked/", locked, "locked"),
    page("lock/", lock, "lock"),
    page("session/active/", session_active, "session-active"),
    page("account/", account_page, "account"),
    page("account/password/", account_password, "account-password"),
    page("account/passkeys/", passkey_enrol, "passkey-enrol"),
    page("account/passkeys/<int:number>/lost/", passkey_lost, "passkey-lost"),
    page("account/sessions/<int:number>/end/", session_end, "session-end"),
    page("account/keys/<int:number>/close/", key_close, "key-close"),
    page("account/address/", contact_name, "contact-name"),
    page("account/address/<int:number>/", contact_verify, "contact-verify"),
    page("security/", security, "security"),
    page("security/accounts/<int:number>/", security_account, "security-account"),
    page("security/accounts/<int:number>/<str:verb>/", security_act, "security-act"),
    page("", board, "board"),
    page("find/", find, "find"),
    page("my-work/", my_work, "my-work"),
    page("my-work/count/", my_work_count, "my-work-count"),
    page("orders/", order_list, "orders"),
    page("orders/<str:code>/", order_page, "order"),
    page("orders/<str:code>/identity/", order_identity, "order-identity"),
    page("devices/<str:code>/", device_page, "device"),
    page("devices/<str:code>/gates/", device_gates, "device-gates"),
    page("devices/<str:code>/plan/", plan_page, "device-plan"),
    page("devices/<str:code>/review/", review_page, "device-review"),
    page("devices/<str:code>/history/", device_history, "device-history"),
    page("devices/<str:code>/files/<str:sha256>/", file_sent, "device-file", kind="device"),
    page("devices/<str:code>/segment/", segment_page, "segment"),
    page("devices/<str:code>/segment/draft/", segment_draft, "segment-draft"),
    page("devices/<str:code>/segment/<str:verb>/", segment_act, "segment-act"),
    digested("devices/<str:code>/slices/<str:sha256>/<str:plane>/<int:index>/", device_slice, "device-slice"),
    digested("devices/<str:code>/masks/<str:sha256>/<str:plane>/<int:index>/", device_mask, "device-mask"),
    page("devices/<str:code>/integrity/", device_integrity, "device-integrity"),
    page("builds/", build_list, "builds"),
    page("builds/<str:code>/", build_page, "build"),
    page("builds/<str:code>/layers/<int:layer>/", build_layer, "build-layer"),
    page("builds/<str:code>/files/<str:sha256>/", file_sent, "build-file", kind="build"),
    page("fleet/", fleet, "fleet"),
    page("printers/<str:code>/", printer_page, "printer"),
    page("printers/<str:code>/actions/", printer_actions, "printer-actions"),
    page("lots/", lot_list, "lots"),
    page("lots/<str:code>/", lot_page, "lot"),
    page("lots/<str:code>/files/<str:sha256>/", file_sent, "lot-file", kind="lot"),
    page("gauges/", gauge_list, "gauges"),
    page("gauges/<str:code>/", gauge_page, "gauge"),
    page("gauges/<str:code>/files/<str:sha256>/", file_sent, "gauge-file", kind="gauge"),
    page("decisions/", decisions, "decisions"),
    page("arrivals/", arrival_list, "arrivals"),
    page("arrivals/<str:code>/", arrival_page, "arrival"),
    page("senders/", peers, "peers"),
    page("kits/", kit_list, "kits"),
    page("kits/<str:code>/", kit_page, "kit"),
    page("packages/", package_list, "packages"),
    page("packages/<str:code>/", package_page, "package"),
    page("patients/", patients, "patients"),
    page("patients/<str:token>/", patient_page, "patient"),
    page("patients/<str:token>/identity/", patient_identity, "patient-identity"),
    page("patients/<str:token>/erasure/", patient_erasure, "patient-erasure"),
    page("patients/<str:token>/views.csv", patient_views, "patient-views"),
    page("emergency/", emergency_asked, "emergency-asked"),
    page("emergencies/<str:code>/", emergency_page, "emergency"),
    page("erasures/<str:code>/", erasure_page, "erasure"),
    page("stations/", stations, "stations"),
    page("stations/rule/", station_rule, "station-rule"),
    page("stations/<str:code>/revoke/", station_revoke, "station-revoke"),
    page("privacy/", privacy, "privacy"),
    page("audit-trail/", audit_trail, "audit-trail"),
    page("exports/", exports, "exports"),
    page("exports/<str:code>/", export_page, "export"),
    page("exports/<str:code>/cancel/", export_cancel, "export-cancel"),
    page("exports/<str:code>/bundles/<str:sha256>/", export_bundle, "export-bundle"),
    page("audit-trail/review/", audit_review, "audit-review"),
    page("people/", people, "people"),
    page("people/<int:number>/", person_page, "person"),
    page("roles/", who_may, "who-may"),
    page("why/", why_not, "why-not"),
    page("training/", skills, "skills"),
    page("training/documents/", documents, "documents"),
    page("training/needed/", curricula, "curricula"),
    page("training/<str:number>/", document_page, "document"),
    page("training/<str:number>/<str:revision>/", document_file, "document-file"),
    page("trainings/<int:number>/evidence/", training_evidence, "training-evidence"),
    page("retention/", retention, "retention"),
    page("legal-holds/<str:code>/", hold_page, "hold"),
    page("disposals/<str:code>/", disposal_page, "disposal"),
    page("safekeeping/", safekeeping, "safekeeping"),
    page("deliveries/", dead_letters, "dead-letters"),
    page("deliveries/<int:number>/", delivery, "delivery"),
    page("deliveries/<int:number>/<str:decision>/", decide_delivery, "delivery-decide"),
    page("my-signature/", my_signature, "my-signature"),
    page("my-signature/end/", end_my_series, "my-signature-end"),
    page("signers/", signers, "signers"),
    page("signers/<str:step>/", enrol_signer, "signers-step"),
    page("signatures/<int:number>/", signature_page, "signature"),
    page("signatures/<int:number>/withdraw/", signature_withdraw, "signature-withdraw"),
    page(
        "signatures/<int:number>/withdraw/preview/", signature_withdraw_preview, "signature-withdraw-preview"
    ),
    page("sign-together/<str:name>/", together, "sign-together"),
    page("handwritten/", handwritten, "handwritten"),
    page("handwritten/upload/", handwritten_upload, "handwritten-upload"),
    page("handwritten/<int:number>/verify/", handwritten_verify, "handwritten-verify"),
    page("handwritten/<int:number>/scan/", handwritten_scan, "handwritten-scan"),
    page("act/<str:page>/<str:code>/<str:name>/", act, "act"),
    page("act/<str:page>/<str:code>/<str:name>/preview/", preview, "act-preview"),
]

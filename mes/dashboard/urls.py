"""Every page, in the order of the navigation."""

from __future__ import annotations

from mes.dashboard.access import sign_in, sign_out
from mes.dashboard.acting import act, preview
from mes.dashboard.audit import audit_trail
from mes.dashboard.board import board
from mes.dashboard.builds import build_layer, build_list, build_page
from mes.dashboard.devices import device_gates, device_history, device_page
from mes.dashboard.files import file_sent
from mes.dashboard.find import find
from mes.dashboard.fleet import fleet, printer_actions, printer_page
from mes.dashboard.keeping import disposal_page, hold_page, retention, safekeeping
from mes.dashboard.letters import dead_letters, decide_delivery, delivery
from mes.dashboard.lots import lot_list, lot_page
from mes.dashboard.orders import order_identity, order_list, order_page
from mes.dashboard.routes import page, public
from mes.dashboard.work import my_work, my_work_count

urlpatterns = [
    public("sign-in/", sign_in, "sign-in"),
    page("sign-out/", sign_out, "sign-out"),
    page("", board, "board"),
    page("find/", find, "find"),
    page("my-work/", my_work, "my-work"),
    page("my-work/count/", my_work_count, "my-work-count"),
    page("orders/", order_list, "orders"),
    page("orders/<str:code>/", order_page, "order"),
    page("orders/<str:code>/identity/", order_identity, "order-identity"),
    page("devices/<str:code>/", device_page, "device"),
    page("devices/<str:code>/gates/", device_gates, "device-gates"),
    page("devices/<str:code>/history/", device_history, "device-history"),
    page("devices/<str:code>/files/<str:sha256>/", file_sent, "device-file", kind="device"),
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
    page("audit-trail/", audit_trail, "audit-trail"),
    page("retention/", retention, "retention"),
    page("legal-holds/<str:code>/", hold_page, "hold"),
    page("disposals/<str:code>/", disposal_page, "disposal"),
    page("safekeeping/", safekeeping, "safekeeping"),
    page("deliveries/", dead_letters, "dead-letters"),
    page("deliveries/<int:number>/", delivery, "delivery"),
    page("deliveries/<int:number>/<str:decision>/", decide_delivery, "delivery-decide"),
    page("act/<str:page>/<str:code>/<str:name>/", act, "act"),
    page("act/<str:page>/<str:code>/<str:name>/preview/", preview, "act-preview"),
]

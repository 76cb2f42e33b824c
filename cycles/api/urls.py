"""Addresses of the operations about cycles."""

from cycles.api import cycles, moves
from sop_portal.lib.api.routes import route

urlpatterns = [
    *route("cycles", cycles.CycleList, "cycles"),
    *route("cycles/active", cycles.CycleActive, "cycle-active"),
    *route("cycles/<int:pk>", cycles.CycleDetail, "cycle"),
    *route("cycles/<int:pk>/preflight", moves.CyclePreflight, "cycle-preflight"),
    *route("cycles/<int:pk>/open", moves.CycleOpen, "cycle-open"),
    *route("cycles/<int:pk>/close", moves.CycleClose, "cycle-close"),
    *route("cycles/<int:pk>/extend", moves.CycleExtend, "cycle-extend"),
    *route("cycles/<int:pk>/reopen", moves.CycleReopen, "cycle-reopen"),
    *route("cycles/<int:pk>/refresh", moves.CycleRefresh, "cycle-refresh"),
    *route("cycles/<int:pk>/archive", moves.CycleArchive, "cycle-archive"),
]

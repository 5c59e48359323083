"""Who may do what: one place decides, and says why not and what to do about it (21 CFR 11.10(g))."""

from __future__ import annotations

from dataclasses import dataclass

from mes.choices import Role
from mes.eventlog.base import Actor
from mes.exceptions import NotPermitted
from mes.models import Person
from mes.registry import Registry
from mes.selectors import roles_of


@dataclass(frozen=True)
class Permission:
    """An action and the roles that carry it. `system` says that a rule may do it by itself."""

    action: str
    title: str
    roles: frozenset[Role]
    system: bool = False


PERMISSIONS: Registry[Permission] = Registry("permission")


def allow(action: str, title: str, *roles: Role, system: bool = False) -> None:
    """Declare an action ("package.verb_noun") and who may do it. Called in the packages' `permissions` modules."""
    PERMISSIONS.add(action, Permission(action, title, frozenset(roles), system))


def may(actor: Actor, action: str) -> bool:
    try:
        require(actor, action)
    except NotPermitted:
        return False
    return True


def require(actor: Actor, action: str) -> None:
    """Refuse, with the reason and the cure, unless the actor may do this now. Asked inside the transaction."""
    permission = PERMISSIONS[action]
    if actor.person_id is None:
        if not permission.system:
            raise NotPermitted(
                f"Only a person may {permission.title}.", cure="Sign in and do it.", rule="P11-10g"
            )
        return
    person = Person.objects.filter(pk=actor.person_id, active=True).first()
    if person is None:
        raise NotPermitted(
            "This person is not active.", cure="Ask the security administrator.", rule="P11-10d"
        )
    if not permission.roles & roles_of(person):
        needed = " or ".join(sorted(role.label for role in permission.roles))
        raise NotPermitted(
            f"To {permission.title} needs the role {needed}.",
            cure="Ask the security administrator for the role, or somebody who has it to do this.",
            rule="G-OPR-02",
        )


allow("mes.manage_people", "manage people, accounts and roles", Role.SEC, system=True)
allow("mes.issue_token", "make keys for programs", Role.SEC, system=True)
allow("mes.register_patient", "register a patient", Role.ORD, Role.PRE, Role.IMG)
allow("mes.view_identity", "see who a patient is", Role.ORD, Role.PRE, Role.CLR, Role.PRV)
allow("mes.find_patient", "find a patient by an identifier", Role.ORD, Role.PRE, Role.CLR, Role.PRV)
allow("mes.break_glass", "see who a patient is in an emergency", *Role)
allow("mes.review_emergency", "review an access in an emergency", Role.PRV)
allow("mes.review_as_manager", "review an access in an emergency of somebody they answer for", *Role)
allow("mes.read_views", "see who looked at a patient's identity", Role.PRV, Role.AUD)
allow("mes.read_privacy", "see what waits for a decision on privacy", Role.PRV, Role.QAR, Role.AUD)
allow("mes.name_manager", "say who answers for a person", Role.SEC, Role.PRV)
allow("mes.request_erasure", "register a request for erasure", Role.PRV, Role.ORD)
allow("mes.decide_erasure", "decide about a request for erasure", Role.PRV, Role.QAR)
allow("mes.operate_deliveries", "operate the event deliveries", Role.SYS)
allow("mes.read_audit_trail", "read the audit trail", Role.AUD, Role.QAR, Role.QAX, Role.RA, Role.SEC)

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
allow("mes.operate_deliveries", "operate the event deliveries", Role.SYS)
allow("mes.read_audit_trail", "read the audit trail", Role.AUD, Role.QAR, Role.QAX, Role.RA, Role.SEC)
allow("mes.read_retention", "see how long records are kept", *Role)
allow("mes.keep_clocks", "set how long a record is kept", Role.REC, system=True)
allow("mes.place_hold", "place a legal hold", Role.REC, Role.RA, Role.QAR)
allow("mes.propose_hold_release", "propose the end of a legal hold", Role.REC)
allow("mes.release_hold", "end a legal hold as the second person", Role.QAR)
allow("mes.propose_disposal", "propose the disposal of a record", Role.REC)
allow("mes.approve_disposal", "approve the disposal of a record as the second person", Role.QAR)
allow("mes.carry_out_disposal", "destroy what two people signed for", system=True)
allow(
    "mes.read_safekeeping", "see backups, drills and checks", Role.SYS, Role.REC, Role.QAR, Role.AUD, Role.SEC
)
allow("mes.keep_safe", "record backups, drills and checks", system=True)

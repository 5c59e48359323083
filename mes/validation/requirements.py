"""The rules that Lamina answers to, by id: 21 CFR 11, the invariants of the kernel, electronic signatures, events, gates.

A rule is shown by a test that carries its id (`@pytest.mark.requirement("ES-11")`), or `procedural` says why people and not
the software fulfil it, or `later` says that it is not built. Gates that are registered need no row: their own title stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mes.lifecycle import GATES


@dataclass(frozen=True)
class Requirement:
    """One rule. `source` is the clause it comes from."""

    id: str
    title: str
    source: str = ""
    procedural: str = ""
    later: str = ""

    @property
    def family(self) -> str:
        return self.id.partition("-")[0]


def _part_11() -> Iterator[Requirement]:
    rows = (
        ("10", "Records are authentic, whole and confidential, and a signer cannot deny them"),
        ("10a", "The system discerns invalid and altered records"),
        ("10b", "Accurate and complete copies, readable by people and by machines"),
        ("10c", "Records are protected and found again for as long as they are kept"),
        ("10d", "Only authorised persons have access"),
        ("10e", "A secure, time-stamped audit trail that keeps old values"),
        ("10f", "Steps happen in the permitted order"),
        ("10g", "Who may do what is checked at each act"),
        ("10h", "Input and commands come only from the devices they may come from"),
        ("10i", "People have the training for what they do"),
        ("10j", "Signers accept that they answer for their signatures"),
        ("10k", "Documents are controlled, with their history"),
        ("30", "Open systems protect records from creation to receipt"),
        ("50a", "A signature shows printed name, date and time, and meaning"),
        ("50b", "Every readable form of a signed record shows its signatures"),
        ("70", "A signature cannot be moved to another record"),
        ("100a", "A signature belongs to one person and is never given to another"),
        ("100b", "The identity of a person is verified first"),
        ("100c", "The organisation certified to the agency that its signatures bind"),
        ("200a1", "A signature takes two distinct components"),
        ("200a1i", "In one continuous period the first signing takes all components, later ones the secret"),
        ("200a1ii", "Signings not in one period each take all components"),
        ("200a2", "Only the genuine owner uses a signature"),
        ("200a3", "To use another's signature takes two people who work together"),
        ("200b", "Biometric signatures work for their owner alone"),
        ("300a", "The combination of user id and password is unique"),
        ("300b", "Credentials are checked, recalled or revised periodically"),
        ("300c", "Lost or stolen devices are deauthorised and replaced under control"),
        ("300d", "Attempts at misuse are prevented, detected and reported at once"),
        ("300e", "Devices that bear credentials are tested, first and periodically"),
    )
    for suffix, title in rows:
        id = f"P11-{suffix}"
        yield Requirement(
            id, title, f"21 CFR 11.{suffix}", procedural=PROCEDURAL.get(id, ""), later=LATER.get(id, "")
        )


PROCEDURAL: Mapping[str, str] = {
    "P11-300e": "Lamina issues no badges or tokens of its own. Passkeys are tested by the browser's platform at each use; an "
    "organisation that hands out badge readers tests them under its own procedure.",
}

KERNEL = (
    ("K-01", "No regulated row is deleted or overwritten"),
    ("K-02", "The log is append-only and written with the change"),
    ("K-03", "Only the server's time counts, in UTC and with the signer's zone"),
    ("K-04", "Users are closed, never deleted; names are never used again; a person is not an account"),
    ("K-05", "A signature is bound to the digest of a version"),
    ("K-06", "State machines are enforced on the server, one function for each move"),
    ("K-07", "Files are addressed by their content"),
    ("K-08", "What is tracked is a lot or a unit"),
    ("K-09", "Lot and serial numbers fit the carriers of a UDI and are never used again"),
    ("K-10", "An expiry is a date with its precision"),
    ("K-11", "Every record says which software, configuration and rules made it"),
    ("K-12", "The levels of packaging stand in the core"),
    ("K-13", "Identity lies in a vault under a token; erasure never breaks the chain"),
    ("K-14", "Gates fail closed"),
    ("K-15", "Every class of record has a retention time and can be put on legal hold"),
)
LATER: Mapping[str, str] = {
    "EV-04": "There are no projections beside the rows that gates read, so there is nothing to rebuild.",
    "EV-05": "A delivery is given up after twelve attempts, holds its lane and is shown to the operator; it is not retried for ever.",
    "EV-07": "No handler sends anything outside but printer commands, which are never repeated; a spy on a replay is not built.",
    "EV-09": "Agents of machines come with the drivers of real printers.",
}

SIGNATURES = (
    ("ES-01", "Two components: user id and a secret, or a passkey with user verification"),
    ("ES-02", "The first signing of a series asks for both components; signing in does not count"),
    ("ES-03", "Later signings ask for the secret each time"),
    (
        "ES-04",
        "A series ends on sign-out, lock, idleness, its limit, another terminal, a change of rights, failures",
    ),
    ("ES-05", "Batches show their list, are all or nothing, and never release or approve a design"),
    ("ES-06", "The meaning is one that the move allows, and its effect is stated"),
    ("ES-07", "The printed name is kept as it was"),
    ("ES-08", "Time in UTC and in the signer's zone"),
    ("ES-09", "Bound to the digest of the version, and checked at each use"),
    ("ES-10", "A change supersedes earlier signatures, which stay"),
    ("ES-11", "Nobody approves what is theirs, by person and not by account"),
    ("ES-12", "Signing cannot be handed over"),
    ("ES-13", "Identity, accountability and certification come before the first signature"),
    ("ES-14", "An administrator cannot sign for another; a reset takes two people"),
    ("ES-15", "Five failures lock the account and suspend signing; the counter is shared with sign-in"),
    ("ES-16", "Credentials are reviewed and age"),
    ("ES-17", "A lost credential is revoked within a minute"),
    ("ES-18", "A signature is withdrawn by a signed record alone"),
    ("ES-19", "Refused when the clock, the content, the training or a gate is not right"),
    ("ES-20", "A scan of a signature on paper is verified by a second person"),
    ("ES-21", "An external signer has a proven identity and two components"),
)
EVENTS = (
    ("EV-01", "Change, event and delivery commit together"),
    ("EV-02", "Services decide, events inform"),
    ("EV-03", "Delivered at least once, in order for each stream, with one effect"),
    ("EV-04", "Projections can be rebuilt; gates read the rows themselves"),
    ("EV-05", "A hold that does not arrive is retried for ever and shown"),
    ("EV-06", "Old events stay readable"),
    ("EV-07", "A replay sends nothing outside"),
    ("EV-08", "Events hold tokens, not identities"),
    ("EV-09", "Agents of machines prove who they are and keep the order"),
    ("EV-10", "Views, prints, exports, failures and refusals are events too"),
)
RELIABILITY = (
    ("R-14", "A backup taken during work is restored, verified and equal to what it was taken of"),
    (
        "R-16",
        "Whatever was tampered with is named at its first position; an old backup that was put back, by the witness",
    ),
)


def requirements() -> tuple[Requirement, ...]:
    """Every rule, in the order of the report."""
    rows = [*_part_11()]
    for table, source in (
        (KERNEL, "Kernel invariants"),
        (SIGNATURES, "Electronic signatures, 21 CFR 11.50 to 11.300"),
        (EVENTS, "Event rules"),
        (RELIABILITY, "Reliability"),
    ):
        rows += [Requirement(id, title, source, later=LATER.get(id, "")) for id, title in table]
    rows += [Requirement(id, title, "Gate") for id, title in sorted(_gates().items())]
    return tuple(rows)


OUTSIDE_THE_LIFECYCLES = {
    "G-CLK-01": "The server's clock is right when somebody signs",
    "G-OPR-01": "Who acts is trained on the revision in force",
}
"""Gates that are asked at every act, and not at one move."""


def _gates() -> dict[str, str]:
    return {gate.id: gate.title for gate in GATES.values()} | OUTSIDE_THE_LIFECYCLES

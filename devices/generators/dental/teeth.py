"""A scan whose vertices are labelled with teeth: checked, in one piece, each crown too."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused
from devices.mesh.base import Mesh
from devices.mesh.check import check_mesh
from devices.mesh.rims import largest_piece, pieces_of, pinches
from devices.planning.fdi import Arch, along_arch, arch_of
from mes.exceptions import Reason

GUM = 0
RULE = "G-DES-01"
FEWEST_TEETH = 3
FEWEST_FACES = 20
STRAY_SHARE = 0.02
MOST_ROUNDS = 20


@dataclass(frozen=True, eq=False)
class LabelledScan:
    """An intra-oral scan: an open surface in mm, outward faces counter-clockwise, and the FDI number of each vertex (n,),
    0 for the gum."""

    mesh: Mesh
    labels: NDArray[np.int16]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", np.ascontiguousarray(self.labels, dtype=np.int16))
        if self.labels.shape != (len(self.mesh.vertices),):
            raise DesignRefused(
                [Reason(
                    f"{len(self.mesh.vertices):,} vertices need as many labels, not {self.labels.size:,}.",
                    "Export the labels for this very surface.", RULE,
                )]
            )  # fmt: skip

    @cached_property
    def teeth(self) -> tuple[int, ...]:
        """The teeth that are labelled, from the patient's right to the left."""
        return along_arch(tuple(int(one) for one in np.unique(self.labels) if one != GUM))

    @property
    def arch(self) -> Arch:
        return arch_of(self.teeth)

    @cached_property
    def face_labels(self) -> NDArray[np.int16]:
        """The label (m,) of each face: that of its corners where all agree, else the gum's."""
        corners = self.labels[self.mesh.faces]
        same = (corners[:, 0] == corners[:, 1]) & (corners[:, 1] == corners[:, 2])
        return np.where(same, corners[:, 0], GUM).astype(np.int16)

    def crown(self, tooth: int) -> NDArray[np.bool_]:
        """Which faces (m,) are a tooth's crown."""
        found: NDArray[np.bool_] = self.face_labels == tooth
        return found


def checked_scan(mesh: Mesh, labels: NDArray[np.int16]) -> tuple[LabelledScan, tuple[str, ...]]:
    """The scan in one piece, each tooth too, and warnings about what was left out. Raises DesignRefused with every fault."""
    report = check_mesh(mesh)
    if not report.manifold:
        raise DesignRefused(
            [Reason(
                f"The scan is no surface: {', '.join(report.problems) or 'it has no faces'}.",
                "Export the scan again, repaired.", RULE,
            )]
        )  # fmt: skip
    whole, warnings = _in_one_piece(LabelledScan(mesh, labels))
    tidy, strays = _without_strays(whole)
    tidy = _without_pinches(tidy)
    _refuse_useless(tidy)
    return tidy, (*warnings, *strays)


def _in_one_piece(scan: LabelledScan) -> tuple[LabelledScan, tuple[str, ...]]:
    kept = largest_piece(scan.mesh.faces)
    loose = 1.0 - float(kept.mean())
    if loose == 0.0:
        return scan, ()
    if loose > STRAY_SHARE:
        raise DesignRefused(
            [Reason(
                f"The scan falls into pieces: {loose:.0%} of its faces hang loose.",
                "Scan the arch again in one go, or remove what does not belong to it.", RULE,
            )]
        )  # fmt: skip
    used, faces = np.unique(scan.mesh.faces[kept], return_inverse=True)
    mesh = Mesh(scan.mesh.vertices[used], faces.reshape(-1, 3).astype(np.int32))
    return LabelledScan(mesh, scan.labels[used]), (f"{loose:.1%} of the scan hung loose and was left out.",)


def _without_strays(scan: LabelledScan) -> tuple[LabelledScan, tuple[str, ...]]:
    """Each label kept on its largest piece alone; what is labelled elsewhere becomes gum."""
    labels, warnings = scan.labels.copy(), []
    for tooth in scan.teeth:
        faces = scan.mesh.faces[scan.crown(tooth)]
        if not len(faces):
            continue
        pieces = pieces_of(faces)
        core = np.zeros(len(labels), dtype=np.bool_)
        core[faces[pieces == np.bincount(pieces).argmax()]] = True
        stray = (labels == tooth) & ~core
        labels[stray] = GUM
        if stray.sum() > STRAY_SHARE * core.sum():
            warnings.append(f"Tooth {tooth} was labelled in several places; only the largest is kept.")
    return LabelledScan(scan.mesh, labels), tuple(warnings)


def _without_pinches(scan: LabelledScan) -> LabelledScan:
    """Each crown with a margin that passes no place twice: where it would, the place becomes gum."""
    for _ in range(MOST_ROUNDS):
        met = [pinches(scan.mesh.faces[scan.crown(tooth)]) for tooth in scan.teeth]
        pinched = np.concatenate([np.zeros(0, dtype=np.int64), *met])
        if not len(pinched):
            break
        labels = scan.labels.copy()
        labels[pinched] = GUM
        scan, _ = _without_strays(LabelledScan(scan.mesh, labels))
    return scan


def _refuse_useless(scan: LabelledScan) -> None:
    problems = [
        Reason(f"Tooth {tooth} has hardly any surface.", "Label it again, or leave it out.", RULE)
        for tooth in scan.teeth
        if int(scan.crown(tooth).sum()) < FEWEST_FACES
    ]
    if len(scan.teeth) < FEWEST_TEETH:
        problems.append(
            Reason(
                f"{len(scan.teeth)} teeth are labelled; an arch needs {FEWEST_TEETH}.",
                "Label the teeth.",
                RULE,
            )
        )
    if not (scan.labels == GUM).any():
        problems.append(
            Reason("No gum is labelled.", "Label the gum 0; teeth alone have nothing to stand in.", RULE)
        )
    if problems:
        raise DesignRefused(problems)

"""Teeth told apart by a centre picked on each: cut between neighbours where the row is lowest, and from the gum where it is hollow.

Research-only. It serves upright teeth that are not crowded; on others its margins are wrong, which is why labels that came with a
scan go before it and each margin is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from devices.generators.base import DesignRefused, unit_vector
from devices.generators.dental.teeth import RULE
from devices.generators.shell import Frame, frame_on
from devices.mesh.base import Mesh
from devices.mesh.distance import face_areas, face_normals
from devices.planning.fdi import along_arch
from mes.exceptions import Reason

Places = NDArray[np.float64]
ASIDE_MM = 8.0
"""A crown reaches no further than this from the row of centres."""
SLAB_MM = 0.6
SHARES = np.linspace(0.3, 0.7, 17)
SECTORS = 24
CROWN_MM = (3.0, 12.0)
"""The least and the most height of a crown, from its highest place to its margin."""
SMOOTHING = 3
CREASE_SHARE = 0.4


def label_by_centres(mesh: Mesh, centres: Mapping[int, Places]) -> NDArray[np.int16]:
    """The tooth (n,) of each vertex, or 0. centres: a place (3,) mm on each crown, by FDI number. Raises DesignRefused."""
    row = along_arch(tuple(centres))
    if len(row) < 2:
        raise DesignRefused(
            [Reason("One centre parts nothing.", "Pick a centre on every tooth of the arch.", RULE)]
        )
    frame = _upright(mesh, np.mean(list(centres.values()), axis=0))
    local = frame.to_local(mesh.vertices)
    seats = frame.to_local(np.stack([centres[tooth] for tooth in row]))
    cell = _cells(local, seats)
    hollow = _hollowness(mesh, frame)
    labels = np.zeros(len(local), dtype=np.int16)
    for place, tooth in enumerate(row):
        own = np.flatnonzero(cell == place)
        if not len(own):
            raise DesignRefused(
                [Reason(f"There is no surface at the centre of tooth {tooth}.", "Pick it on the scan.", RULE)]
            )
        labels[own[_above_margin(local[own], seats[place], hollow[own])]] = tooth
    return labels


def _upright(mesh: Mesh, origin: Places) -> Frame:
    """w where an open scan looks to: what its faces, each by its area, face together."""
    faced = (face_normals(mesh) * face_areas(mesh)[:, None]).sum(axis=0)
    if not np.linalg.norm(faced) > 0.05 * face_areas(mesh).sum():
        raise DesignRefused([Reason("The scan looks nowhere: it is closed.", "Send in the open scan.", RULE)])
    return frame_on(origin, unit_vector(faced))


def _cells(local: Places, seats: Places) -> NDArray[np.int64]:
    """The place in the row (n,) whose two cutting planes a vertex lies between; -1 beside the row."""
    ways = np.diff(seats[:, :2], axis=0)
    cuts = [_cut(local, seats[n], seats[n + 1]) for n in range(len(ways))]
    first, last = seats[0, :2] - 0.65 * ways[0], seats[-1, :2] + 0.65 * ways[-1]
    ends = np.vstack([first, np.stack(cuts), last])
    along = np.vstack([ways[:1], ways, ways[-1:]])
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    nearest = np.linalg.norm(local[:, None, :2] - seats[None, :, :2], axis=2)
    cell = nearest.argmin(axis=1)
    beyond = ((local[:, :2] - ends[cell]) * along[cell]).sum(axis=1) < 0.0
    before = ((local[:, :2] - ends[cell + 1]) * along[cell + 1]).sum(axis=1) > 0.0
    cell = cell - beyond + before
    cell[(cell < 0) | (cell >= len(seats))] = -1
    cell[nearest.min(axis=1) > ASIDE_MM] = -1
    return np.asarray(cell, dtype=np.int64)


def _cut(local: Places, one: Places, other: Places) -> Places:
    """Between two centres the place (2,) across which the crest of the row is lowest."""
    way = (other - one)[:2]
    length = float(np.linalg.norm(way))
    offset = (local[:, :2] - one[:2]) @ way / length
    across = np.abs((local[:, :2] - one[:2]) @ np.array([-way[1], way[0]]) / length)
    close = across < ASIDE_MM / 2.0
    crests = [
        local[close & (np.abs(offset - share * length) < SLAB_MM), 2].max(initial=-np.inf) for share in SHARES
    ]
    lowest = float(SHARES[int(np.argmin(crests))])
    return np.asarray(one[:2] + lowest * way)


def _hollowness(mesh: Mesh, frame: Frame) -> NDArray[np.float64]:
    """How far (n,) a vertex lies behind its neighbours along its normal, mm, evened out: positive in a crease."""
    normals = np.zeros_like(mesh.vertices)
    np.add.at(
        normals, mesh.faces.ravel(), np.repeat(face_normals(mesh) * face_areas(mesh)[:, None], 3, axis=0)
    )
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    start = mesh.faces.ravel()
    end = np.roll(mesh.faces, -1, axis=1).ravel()
    depth = ((_mean_of_neighbours(mesh.vertices, start, end) - mesh.vertices) * normals).sum(axis=1)
    for _ in range(SMOOTHING):
        depth = 0.5 * depth + 0.5 * _mean_of_neighbours(depth[:, None], start, end)[:, 0]
    return np.asarray(depth)


def _mean_of_neighbours(values: Places, start: NDArray[np.int32], end: NDArray[np.int32]) -> Places:
    count = np.bincount(start, minlength=len(values))
    sums = [
        np.bincount(start, weights=values[end, axis], minlength=len(values))
        for axis in range(values.shape[1])
    ]
    return np.asarray(np.stack(sums, axis=1) / np.maximum(count, 1)[:, None])


def _above_margin(own: Places, seat: Places, hollow: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which vertices (k,) of a cell stand above the crease around its tooth, by the direction from the tooth's centre."""
    aside = own[:, :2] - seat[:2]
    sector = ((np.arctan2(aside[:, 1], aside[:, 0]) / (2.0 * np.pi) + 0.5) * SECTORS).astype(int) % SECTORS
    top = float(np.quantile(own[:, 2], 0.995))
    deep = top - own[:, 2]
    possible = (deep > CROWN_MM[0]) & (deep < CROWN_MM[1]) & (hollow > 0.0)
    heights = np.full(SECTORS, np.nan)
    for one in range(SECTORS):
        inside = np.flatnonzero(possible & (sector == one))
        if len(inside):
            # The gum folds again further down: of the creases that are deep enough, the margin is the highest.
            creased = inside[hollow[inside] >= CREASE_SHARE * hollow[inside].max()]
            heights[one] = np.quantile(own[creased, 2], 0.8)
    if np.isnan(heights).all():
        return np.zeros(len(own), dtype=np.bool_)
    margin = _evened(heights)
    return np.asarray(own[:, 2] > margin[sector])


def _evened(heights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Around the tooth: each direction's median with its neighbours, so that one wrong crease is outvoted."""
    filled = np.where(np.isnan(heights), np.nanmedian(heights), heights)
    around = np.stack([np.roll(filled, turn) for turn in range(-2, 3)])
    return np.asarray(np.median(around, axis=0))

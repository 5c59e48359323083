"""A seat is scored by what it stops: flat ones slide, round ones turn, one that is pressed beside its contact rocks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from devices.generators.budget import Budget, of_play, of_seat
from devices.generators.seat import score_seat

RNG = np.random.default_rng(7)
DOWN = np.array([0.0, 0.0, -1.0])
PRESSED = np.zeros((1, 3))


def flat(count: int = 400) -> np.ndarray:
    return np.column_stack([RNG.uniform(-10.0, 10.0, (count, 2)), np.zeros(count)])


def test_a_flat_and_a_round_seat_fit_anywhere() -> None:
    points = flat()
    assert score_seat(points, np.tile(-DOWN, (400, 1)), DOWN, PRESSED).uniqueness == pytest.approx(
        0.0, abs=1e-12
    )
    ball = RNG.normal(size=(400, 3))
    ball[:, 2] = abs(ball[:, 2])
    ball /= np.linalg.norm(ball, axis=1, keepdims=True)
    assert score_seat(10.0 * ball, ball, DOWN, PRESSED).uniqueness < 1e-6


def test_a_seat_of_three_ridges_is_held_every_way_and_a_roof_slides() -> None:
    points = flat()
    roof = np.column_stack([np.sign(points[:, 0]), np.zeros(400), np.ones(400)]) / math.sqrt(2.0)
    assert score_seat(points, roof, DOWN, PRESSED).uniqueness < 1e-6
    turned = np.column_stack([np.zeros(400), np.sign(points[:, 1]), np.ones(400)]) / math.sqrt(2.0)
    both = np.where((np.arange(400) % 2 == 0)[:, None], roof, turned)
    assert score_seat(points, both, DOWN, PRESSED).uniqueness > 0.05


def test_a_guide_pressed_beside_its_contact_rocks() -> None:
    points, normals = flat(4000), np.tile(-DOWN, (4000, 1))
    assert score_seat(points, normals, DOWN, np.array([[6.0, 0.0, 30.0]])).support_mm == pytest.approx(
        4.0, abs=0.1
    )
    assert score_seat(
        points, normals, DOWN, np.array([[0.0, 0.0, 5.0], [13.0, 0.0, 5.0]])
    ).support_mm == pytest.approx(-3.0, abs=0.1)
    with pytest.raises(ValueError, match="needs contact"):
        score_seat(points[:5], normals[:5], DOWN, PRESSED)


def test_independent_errors_add_as_squares_and_grow_with_depth() -> None:
    budget = Budget({"one": of_seat(0.3, 10.0), "other": of_seat(0.4, 10.0)}, 40.0)
    assert budget.entry_mm == pytest.approx(0.5)
    assert budget.tilt_degrees == pytest.approx(
        math.hypot(math.degrees(math.atan(0.03)), math.degrees(math.atan(0.04)))
    )
    assert budget.target_mm == pytest.approx(
        math.hypot(0.5, 40.0 * math.tan(math.radians(budget.tilt_degrees)))
    )
    assert of_play(0.1, 12.0).tilt_degrees == pytest.approx(math.degrees(math.atan(0.1 / 12.0)))
    assert set(budget.measures()) == {
        "error_one_mm", "error_other_mm", "error_entry_mm", "error_angle_degrees", "error_target_mm",
    }  # fmt: skip

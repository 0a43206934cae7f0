"""From rules of thumb to probabilities: a monotone curve through a few points, fitted on labelled repositories.

The rules give each value a raw confidence; how often values of that confidence were right is counted per band and
shrunk towards the raw confidence, as if `PRIOR_WEIGHT` further values had agreed with it exactly. Few bands and a
strong prior keep some two dozen repositories from promising more than they can. `benchmarks/calibration.py` makes
the points anew.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from selfopt_pipelines.domain.detection import Command, Target

BANDS = (0.0, 0.6, 0.8, 0.9, 0.95, 1.0)
PRIOR_WEIGHT = 20.0
CEILING = 0.99


@dataclass(frozen=True)
class Calibration:
    """Points (raw confidence, probability of being right), both rising; straight lines between them."""

    points: tuple[tuple[float, float], ...]

    def probability(self, raw: float) -> float:
        """The calibrated confidence, never above `CEILING`: nothing was executed yet."""
        points = ((0.0, 0.0), *self.points)
        at = bisect_right([point[0] for point in points], raw)
        left = points[at - 1]
        right = points[at] if at < len(points) else (1.0, max(1.0, left[1]))
        width = right[0] - left[0]
        share = (raw - left[0]) / width if width > 0 else 0.0
        return round(min(CEILING, left[1] + share * (right[1] - left[1])), 2)


# python -m benchmarks.calibration DIRECTORY --scorer SCORER (figures in docs/detection.md)
COMMITTED = Calibration(
    points=(
        (0.715, 0.7409),
        (0.874, 0.937),
        (0.9279, 0.9771),
        (0.9668, 0.9943),
    )
)
IDENTITY = Calibration(points=((1.0, 1.0),))


def fit(outcomes: list[tuple[float, bool]]) -> Calibration:
    """The curve for raw confidences and whether each value was right; bands without values keep the raw confidence."""
    blocks: list[tuple[float, float, float]] = []  # mean raw confidence, probability, weight
    for low, high in pairwise(BANDS):
        inside = [(raw, right) for raw, right in outcomes if low <= raw < high or (high == BANDS[-1] and raw >= high)]
        if not inside:
            continue
        raw = sum(one for one, _ in inside) / len(inside)
        right = sum(1 for _, good in inside if good)
        blocks.append((raw, (right + PRIOR_WEIGHT * raw) / (len(inside) + PRIOR_WEIGHT), len(inside) + PRIOR_WEIGHT))
        # Pool neighbours that fall, so that more evidence never means less confidence.
        while len(blocks) > 1 and blocks[-1][1] < blocks[-2][1]:
            (raw1, p1, w1), (raw2, p2, w2) = blocks[-2:]
            total = w1 + w2
            blocks[-2:] = [((raw1 * w1 + raw2 * w2) / total, (p1 * w1 + p2 * w2) / total, total)]
    return Calibration(points=tuple((round(raw, 4), round(probability, 4)) for raw, probability, _ in blocks))


def calibrated(target: Target, calibration: Calibration) -> Target:
    """The target with every confidence but those of overrides and alternatives as a probability."""

    def changed(value: Any) -> Any:
        return value.model_copy(update={"confidence": calibration.probability(value.confidence)})

    commands = {
        kind: value if isinstance(value, Command) and value.origin == "override" else changed(value)
        for kind in type(target.commands).model_fields
        for value in (getattr(target.commands, kind),)
    }
    return target.model_copy(
        update={
            "package_manager": changed(target.package_manager),
            "node": changed(target.node),
            "framework": changed(target.framework),
            "commands": target.commands.model_copy(update=commands),
        }
    )

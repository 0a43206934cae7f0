"""Noisy machines to judge on: each gives pairs whose true effect is known."""

import math
import random
from collections.abc import Callable

from selfopt_pipelines.domain.comparison import Order

PROCESS_NOISE = {
    "quiet": 0.005,
    "typical": 0.02,
    "noisy": 0.05,
    "drift": 0.02,
    "steps": 0.02,
    "periodic": 0.02,
    "position": 0.02,
}


def machine(profile: str, effect: float, seed: int) -> Callable[[Order], tuple[float, float]]:
    """Pairs on a machine of that noise; `effect` is the share of time that the candidate saves."""
    rng = random.Random(seed)
    noise = PROCESS_NOISE[profile]
    state = {"slot": 0, "level": 0.0}

    def process(factor: float, *, first: bool) -> float:
        slot = int(state["slot"])
        state["slot"] += 1
        log_time = rng.gauss(0, noise)
        if profile == "drift":
            state["level"] += rng.gauss(0.00125, 0.005)
        elif profile == "steps" and slot % 30 == 0:
            state["level"] = rng.uniform(-0.1, 0.1)
        elif profile == "periodic":
            state["level"] = math.log(1.05) if slot % 2 == 0 else 0.0
        elif profile == "position":
            state["level"] = math.log(1.04) if first else 0.0
        return math.exp(log_time + state["level"]) * factor

    def next_pair(order: Order) -> tuple[float, float]:
        if order == "AB":
            baseline = process(1.0, first=True)
            return baseline, process(1 - effect, first=False)
        candidate = process(1 - effect, first=True)
        return process(1.0, first=False), candidate

    return next_pair

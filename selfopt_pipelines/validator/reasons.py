"""One sentence for people about a comparison that decided nothing."""

from selfopt_pipelines.domain.comparison import Comparison, Verdict


def explain(comparison: Comparison) -> str:
    """Why the comparison is inconclusive; empty where it is not."""
    if comparison.verdict is not Verdict.INCONCLUSIVE:
        return ""
    goal = f"{comparison.threshold:.0%}"
    planned = comparison.budget
    match comparison.reason:
        case "promising":
            return f"The candidate is faster, but a gain of at least {goal} is not proven."
        case "too_noisy":
            smallest = comparison.minimal_detectable_effect or 0.0
            return f"The measurement is too noisy: only a gain above {smallest:.0%} could be proven here."
        case "swap_check":
            return "The gain did not hold when the two working trees were exchanged."
        case "environment_biased":
            return "Identical code already looked different on this machine, so that no comparison counts."
        case "wall_regressed":
            return "CPU time fell, but the time on the clock provably rose."
        case "unmeasured":
            return "A pair could not be measured."
        case _:
            return f"A gain of at least {goal} is not proven after {comparison.pairs} of at most {planned} pairs."

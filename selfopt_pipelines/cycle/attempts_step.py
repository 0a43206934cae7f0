"""Step 4: every opportunity with a template becomes a patch, and every patch is judged. Resumable at any point."""

from dataclasses import dataclass

from selfopt_pipelines.cycle.baseline_step import bench_tools, ensure_prepared, gate_commands, run_baseline_step
from selfopt_pipelines.cycle.detection_step import lay_out, require_target
from selfopt_pipelines.cycle.session import CycleSession
from selfopt_pipelines.domain.attempt import AttemptStatus, StoredAttempt
from selfopt_pipelines.domain.baseline import CommandOutcome
from selfopt_pipelines.domain.events import AttemptFinished, AttemptStarted, Note
from selfopt_pipelines.domain.execution import Execution
from selfopt_pipelines.domain.opportunity import StoredOpportunity
from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.domain.run import Phase
from selfopt_pipelines.domain.tree import Tree
from selfopt_pipelines.ledger import attempts, opportunities
from selfopt_pipelines.patchgen import policy
from selfopt_pipelines.patchgen.registry import propose
from selfopt_pipelines.validator import judge
from selfopt_pipelines.validator.benchmark_gate import optimization_gates
from selfopt_pipelines.validator.judge import Budget


@dataclass(frozen=True)
class Candidate:
    """A patch on its way to the judge; `ordinal` is its place in the run, from 1."""

    ordinal: int
    opportunity: StoredOpportunity
    patch: Patch


def run_attempts(session: CycleSession) -> list[StoredAttempt]:
    """Judge what the ledger does not hold yet, one candidate after the other, and store each verdict as it falls."""
    if not session.unchanged:
        with session.phase(Phase.ATTEMPTS) as summary:
            candidates = collect(session, lay_out(session))
            left = _judge_all(session, candidates)
            if left:
                text = f"The compute budget is used up: {left} of {len(candidates)} candidates were not judged."
                session.emit(Note(level="warning", text=text))
            summary.append(f"{len(candidates) - left} of {len(candidates)} candidates judged")
    with session.services.database.connection() as conn:
        return attempts.for_run(conn, session.run.id)


def collect(session: CycleSession, tree: Tree) -> list[Candidate]:
    """Patches for the best ranked opportunities, up to the limit; where a template declines, its reason is stored.

    The same opportunities give the same candidates, so that a run that goes on finds its place again.
    """
    with session.services.database.connection() as conn:
        found = opportunities.for_run(conn, session.run.id)
    candidates: list[Candidate] = []
    for item in found:
        if not item.opportunity.patchable or len(candidates) == session.settings.max_candidates_per_run:
            continue
        result = propose(item.opportunity, tree)
        if isinstance(result, Declined):
            with session.services.database.connection() as conn:
                opportunities.decline(conn, item.id, result.reason)
        else:
            candidates.append(Candidate(ordinal=len(candidates) + 1, opportunity=item, patch=result))
    return candidates


def _judge_all(session: CycleSession, candidates: list[Candidate]) -> int:
    """Judge the candidates that have no verdict yet; returns how many the budget left undone."""
    with session.services.database.connection() as conn:
        done = {(item.opportunity_id, item.attempt.patch.sha256) for item in attempts.for_run(conn, session.run.id)}
    waiting = [item for item in candidates if (item.opportunity.id, item.patch.sha256) not in done]
    if not waiting:
        return 0
    baseline = run_baseline_step(session)
    prepared, tree = ensure_prepared(session)
    commands = require_target(session.detection()).commands
    held = gate_commands(commands)
    tools = bench_tools(session, prepared, commands.bench, held) if baseline.calibration else None
    source = lay_out(session)
    gates = optimization_gates(
        prepared.sandbox,
        held,
        violations=lambda patch: [violation.message for violation in policy.check(patch, source)],
        runner=tools[0] if tools else None,
        trees=tools[1] if tools else None,
        # Declared before the first candidate is measured: the error level is shared among all of them.
        family=max(1, len(candidates)),
        seed=session.seed,
        limits=prepared.limits,
        on_progress=session.emit,
    )

    def finished(outcome: CommandOutcome, execution: Execution) -> None:
        session.command_finished(outcome.kind, outcome.run, execution)

    for position, candidate in enumerate(waiting):
        session.check_cancelled()
        remaining = session.budget_seconds_left()
        if remaining <= 0:
            return len(waiting) - position
        _announce(session, candidate, len(candidates))
        judgement = judge(
            candidate.patch,
            baseline,
            base_workspace=tree,
            gates=gates,
            risk_prior=candidate.opportunity.opportunity.risk,
            budget=Budget(seconds=remaining),
            on_started=session.command_started,
            on_finished=finished,
            cancel=session.cancel,
        )
        if judgement.attempt.status is AttemptStatus.REJECTED:
            session.check_cancelled()  # what broke because it was told to stop is no verdict
        for name, text in judgement.logs.items():
            session.save_artifact(f"attempts/{candidate.ordinal:03}/{name}", text.encode(), kind="log")
        with session.services.database.connection() as conn:
            stored = attempts.record(
                conn,
                session.run.id,
                candidate.opportunity.id,
                judgement.attempt,
                ordinal=candidate.ordinal,
            )
        session.checkpoint()
        _tell(session, stored, len(candidates))
    return 0


def _announce(session: CycleSession, candidate: Candidate, total: int) -> None:
    session.emit(
        AttemptStarted(
            ordinal=candidate.ordinal,
            total=total,
            title=candidate.patch.title,
            path=candidate.patch.changes[0].path,
        )
    )


def _tell(session: CycleSession, stored: StoredAttempt, total: int) -> None:
    attempt = stored.attempt
    session.emit(
        AttemptFinished(
            ordinal=stored.ordinal,
            total=total,
            title=attempt.patch.title,
            path=attempt.patch.changes[0].path,
            accepted=attempt.status is AttemptStatus.ACCEPTED,
            gate=attempt.failed_gate.value if attempt.failed_gate else None,
            reason=attempt.reason,
            effect=attempt.comparison.effect if attempt.comparison else None,
        )
    )

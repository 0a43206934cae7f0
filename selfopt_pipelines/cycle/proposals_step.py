"""Step 5: accepted attempts become proposals, each with an evidence bundle that anybody can recompute."""

import json
import statistics
from collections.abc import Sequence
from typing import Any

from selfopt_pipelines.cycle.services import Services
from selfopt_pipelines.cycle.session import CycleSession
from selfopt_pipelines.domain.attempt import AttemptStatus, StoredAttempt
from selfopt_pipelines.domain.baseline import Baseline
from selfopt_pipelines.domain.comparison import Comparison
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.events import Note, ProposalCreated
from selfopt_pipelines.domain.proposal import Proposal
from selfopt_pipelines.domain.run import BUDGET_SPENT, Phase, RunStatus
from selfopt_pipelines.events.follow import read
from selfopt_pipelines.ledger import artifacts, attempts, baselines, opportunities, proposals
from selfopt_pipelines.packaging import build_bundle, replay
from selfopt_pipelines.validator.benchmark_gate import headline

BUNDLE = "bundle.zip"


def run_packaging(session: CycleSession) -> list[Proposal]:
    """Package the best accepted attempts, up to the limit, and end the run as completed.

    A proposal is only made after its bundle was replayed and agrees: evidence that cannot be recomputed is none.
    """
    if not session.unchanged:
        with session.phase(Phase.PACKAGING) as summary:
            with session.services.database.connection() as conn:
                judged = attempts.for_run(conn, session.run.id)
                baseline = baselines.for_run(conn, session.run.id)
            accepted = sorted(
                (item for item in judged if item.attempt.status is AttemptStatus.ACCEPTED), key=_bound, reverse=True
            )
            chosen = accepted[: session.settings.max_proposals_per_run]
            if baseline is not None:
                for item in chosen:
                    _package(session, item, judged, baseline)
            if len(accepted) > len(chosen):
                text = f"{len(accepted) - len(chosen)} more attempts were accepted than proposals are wanted per run."
                session.emit(Note(text=text))
            made = _stored(session)
            summary.append(_conclusion(made, judged))
        _save_trace(session)
        reason, code = _ending(session, made, judged)
        session.finish(RunStatus.COMPLETED, reason, code)
    return _stored(session)


def _save_trace(session: CycleSession) -> None:
    """Everything that happened in the run, in order, as one document."""
    events = [stored.model_dump(mode="json") for stored in read(session.services.database, session.run.id)]
    document = json.dumps(events, indent=1, ensure_ascii=False).encode()
    session.save_artifact("trace.json", document, kind="trace", media_type="application/json")


def replay_bundles(session: CycleSession, packaged: Sequence[Proposal]) -> list[str]:
    """Replay the stored bundle of every proposal; one sentence per problem."""
    problems = []
    for proposal in packaged:
        result = replay(load_bundle(session.services, str(proposal.id)))
        problems += [f"{proposal.title}: {problem}" for problem in result.problems]
    return problems


def load_bundle(services: Services, identifier: str) -> bytes:
    """The stored bundle of a proposal, named by its identifier or a unique prefix of it.

    Raises
    ------
    InvalidInput
        When there is no such proposal, or it has no bundle.
    """
    with services.database.connection() as conn:
        proposal = proposals.get(conn, identifier)
        artifact = artifacts.by_name(conn, f"proposals/{proposal.id}/{BUNDLE}")
    if artifact is None:
        raise InvalidInput(f"Proposal {str(proposal.id)[:8]} has no evidence bundle.", "Run the repository again.")
    return services.store.get(artifact.storage_path)


def _package(session: CycleSession, item: StoredAttempt, judged: Sequence[StoredAttempt], baseline: Baseline) -> None:
    attempt = item.attempt
    comparison = attempt.comparison
    if comparison is None:
        return
    summary = f"{attempt.patch.changes[0].path}: {_lower_first(headline(comparison))}"
    logs = _logs(session, item)
    bundle = build_bundle(
        slug=session.repository.source.slug,
        run=session.run,
        detection=session.detection(),
        baseline=baseline,
        attempts=judged,
        accepted=item,
        logs=logs,
    )
    result = replay(bundle)
    if not result.agrees:
        text = f"{attempt.patch.title} is not proposed, its evidence does not replay: {' '.join(result.problems)}"
        session.emit(Note(level="error", text=text))
        return
    before, after = _metrics(comparison)
    with session.services.database.connection() as conn:
        proposal = proposals.record(
            conn,
            item.id,
            title=attempt.patch.title,
            summary=summary,
            metrics_before=before,
            metrics_after=after,
            risk=attempt.risk,
        )
    artifact = session.save_artifact(
        BUNDLE, bundle, kind="bundle", media_type="application/zip", proposal_id=proposal.id
    )
    session.save_artifact("diff.patch", attempt.patch.diff.encode(), kind="diff", proposal_id=proposal.id)
    session.save_artifact(
        "validation.json",
        attempt.model_dump_json(indent=2, exclude={"comparison": {"samples", "wall_samples"}}).encode(),
        kind="trace",
        media_type="application/json",
        proposal_id=proposal.id,
    )
    session.save_artifact("logs.txt", b"\n".join(logs.values()), kind="log", proposal_id=proposal.id)
    with session.services.database.connection() as conn:
        proposals.set_bundle(conn, proposal.id, artifact.sha256)
    session.emit(ProposalCreated(proposal_id=str(proposal.id), title=proposal.title, summary=proposal.summary))


def _logs(session: CycleSession, item: StoredAttempt) -> dict[str, bytes]:
    """The stored logs of an attempt's gates."""
    prefix = f"repos/{session.repository.id}/runs/{session.run.id}/attempts/{item.ordinal:03}/"
    with session.services.database.connection() as conn:
        kept = [artifact for artifact in artifacts.for_run(conn, session.run.id) if artifact.name.startswith(prefix)]
    return {artifact.name.removeprefix(prefix): session.services.store.get(artifact.storage_path) for artifact in kept}


def _metrics(comparison: Comparison) -> tuple[dict[str, Any], dict[str, Any]]:
    before = {"median_seconds": statistics.median(sample.baseline for sample in comparison.samples)}
    after = {
        "median_seconds": statistics.median(sample.candidate for sample in comparison.samples),
        "time_saved": comparison.effect,
        "time_saved_at_least": comparison.lower_bound,
        "p_family": comparison.p_family,
    }
    return before, after


def _bound(item: StoredAttempt) -> float:
    comparison = item.attempt.comparison
    return (comparison.lower_bound if comparison else None) or 0.0


def _stored(session: CycleSession) -> list[Proposal]:
    with session.services.database.connection() as conn:
        return proposals.for_run(conn, session.run.id)


def _conclusion(made: Sequence[Proposal], judged: Sequence[StoredAttempt]) -> str:
    rejected = sum(item.attempt.status is AttemptStatus.REJECTED for item in judged)
    return f"{_count(len(made), 'proposal')}, {_count(rejected, 'attempt')} rejected"


def _ending(session: CycleSession, made: Sequence[Proposal], judged: Sequence[StoredAttempt]) -> tuple[str, str | None]:
    """How the run ended, and `budget` where the next run has something left to do."""
    with session.services.database.connection() as conn:
        found = opportunities.for_run(conn, session.run.id)
    open_places = sum(item.opportunity.patchable and not item.declined_reason for item in found)
    left = min(open_places, session.settings.max_candidates_per_run) - len(judged)
    if left > 0:
        return f"{_conclusion(made, judged)}; the compute budget left {left} more unjudged.", BUDGET_SPENT
    if judged:
        return f"{_conclusion(made, judged)}.", None
    if not found:
        return "Nothing was found that is worth changing.", None
    return f"{_count(len(found), 'place')} found, but no template could change one safely.", None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _lower_first(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]

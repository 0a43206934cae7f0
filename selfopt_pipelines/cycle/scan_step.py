"""Step 3: places worth changing are found and ranked."""

from selfopt_pipelines.cycle.detection_step import lay_out
from selfopt_pipelines.cycle.session import CycleSession
from selfopt_pipelines.domain.events import OpportunitiesFound
from selfopt_pipelines.domain.opportunity import StoredOpportunity
from selfopt_pipelines.domain.run import Phase
from selfopt_pipelines.ledger import opportunities
from selfopt_pipelines.scanner import scan


def run_scan(session: CycleSession) -> list[StoredOpportunity]:
    """Scan the product sources and store what was found; a second call stores nothing twice."""
    if session.unchanged:
        with session.services.database.connection() as conn:
            return opportunities.for_run(conn, session.run.id)
    with session.phase(Phase.SCAN) as summary:
        found = scan(lay_out(session), session.detection(), None)
        with session.services.database.connection() as conn:
            stored = opportunities.record_all(conn, session.run.id, found)
        patchable = sum(item.patchable for item in found)
        session.emit(OpportunitiesFound(count=len(found), patchable=patchable))
        places = "1 opportunity" if len(found) == 1 else f"{len(found)} opportunities"
        summary.append(f"{places}, {patchable} with a template")
    return stored

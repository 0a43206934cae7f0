"""Step 2: the unchanged commit is installed, built, typechecked, tested, and measured against itself."""

from selfopt_pipelines.cycle.detection_step import require_target
from selfopt_pipelines.cycle.preparation import prepare
from selfopt_pipelines.cycle.prepared import Prepared
from selfopt_pipelines.cycle.session import CycleSession
from selfopt_pipelines.domain.baseline import Baseline, Calibration, CommandOutcome
from selfopt_pipelines.domain.detection import Absent, Command, Commands, DetectionConfig
from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.domain.events import Note
from selfopt_pipelines.domain.execution import Execution
from selfopt_pipelines.domain.run import Phase
from selfopt_pipelines.ledger import baselines, detections
from selfopt_pipelines.sandbox.base import Workspace
from selfopt_pipelines.validator.baseline import GateCommands, run_baseline
from selfopt_pipelines.validator.benchmark import BenchmarkRunner
from selfopt_pipelines.validator.benchmark_gate import BenchTrees
from selfopt_pipelines.validator.calibration import Unmeasurable
from selfopt_pipelines.validator.commands import run_command

# Share of the compute budget that the A/A control may use before any candidate was looked at.
CONTROL_SHARE = 0.25


def run_baseline_step(session: CycleSession) -> Baseline:
    """Make and store the baseline of this run; the stored one where the run has it already.

    Raises
    ------
    CannotRun
        When the unchanged commit cannot be installed, built, typechecked or tested here.
    """
    with session.services.database.connection() as conn:
        stored = baselines.for_run(conn, session.run.id)
    if stored is not None:
        return stored
    config = session.detection()
    target = require_target(config)
    with session.phase(Phase.BASELINE) as summary:
        prepared = prepare(session, target)
        logs: list[str] = []

        def finished(outcome: CommandOutcome, execution: Execution) -> None:
            session.command_finished(outcome.kind, outcome.run, execution)
            session.save_artifact(f"logs/{outcome.kind}.log", execution.output.encode(), kind="log")
            logs.append(f"$ {outcome.run}\n{execution.output}\n")

        tree = session.enter(prepared.base.branch(f"built-{session.run.id.hex[:12]}"))
        try:
            green = run_baseline(
                prepared.sandbox,
                tree,
                target.commands,
                limits=prepared.limits,
                on_started=session.command_started,
                on_finished=finished,
                cancel=session.cancel,
            )
        finally:
            session.save_artifact("logs.txt", "\n".join(logs).encode(), kind="log")
        for note in green.notes:
            session.emit(Note(level="warning", text=note))
        calibration, unmeasurable = _calibrate(session, prepared, tree, target.commands.bench, green.commands)
        installed = (prepared.installed,) if prepared.installed else ()
        baseline = Baseline(
            sha=session.sha,
            outcomes=(*installed, *green.outcomes),
            calibration=calibration,
            unmeasurable=unmeasurable,
            environment=prepared.environment(),
        )
        confirmed = _confirmed(config, green.commands, measurable=calibration is not None)
        with session.services.database.connection() as conn:
            baseline = baselines.record(conn, session.run.id, baseline)
            detections.record(conn, session.repository.id, session.sha, confirmed)
        _save(session, baseline)
        session.checkpoint()
        session.keep(prepared, tree)
        summary.append(_summary(baseline))
    return baseline


def bench_tools(
    session: CycleSession, prepared: Prepared, bench: Command | Absent, commands: GateCommands
) -> tuple[BenchmarkRunner, BenchTrees] | None:
    """What measures, and where; None where the repository has no benchmark."""
    if isinstance(bench, Absent):
        return None
    runner = BenchmarkRunner(
        prepared.sandbox, bench, limits=prepared.limits.of("bench"), home=session.services.settings.home
    )
    trees = BenchTrees(sandbox=prepared.sandbox, command=bench, build=commands.build, limits=prepared.limits)
    return runner, trees


def ensure_prepared(session: CycleSession) -> tuple[Prepared, Workspace]:
    """The sandbox and built tree of this process; after an interruption the build is run again."""
    if session.kept is not None:
        return session.kept
    target = require_target(session.detection())
    prepared = prepare(session, target)
    tree = session.enter(prepared.base.branch(f"built-{session.run.id.hex[:12]}"))
    build = target.commands.build
    if isinstance(build, Command):
        session.command_started("build", build.run)
        execution = run_command(
            prepared.sandbox, build, workspace=tree, limits=prepared.limits.of("build"), cancel=session.cancel
        )
        session.command_finished("build", build.run, execution)
        if not execution.ok:
            raise CannotRun(
                f"The build `{build.run}` succeeded before the interruption and now {execution.failure}.",
                reason_code="build-failed",
            )
    session.keep(prepared, tree)
    return prepared, tree


def gate_commands(commands: Commands) -> GateCommands:
    """The commands that candidates are judged with, from the confirmed detection."""
    if isinstance(commands.test, Absent):
        raise CannotRun(f"There is no test command ({commands.test.reason}).", reason_code="no-test-command")
    return GateCommands(build=commands.build, typecheck=commands.typecheck, test=commands.test)


def _calibrate(
    session: CycleSession,
    prepared: Prepared,
    tree: Workspace,
    bench: Command | Absent,
    commands: GateCommands,
) -> tuple[Calibration | None, str]:
    """The A/A control, or why nothing can be measured."""
    tools = bench_tools(session, prepared, bench, commands)
    if tools is None or isinstance(bench, Absent):
        reason = bench.reason if isinstance(bench, Absent) else "unknown"
        return None, f"The repository has no benchmark command ({reason})."
    runner, trees = tools
    session.command_started("bench", bench.run)
    per_candidate = session.settings.compute_budget_minutes * 60 / session.settings.max_candidates_per_run
    try:
        with trees.control(tree, cancel=session.cancel) as (left, right):
            result = runner.calibrate(
                left,
                right,
                seed=session.seed,
                time_budget_s=per_candidate,
                own_budget_s=session.settings.compute_budget_minutes * 60 * CONTROL_SHARE,
                on_progress=session.emit,
                cancel=session.cancel,
            )
    except CannotRun as error:
        return None, str(error)
    if isinstance(result, Unmeasurable):
        session.emit(Note(level="warning", text=f"Cannot measure: {result.reason}"))
        return None, result.reason
    return result, ""


def _confirmed(config: DetectionConfig, commands: GateCommands, *, measurable: bool) -> DetectionConfig:
    """The detection config with what execution has shown: commands that ran, guesses that did not."""
    target = config.targets[0]
    seen: dict[str, Command | Absent] = {
        "install": target.commands.install,
        "build": commands.build,
        "typecheck": commands.typecheck,
        "test": commands.test,
    }
    if measurable:
        seen["bench"] = target.commands.bench
    executed = {
        kind: command.model_copy(update={"verified": "executed", "confidence": max(command.confidence, 0.99)})
        if isinstance(command, Command)
        else command
        for kind, command in seen.items()
    }
    updated = target.model_copy(update={"commands": target.commands.model_copy(update=executed)})
    return config.model_copy(update={"targets": (updated, *config.targets[1:])})


def _save(session: CycleSession, baseline: Baseline) -> None:
    session.save_artifact(
        "baseline.json",
        baseline.model_dump_json(indent=2).encode(),
        kind="baseline",
        media_type="application/json",
    )
    if baseline.calibration is not None:
        session.save_artifact(
            "bench_output.json",
            baseline.calibration.model_dump_json(indent=2).encode(),
            kind="bench",
            media_type="application/json",
        )


def _summary(baseline: Baseline) -> str:
    tests = baseline.outcome("test")
    executed = tests.tests.executed if tests and tests.tests else None
    green = f"{executed} tests green" if executed is not None else "green"
    calibration = baseline.calibration
    if calibration is None:
        return f"{green}; cannot measure: {baseline.unmeasurable}"
    if calibration.biased:
        return f"{green}; identical code looked different, nothing will be surfaced"
    return f"{green}; noise floor {calibration.noise_floor:.1%} on {calibration.metric} time"

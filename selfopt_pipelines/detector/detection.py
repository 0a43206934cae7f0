"""Putting it together: one tree in, one detection config out."""

from typing import Literal

from selfopt_pipelines.detector.calibration import COMMITTED, Calibration, calibrated
from selfopt_pipelines.detector.commands import (
    Chosen,
    choose_bench,
    choose_build,
    choose_e2e,
    choose_lint,
    choose_test,
    choose_typecheck,
)
from selfopt_pipelines.detector.confidence import OVERRIDE
from selfopt_pipelines.detector.files import Files
from selfopt_pipelines.detector.framework import detect_framework
from selfopt_pipelines.detector.install import install_command
from selfopt_pipelines.detector.manifest import Manifest, Manifests
from selfopt_pipelines.detector.node_version import detect_node
from selfopt_pipelines.detector.override_file import NODE_MAJOR, Overrides, Said, read_overrides
from selfopt_pipelines.detector.package_manager import decide_manager
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.scripts import ScriptGraph
from selfopt_pipelines.detector.targets import MAX_TARGETS, project_directories
from selfopt_pipelines.detector.warnings import Warnings
from selfopt_pipelines.detector.workflows import CiJob, read_ci
from selfopt_pipelines.detector.workspace_layout import detect_layout
from selfopt_pipelines.domain.detection import (
    Absent,
    Command,
    Commands,
    ContinuousIntegration,
    DetectionConfig,
    NodeVersion,
    Target,
    UnresolvedExpression,
)
from selfopt_pipelines.domain.tree import Tree

MAX_UNRESOLVED = 40
Role = Literal["root", "app", "lib", "docs", "example"]


def detect(tree: Tree, *, calibration: Calibration = COMMITTED) -> DetectionConfig:
    """How the repository in `tree` is installed, built, typechecked, tested and benchmarked.

    Deterministic, without execution and network; reads manifests, the heads of lockfiles, CI files, and the few
    configuration and entry files that decide the framework. Never raises for what the tree contains.

    Parameters
    ----------
    calibration
        How raw confidences become probabilities; only fitting a new one needs another than the committed.
    """
    files = Files(tree)
    warnings = Warnings()
    manifests = Manifests(files, warnings)
    jobs = read_ci(files, warnings).jobs
    overrides = read_overrides(files, warnings)
    directories = _told_first(project_directories(files, manifests, jobs), overrides, manifests, warnings)
    targets: list[Target] = []
    first_job: CiJob | None = None
    for directory in directories:
        manifest = manifests.at(directory)
        if manifest is None:
            continue
        first = not targets
        target, job = _target(
            files,
            manifests,
            manifest,
            jobs=jobs,
            warnings=warnings if first else Warnings(),
            overrides=overrides if first else Overrides(),
        )
        if first:
            first_job = job
        targets.append(calibrated(target, calibration))
    if not targets:
        warnings.add("no-package-json", "No usable package.json was found.")
    return DetectionConfig(targets=tuple(targets), ci=_integration(jobs, first_job), warnings=warnings.all())


def _target(
    files: Files,
    manifests: Manifests,
    manifest: Manifest,
    *,
    jobs: tuple[CiJob, ...],
    warnings: Warnings,
    overrides: Overrides,
) -> tuple[Target, CiJob | None]:
    """One project, and the CI job that its tests were taken from."""
    directory = manifest.directory
    root = manifests.at(".")
    choice = decide_manager(
        files, [manifest, root], jobs, directory=directory, warnings=warnings, told=overrides.package_manager
    )
    layout = detect_layout(files, manifests, manifest, directory=directory, manager=choice.manager.name)
    graph = ScriptGraph(manifests, members=tuple(package.path for package in layout.packages))
    project = Project(files, manifests, graph, manifest, root, choice, layout, jobs, warnings, overrides)
    tests = choose_test(project)
    use = tests.candidate.use if isinstance(tests, Chosen) else None
    job = use.job if use is not None else None
    framework = detect_framework(files, manifests, manifest, layout)
    role: Role = "root" if directory == "." else "lib" if framework.kind == "library" else "app"
    target = Target(
        root=directory,
        role=role,
        package_manager=choice.manager,
        node=_told_node(detect_node(files, manifest, root, jobs, directory=directory, preferred=job), overrides.node),
        workspace=layout,
        framework=framework,
        commands=Commands(
            install=install_command(project),
            build=_command(choose_build(project)),
            test=_command(tests),
            typecheck=_command(choose_typecheck(project)),
            bench=_command(choose_bench(project)),
            lint=_command(choose_lint(project)),
            e2e=_command(choose_e2e(project)),
        ),
    )
    _warn_of_circles(graph, manifest, warnings)
    return target, job


def _warn_of_circles(graph: ScriptGraph, manifest: Manifest, warnings: Warnings) -> None:
    own = [name for directory, name in graph.circles if directory == manifest.directory]
    if own:
        said = f"Scripts of {manifest.path} call themselves in a circle: {', '.join(own[:5])}."
        warnings.add("cyclic-scripts", said, manifest.script_evidence(own[0]))
    if graph.exhausted:
        warnings.add(
            "huge-script-graph", f"The scripts of {manifest.path} call each other too often to follow them all."
        )


def _told_first(directories: list[str], overrides: Overrides, manifests: Manifests, warnings: Warnings) -> list[str]:
    """The directory that `selfopt.toml` names before the detected ones."""
    root = overrides.root
    if root is None:
        return directories
    if manifests.at(root.value) is None:
        said = f"{root.place.file}: root names {root.value!r}, where there is no usable package.json."
        warnings.add("override-missing-root", said, root.place)
        return directories
    return list(dict.fromkeys((root.value, *directories)))[:MAX_TARGETS]


def _told_node(detected: NodeVersion, told: Said | None) -> NodeVersion:
    found = NODE_MAJOR.fullmatch(told.value) if told else None
    if told is None or found is None:
        return detected
    evidence = (told.place, *detected.evidence)
    return detected.model_copy(update={"major": int(found.group(1)), "confidence": OVERRIDE, "evidence": evidence})


def _command(chosen: Chosen | Absent) -> Command | Absent:
    return chosen.command if isinstance(chosen, Chosen) else chosen


def _integration(jobs: tuple[CiJob, ...], job: CiJob | None) -> ContinuousIntegration:
    if job is None:
        return ContinuousIntegration(provider=jobs[0].provider if jobs else None)
    unresolved = tuple(
        UnresolvedExpression(expr=one.expression, file=one.file, line=one.line)
        for one in job.unresolved[:MAX_UNRESOLVED]
    )
    return ContinuousIntegration(
        provider=job.provider, workflow=job.workflow, job=job.id, matrix=job.matrix, unresolved=unresolved
    )

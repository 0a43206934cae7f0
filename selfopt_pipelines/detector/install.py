"""The install command: that of the lockfile, with the flags of CI that change what is installed."""

from selfopt_pipelines.detector.candidates import Candidate
from selfopt_pipelines.detector.confidence import OVERRIDE
from selfopt_pipelines.detector.overridden import overridden
from selfopt_pipelines.detector.package_manager import ci_installs
from selfopt_pipelines.detector.project import Project
from selfopt_pipelines.detector.rendering import install_argv
from selfopt_pipelines.detector.requirements import environment
from selfopt_pipelines.domain.detection import Alternative, Command, Evidence, Requirements

_NETWORK_HOOKS = ("preinstall", "install", "postinstall", "prepare")


def install_command(project: Project) -> Command:
    """Never absent: a project without dependencies installs nothing, quickly."""
    detected = _detected(project)
    told = overridden(project, "install")
    if not isinstance(told, Candidate):
        return detected
    other = Alternative(run=detected.run, argv=detected.argv, confidence=detected.confidence, why="detected")
    return detected.model_copy(
        update={
            "run": told.text,
            "argv": told.argv,
            "env": environment(told),
            "origin": "override",
            "ci_literal": None,
            "confidence": OVERRIDE,
            "evidence": told.evidence,
            "alternatives": (other, *detected.alternatives),
        }
    )


def _detected(project: Project) -> Command:
    manager = project.manager
    installs = [entry for entry in ci_installs(project.jobs, project.directory) if entry[2] == manager.name]
    job, use = (installs[0][0], installs[0][1]) if installs else (None, None)
    flags = use.words[1:] if use is not None else ()
    locked = project.choice.lockfile is not None
    argv = install_argv(manager, locked=locked, ci_flags=flags)
    loose = install_argv(manager, locked=False, ci_flags=flags)
    evidence: list[Evidence] = []
    if job is not None and use is not None:
        evidence.append(project.files.evidence(use.file, use.line, kind="workflow", job=job.id, step=use.step))
    if not evidence:
        evidence.extend(place for place in manager.evidence if place.kind in ("lockfile", "packageManager"))
    if not evidence:
        evidence.extend(manager.evidence[:1])
    hooks = tuple(name for name in _NETWORK_HOOKS if name in project.scripts)
    confidence = min(manager.confidence, 0.97 if use is not None else 0.95)
    if use is not None and use.unresolved:
        confidence = min(confidence, 0.7)
    return Command(
        run=" ".join(argv),
        argv=argv,
        cwd=project.directory,
        env={"CI": "true"},
        requires=Requirements(network=True),
        side_effects=tuple(f"runs the {name} script" for name in hooks),
        runner=manager.name,
        origin="workflow" if use is not None else "builtin",
        ci_literal=use.command.text[:300] if use is not None else None,
        confidence=round(confidence, 2),
        verified="static",
        evidence=tuple(dict.fromkeys(evidence)),
        alternatives=(Alternative(run=" ".join(loose), argv=loose, confidence=0.5, why="not bound to the lockfile"),)
        if loose != argv
        else (),
    )

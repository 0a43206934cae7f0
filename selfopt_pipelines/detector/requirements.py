"""What a command needs besides the installed tree: services, browsers, docker, secrets, earlier steps, environment."""

import re

from selfopt_pipelines.detector.candidates import Candidate
from selfopt_pipelines.detector.leaves import needs_browser
from selfopt_pipelines.detector.project import CiUse, Project
from selfopt_pipelines.detector.rendering import is_allowed, local_only, script_argv, script_text
from selfopt_pipelines.detector.workflows.services import service_name
from selfopt_pipelines.domain.detection import PreStep, Requirements

_PRIVATE_ENV = re.compile(
    r"token|secret|password|passwd|_key$|^key$|credential|^GITHUB_|^ACTIONS_|^TURBO_|^NX_|CODECOV|COVERALLS|^FORCE_COLOR$|^PATH$"
    r"|^HOME$|^LD_|^CI$|^NPM_CONFIG|^npm_config|^YARN_|^PNPM_|^NODE_VERSION$|^NODE_COV|^DO_NOT_TRACK$|^CACHE|^USER$|^SHELL$|_VERSION$",
    re.I,
)
MAX_PRE_STEPS = 6
_TOOLCHAINS = {
    "@napi-rs/cli": "rust",
    "napi": "rust",
    "node-gyp": "c++",
    "cmake-js": "c++",
    "neon-cli": "rust",
    "wasm-pack": "rust",
}


def environment(candidate: Candidate) -> dict[str, str]:
    """`CI=true` and what CI or `selfopt.toml` sets: time zone, locale, Node options, flags of the tests; no secrets."""
    ci = candidate.use.command.env if candidate.use is not None else {}
    own = {**ci, **dict(candidate.env)}
    kept = {
        name: value
        for name, value in sorted(own.items())
        if not _PRIVATE_ENV.search(name)
        and re.fullmatch(r"[A-Za-z_]\w*", name)
        and len(value) <= 200
        and "$" not in value
    }
    return {**kept, "CI": "true"}


def pre_steps(project: Project, candidate: Candidate) -> tuple[PreStep, ...]:
    """What the same CI job runs before the command: builds, generated code, copied environment files, browsers."""
    use = candidate.use
    if use is None or use.rank < -0.5:
        return ()
    found: list[PreStep] = []
    for earlier in _before(project, use):
        if earlier.script in candidate.expansion.scripts or not earlier.command.certain:
            continue
        argv, text = _rendered(project, earlier)
        if not argv or not is_allowed(argv):
            continue
        step = PreStep(run=text, argv=argv, why=f"CI job {use.job.id} runs it before")
        if step not in found:
            found.append(step)
    return tuple(found[:MAX_PRE_STEPS])


def _before(project: Project, use: CiUse) -> list[CiUse]:
    """Uses of the same job that come before and prepare something."""
    same = [one for one in project.uses if one.job is use.job]
    at = same.index(use) if use in same else len(same)
    return [one for one in same[:at] if _prepares(one)]


def _prepares(use: CiUse) -> bool:
    words = use.command.words
    if use.asked.what in ("install", "add", "global-install"):
        return False
    if words[0] in ("cp", "mkdir"):
        return not any("$" in word for word in words)
    return use.expansion.has("build", "compile", "generate", "browsers") and not use.expansion.has(
        "test", "lint", "e2e", "bench", "docs", "publish", "docker", "database", "network", "typecheck"
    )


def _rendered(project: Project, use: CiUse) -> tuple[tuple[str, ...], str]:
    if use.script is not None and use.script in project.scripts:
        return script_argv(project.manager, use.script, use.asked.args), script_text(
            project.manager, use.script, use.asked.args
        )
    words = use.command.words
    return local_only(words), " ".join(words)


def requirements(project: Project, candidate: Candidate) -> Requirements:
    """What the command needs. Services are those of its CI job, and those that its own scripts start."""
    use = candidate.use
    leaves = candidate.expansion.leaves
    services: list[str] = list(use.job.services) if use is not None else []
    docker = any(leaf.is_a("docker") for leaf in leaves)
    for leaf in leaves:
        if leaf.is_a("docker"):
            services.extend(
                service_name(arg) for arg in leaf.args[-1:] if re.fullmatch(r"[a-z][\w-]+", arg) and arg not in _VERBS
            )
    if use is not None:
        for earlier in _started(project, use):
            docker = True
            services.extend(earlier)
    if candidate.binary is not None:
        browsers = needs_browser(candidate.binary, candidate.args)
    else:
        browsers = any(needs_browser(leaf.binary, leaf.args) for leaf in leaves)
    return Requirements(
        services=tuple(dict.fromkeys(services)),
        browsers=browsers or _browser_mode(project, candidate),
        docker=docker,
        network=any(leaf.is_a("network") for leaf in leaves),
        secrets=use.job.secrets if use is not None and use.command.certain else (),
        toolchains=tuple(
            sorted({tool for package, tool in _TOOLCHAINS.items() if project.manifest.depends_on(package)})
        ),
    )


_VERBS = {"up", "down", "start", "stop", "build", "d", "run", "exec", "pull"}


def _started(project: Project, use: CiUse) -> list[list[str]]:
    """Services that earlier steps of the job start with docker compose."""
    found: list[list[str]] = []
    same = [one for one in project.uses if one.job is use.job]
    for one in same[: same.index(use)] if use in same else []:
        for leaf in one.expansion.leaves:
            if leaf.is_a("docker") and "up" in leaf.args:
                named = [word for word in leaf.args[leaf.args.index("up") + 1 :] if not word.startswith("-")]
                found.append([service_name(word) for word in named] or ["docker-compose"])
    return found


def _browser_mode(project: Project, candidate: Candidate) -> bool:
    """Vitest's browser mode, from its configuration; a browser installed by CI before the tests with its package."""
    if not candidate.expansion.has("test"):
        return False
    prefix = "" if project.directory == "." else f"{project.directory}/"
    for name in ("vitest.config", "vite.config"):
        for extension in ("ts", "mts", "js", "mjs"):
            text = project.files.text(f"{prefix}{name}.{extension}", limit=100_000)
            text = re.sub(r"(?<!:)//[^\n]*", "", text) if text else None
            if (
                text
                and re.search(r"\bbrowser\s*:\s*\{[^{}]{0,400}?\benabled\s*:\s*true", text)
                and not re.search(r"projects\s*:", text)
            ):
                return True
    packages = any(
        one.startswith("@vitest/browser") or one in ("karma-chrome-launcher", "vitest-browser-react")
        for one in project.manifest.packages
    )
    use = candidate.use
    if use is None or not any(one.expansion.has("browsers") for one in _before(project, use)):
        return False
    # A job that installs browsers, has no end-to-end runner and a driver among the dependencies drives them itself.
    drives = bool(project.manifest.packages & {"playwright", "playwright-core", "puppeteer"})
    return packages or (drives and not any(one.expansion.has("e2e") for one in project.uses if one.job is use.job))

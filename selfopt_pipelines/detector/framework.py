"""The framework: a dependency alone is a rumour; with an entry file, a configuration or a start script it is a fact.

A library that is published and only tests against a framework has none.
"""

import re
from dataclasses import dataclass

from selfopt_pipelines.detector.files import Files, at_directory
from selfopt_pipelines.detector.manifest import Manifest, Manifests
from selfopt_pipelines.detector.words import listed
from selfopt_pipelines.detector.workspace_layout import is_side
from selfopt_pipelines.domain.detection import Evidence, Framework, OtherFramework, WorkspaceLayout

_EXTENSIONS = ("ts", "js", "mjs", "mts", "cjs", "cts")


@dataclass(frozen=True)
class _Rule:
    """`packages`: any of them makes a candidate. `config`: file names (without extension) that prove it.

    `server` frameworks need an entry file that imports them, where its text can be read.
    """

    name: str
    packages: tuple[str, ...]
    config: tuple[str, ...] = ()
    server: bool = False
    starts: str = ""
    development: bool = False


# Order decides: what is built on another framework stands before it.
_RULES = (
    _Rule("redwood", ("@redwoodjs/core",)),
    _Rule("blitz", ("blitz", "@blitzjs/next")),
    _Rule("payload", ("payload",), ("payload.config", "src/payload.config")),
    _Rule("nextjs", ("next",), ("next.config",), starts=r"\bnext (dev|start|build)"),
    _Rule("nuxt", ("nuxt", "nuxt3", "nuxt-nightly"), ("nuxt.config",), starts=r"\bnu(xt|xi)\b", development=True),
    _Rule("tanstack-start", ("@tanstack/react-start", "@tanstack/start"), starts=r"\b(vite|vinxi)\b"),
    _Rule("solid-start", ("@solidjs/start", "solid-start"), starts=r"\b(vinxi|vite|solid-start)\b"),
    _Rule("remix", ("@remix-run/react", "@remix-run/dev", "@remix-run/node", "@remix-run/serve"), ("remix.config",)),
    _Rule("react-router", ("@react-router/dev", "@react-router/node"), ("react-router.config",), development=True),
    _Rule("sveltekit", ("@sveltejs/kit",), ("svelte.config",), starts=r"\bvite\b", development=True),
    _Rule("qwik", ("@builder.io/qwik-city", "@qwik.dev/router"), development=True, starts=r"\bvite\b"),
    _Rule("astro", ("astro",), ("astro.config",), starts=r"\bastro\b", development=True),
    _Rule("gatsby", ("gatsby",), ("gatsby-config",), starts=r"\bgatsby\b"),
    _Rule("docusaurus", ("@docusaurus/core",), ("docusaurus.config",), starts=r"\bdocusaurus\b"),
    _Rule("expo", ("expo",), ("app.config",), starts=r"\bexpo\b"),
    _Rule("react-native", ("react-native",), ("metro.config",), starts=r"\breact-native\b"),
    _Rule("angular", ("@angular/core",), ("angular.json",), starts=r"\bng\b|\bnx\b|\bionic\b"),
    _Rule("cra", ("react-scripts",), starts=r"\b(react-scripts|craco|react-app-rewired)\b", development=True),
    _Rule("strapi", ("@strapi/strapi",), starts=r"\bstrapi\b"),
    _Rule("adonis", ("@adonisjs/core",), ("adonisrc", ".adonisrc.json"), starts=r"\bace\b"),
    _Rule("nestjs", ("@nestjs/core",), ("nest-cli.json", ".nest-cli.json"), server=True, starts=r"\bnest\b"),
    _Rule("electron-vite", ("electron-vite",), ("electron.vite.config",), development=True),
    _Rule("electron", ("electron",), ("electron-builder", "forge.config"), starts=r"\belectron", development=True),
    _Rule("vue-cli", ("@vue/cli-service",), ("vue.config",), starts=r"\bvue-cli-service\b", development=True),
    _Rule("fastify", ("fastify",), server=True),
    _Rule("hono", ("hono",), server=True),
    _Rule("koa", ("koa",), server=True),
    _Rule("hapi", ("@hapi/hapi",), server=True),
    _Rule("elysia", ("elysia",), server=True),
    _Rule("feathers", ("@feathersjs/feathers",), server=True),
    _Rule("loopback", ("@loopback/core",), server=True),
    _Rule("restify", ("restify",), server=True),
    _Rule("express", ("express",), server=True),
)
_VITE_UI = (
    ("react-vite", ("react",), ("@vitejs/plugin-react", "@vitejs/plugin-react-swc", "@vitejs/plugin-react-oxc")),
    ("vue-vite", ("vue",), ("@vitejs/plugin-vue",)),
    ("svelte-vite", ("svelte",), ("@sveltejs/vite-plugin-svelte",)),
    ("solid-vite", ("solid-js",), ("vite-plugin-solid",)),
    ("preact-vite", ("preact",), ("@preact/preset-vite",)),
)
_ENTRY_NAMES = listed(
    "main index app server src/main src/index src/app src/server src/api bin/www api/index src/bin/www",
    "server/index server/app server/server src/start/server src/app.module src/server/index lib/index",
    "lib/app lib/server app/index src/config/express src/loaders/express config/express src/express",
    "functions/index worker src/worker src/http/server src/infra/http/server",
)


def is_published_library(manifest: Manifest) -> bool:
    """Made to be imported by others: not private, with entry points and published files."""
    if manifest.private or manifest.name is None:
        return False
    entry = any(key in manifest.data for key in ("exports", "main", "module", "types", "typings", "bin"))
    published = "files" in manifest.data or "exports" in manifest.data or "publishConfig" in manifest.data
    return entry and published


def _config_file(files: Files, directory: str, names: tuple[str, ...]) -> str | None:
    for name in names:
        if files.exists(path := at_directory(directory, name)):
            return path
        for extension in (*_EXTENSIONS, "json"):
            if files.exists(path := at_directory(directory, f"{name}.{extension}")):
                return path
    return None


def _entries(files: Files, manifest: Manifest) -> list[str]:
    """Files in which a server is likely to start, the ones that the manifest names first."""
    named = [manifest.string("main") or ""]
    for script in ("start", "dev", "start:dev", "serve", "start:prod"):
        named.extend(re.findall(r"[\w./-]+\.[cm]?[jt]s\b", manifest.scripts.get(script, ""))[:3])
    paths = [at_directory(manifest.directory, one.removeprefix("./")) for one in named if one and ".." not in one]
    paths += [
        at_directory(manifest.directory, f"{name}.{extension}") for name in _ENTRY_NAMES for extension in _EXTENSIONS
    ]
    return [path for path in dict.fromkeys(paths) if files.exists(path)][:24]


def _importing(files: Files, entries: list[str], package: str) -> tuple[Evidence | None, bool]:
    """Where an entry file imports `package`; and whether any entry file could be read at all."""
    expression = re.compile(rf"""(?:from|require\(|import\(?)\s*['"]{re.escape(package)}(?:/[^'"]*)?['"]""")
    readable = False
    for path in entries:
        text = files.text(path, limit=200_000)
        if not text:
            continue
        readable = True
        found = expression.search(text)
        if found:
            return files.evidence(path, text.count("\n", 0, found.start()) + 1, kind="import", limit=200_000), True
    return None, readable


@dataclass(frozen=True)
class _Found:
    name: str
    confidence: float
    evidence: tuple[Evidence, ...]


def _of_rule(files: Files, manifest: Manifest, rule: _Rule) -> _Found | None:
    package = next((one for one in rule.packages if manifest.depends_on(one, peers=False)), None)
    if package is None or manifest.name in rule.packages:
        return None
    runtime = manifest.depends_on(package, runtime=True)
    config = _config_file(files, manifest.directory, rule.config)
    starts = bool(rule.starts) and any(re.search(rule.starts, body) for body in manifest.scripts.values())
    library = is_published_library(manifest)
    place = manifest.dependency_evidence(package)
    evidence = [place] if place else []
    if config:
        evidence.append(Evidence(file=config, line=1, kind="config"))
    if not runtime and not (rule.development and (config or starts)) and not (config and not library):
        return None
    plugin = package in manifest.table("peerDependencies") and package not in manifest.table("dependencies")
    if plugin and (library or not manifest.private):
        return None
    if rule.server:
        return _of_server(
            files, manifest, rule, package=package, config=config, starts=starts, evidence=evidence, library=library
        )
    if library and not (config and starts):
        return None
    confidence = 0.97 if config and starts else 0.93 if config or starts else 0.6
    return _Found(rule.name, confidence, tuple(evidence)) if confidence > 0.6 or not library else None


def _of_server(
    files: Files,
    manifest: Manifest,
    rule: _Rule,
    *,
    package: str,
    config: str | None,
    starts: bool,
    evidence: list[Evidence],
    library: bool,
) -> _Found | None:
    place, readable = _importing(files, _entries(files, manifest), package)
    if place:
        found = _Found(rule.name, 0.7 if library else 0.97, (*evidence, place))
        return None if library and not _has_start(manifest) else found
    if config:
        return _Found(rule.name, 0.95, tuple(evidence))
    if library:
        return None
    if starts or _has_start(manifest):
        return _Found(rule.name, 0.75 if readable else 0.88, tuple(evidence))
    return _Found(rule.name, 0.65, tuple(evidence)) if manifest.private or not manifest.string("main") else None


def _has_start(manifest: Manifest) -> bool:
    return any(name in manifest.scripts for name in ("start", "dev", "serve", "start:dev", "start:prod", "develop"))


def _of_vite(files: Files, manifest: Manifest) -> _Found | None:
    """A single-page application built by Vite; a library built or tested with it is none."""
    if not manifest.depends_on("vite") and not manifest.depends_on("rolldown-vite"):
        return None
    builds = any(
        re.search(r"\bvite build\b|\bvite\s*$|\bvite (dev|serve|preview)\b|\bvp build\b", body)
        for body in manifest.scripts.values()
    )
    page = files.exists(at_directory(manifest.directory, "index.html")) or files.exists(
        at_directory(manifest.directory, "src/index.html")
    )
    if (
        not builds
        or (is_published_library(manifest) and not page)
        or (is_published_library(manifest) and "files" in manifest.data)
    ):
        return None
    evidence = [place for place in (manifest.dependency_evidence("vite"),) if place]
    config = _config_file(files, manifest.directory, ("vite.config",))
    if config:
        evidence.append(Evidence(file=config, line=1, kind="config"))
    for name, packages, plugins in _VITE_UI:
        if any(manifest.depends_on(one, peers=False) for one in packages) or any(
            manifest.depends_on(one) for one in plugins
        ):
            return _Found(name, 0.95 if page else 0.85, tuple(evidence))
    return _Found("vite", 0.8, tuple(evidence)) if page else None


def _of_manifest(files: Files, manifest: Manifest) -> _Found | None:
    for rule in _RULES:
        found = _of_rule(files, manifest, rule)
        if found is not None:
            return found
        if rule.name == "vue-cli":
            vite = _of_vite(files, manifest)
            if vite is not None:
                return vite
    return None


def detect_framework(
    files: Files, manifests: Manifests, manifest: Manifest | None, layout: WorkspaceLayout
) -> Framework:
    """The framework of the target: of its own manifest, else of the application among its workspace packages."""
    if manifest is None:
        return Framework(confidence=0.3)
    own = _of_manifest(files, manifest)
    others: list[OtherFramework] = []
    members: list[tuple[str, _Found]] = []
    libraries = 0
    for package in layout.packages[:120]:
        inner = manifests.at(package.path)
        if inner is None:
            continue
        side = is_side(package.path)
        found = _of_manifest(files, inner)
        if found:
            others.append(OtherFramework(path=package.path, name=found.name, role="docs" if side else "app"))
        if found and not side:
            members.append((package.path, found))
        if not side and is_published_library(inner):
            libraries += 1
    if own is not None:
        return Framework(
            name=own.name, kind="app", confidence=own.confidence, evidence=own.evidence, others=tuple(others)
        )
    if members and libraries == 0:
        members.sort(key=lambda one: (not one[0].startswith("apps/"), _role_order(one[0]), one[0]))
        path, best = members[0]
        rest = tuple(one for one in others if one.path != path)
        return Framework(
            name=best.name, kind="app", confidence=min(best.confidence, 0.75), evidence=best.evidence, others=rest
        )
    kind = "library" if libraries or is_published_library(manifest) or not _has_start(manifest) else "app"
    return Framework(name=None, kind=kind, confidence=0.93 if kind == "library" else 0.8, others=tuple(others))


def _role_order(path: str) -> int:
    name = path.rsplit("/", 1)[-1].lower()
    order = ("web", "app", "frontend", "client", "dashboard", "www", "server", "backend", "api")
    return order.index(name) if name in order else len(order)

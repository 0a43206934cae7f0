"""Patches made from text, and the originals and results run side by side in one Node process."""

import json
import subprocess
from dataclasses import dataclass

from selfopt_pipelines.domain.detection import (
    Absent,
    Commands,
    DetectionConfig,
    Framework,
    NodeVersion,
    PackageManager,
    Target,
    WorkspaceLayout,
)
from selfopt_pipelines.domain.opportunity import Opportunity, Pattern
from selfopt_pipelines.domain.patch import Declined, Patch
from selfopt_pipelines.domain.tree import MemoryTree
from selfopt_pipelines.patchgen import propose
from selfopt_pipelines.scanner import scan


def detection() -> DetectionConfig:
    none = Absent(reason="not needed")
    commands = Commands(install=none, build=none, test=none, typecheck=none, bench=none, lint=none, e2e=none)
    target = Target(
        package_manager=PackageManager(name="npm", confidence=1),
        node=NodeVersion(),
        workspace=WorkspaceLayout(),
        framework=Framework(),
        commands=commands,
    )
    return DetectionConfig(targets=(target,))


@dataclass(frozen=True)
class Workbench:
    """Scans and patches one file."""

    def opportunities(self, source: str, path: str = "src/a.js", pattern: Pattern | None = None) -> list[Opportunity]:
        found = scan(MemoryTree({path: source}), detection())
        return [each for each in found if pattern is None or each.pattern is pattern]

    def patch(self, source: str, path: str = "src/a.js", pattern: Pattern | None = None) -> Patch | None:
        """The patch of the only opportunity; None where nothing is proposed."""
        found = self.opportunities(source, path, pattern)
        assert len(found) <= 1, [each.snippet for each in found]
        if not found:
            return None
        made = propose(found[0], MemoryTree({path: source}))
        assert isinstance(made, Patch | Declined)
        return made if isinstance(made, Patch) else None

    def after(self, source: str, path: str = "src/a.js", pattern: Pattern | None = None) -> str | None:
        made = self.patch(source, path, pattern)
        return made.changes[0].after if made is not None else None


@dataclass(frozen=True)
class Case:
    """A CommonJS source that exports `f`, and a JavaScript expression that makes one argument list from `r`."""

    name: str
    source: str
    arguments: str


_DRIVER = """
const { isDeepStrictEqual, inspect } = require('node:util');
const cases = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
function random(seed) {
  const next = () => { seed = (seed * 1664525 + 1013904223) >>> 0; return seed / 4294967296; };
  const int = (n) => Math.floor(next() * n);
  const pick = (...xs) => xs[int(xs.length)];
  const array = (n, make) => Array.from({ length: int(n) }, () => make());
  const word = () => array(4, () => pick('a', 'b', 'c', '-', 'Z', '1', ' ')).join('');
  const odd = () => pick(NaN, -0, 0, '', null, undefined, true, 'NaN', 1, '1', 1e21, Infinity, 1n);
  return { next, int, pick, array, word, odd };
}
function load(source) {
  const module = { exports: {} };
  new Function('module', 'exports', 'require', source)(module, module.exports, () => ({}));
  return module.exports.f;
}
function outcome(f, args) {
  try { return { value: f(...args), args }; } catch (error) { return { error: error.constructor.name, args }; }
}
const failures = [];
for (const { name, before, after, make } of cases) {
  const generate = new Function('r', 'return [' + make + ']');
  const old = load(before), now = load(after);
  for (let round = 0; round < 300; round += 1) {
    const a = outcome(old, generate(random(round))), b = outcome(now, generate(random(round)));
    if (!isDeepStrictEqual(a, b)) { failures.push(`${name}: ${inspect(a)} became ${inspect(b)}`); break; }
  }
}
console.log(JSON.stringify({ cases: cases.length, failures }));
"""


def differences_of(node: str, cases: list[Case]) -> list[str]:
    """Runs originals and patched sources over generated inputs; gives what differed. One process for all cases."""
    workbench = Workbench()
    prepared = []
    for case in cases:
        after = workbench.after(case.source, "src/a.cjs")
        assert after is not None, f"{case.name} was not patched"
        prepared.append({"name": case.name, "before": case.source, "after": after, "make": case.arguments})
    done = subprocess.run(
        [node, "-e", _DRIVER], input=json.dumps(prepared), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["cases"] == len(cases)
    return answer["failures"]

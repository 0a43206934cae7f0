"""A Git repository of a few lines: no dependencies, real tests, a real benchmark and a slow spot.

The spot takes most of the benchmark's time, so that the gain is found on a busy machine too.
"""

import json
import subprocess
from pathlib import Path

CODES = [f"code-{number:03}" for number in range(400)]

MANIFEST = {
    "name": "tiny",
    "version": "1.0.0",
    "type": "module",
    "private": True,
    "scripts": {"test": "node --test", "bench": "node bench.mjs"},
}
LOCK = {
    "name": "tiny",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "requires": True,
    "packages": {"": {"name": "tiny", "version": "1.0.0"}},
}
SOURCE = f"""const KNOWN = {json.dumps(CODES)};

export function countKnown(words) {{
  let count = 0;
  for (const word of words) {{
    if (KNOWN.includes(word)) count += 1;
  }}
  return count;
}}
"""
TEST = """import test from 'node:test';
import assert from 'node:assert/strict';
import { countKnown } from '../src/words.js';

test('counts known words', () => assert.equal(countKnown(['code-000', 'nothing', 'code-399']), 2));
test('knows that nothing is known of nothing', () => assert.equal(countKnown([]), 0));
"""
BENCH = """import { countKnown } from './src/words.js';

const words = Array.from({ length: 4000 }, (_, index) => `code-${String(index % 800).padStart(3, '0')}`);
let sum = 0;
const start = process.hrtime.bigint();
for (let round = 0; round < 60; round += 1) sum += countKnown(words);
const value = Number(process.hrtime.bigint() - start) / 1e6;
console.log(JSON.stringify({ fixed_work: true, benchmarks: [{ name: 'countKnown', value, unit: 'ms' }], sum }));
"""


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def commit(root: Path) -> str:
    """Commit everything and return the SHA."""
    git = ["git", "-C", str(root), "-c", "user.name=T", "-c", "user.email=t@example.invalid"]
    if not (root / ".git").exists():
        subprocess.run([*git, "init", "-q", "-b", "main"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "change"], check=True)
    return subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()


def make(root: Path, *, changes: dict[str, str] | None = None) -> Path:
    """The repository in `root`, with some files replaced."""
    root.mkdir(parents=True, exist_ok=True)
    files = {
        "package.json": json.dumps(MANIFEST, indent=2),
        "package-lock.json": json.dumps(LOCK, indent=2),
        "src/words.js": SOURCE,
        "test/words.test.js": TEST,
        "bench.mjs": BENCH,
    }
    write(root, files | (changes or {}))
    commit(root)
    return root

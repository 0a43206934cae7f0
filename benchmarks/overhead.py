"""What orchestration costs: time of a whole cycle ÷ time inside the sandboxed commands themselves.

    python -m benchmarks.overhead [REPOSITORY] [--limit 1.15]

Runs one cycle of the example (or of another repository) in a home of its own, as a user would: process start,
embedded database, Dagster, ledger writes, live view and bundles are all in the numerator. Toolchain downloads
and the first start of the database are done before, as they happen once per machine. Exits with 1 above the limit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SELFOPT = Path(sys.executable).with_name("selfopt")


def main() -> int:
    """Measure and print; 0 when the ratio is within the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("repository", nargs="?", default=str(ROOT / "examples" / "express-api-ts"))
    parser.add_argument("--limit", type=float, default=1.15)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="so-", dir="/var/tmp") as home:
        # The sandbox user must be able to traverse it.
        Path(home).chmod(0o711)
        environment = {**os.environ, "SELFOPT_HOME": home}
        try:
            # The first cycle fetches toolchains and creates the databases; the second is the one that is measured.
            _cycle(arguments.repository, environment)
            started = time.monotonic()
            run = _cycle(arguments.repository, environment, "--force")
            whole = time.monotonic() - started
        finally:
            subprocess.run([SELFOPT, "db", "stop"], env=environment, check=False, capture_output=True)
    inside = run["compute_minutes"] * 60
    ratio = whole / inside
    print(f"whole cycle        {whole:8.1f} s")
    print(f"inside the sandbox {inside:8.1f} s")
    print(f"ratio              {ratio:8.3f}  (limit {arguments.limit})")
    return 0 if ratio <= arguments.limit else 1


def _cycle(repository: str, environment: dict[str, str], *options: str) -> dict[str, float]:
    finished = subprocess.run(
        [SELFOPT, "optimize", repository, "--json", *options], env=environment, stdout=subprocess.PIPE, check=True
    )
    return json.loads(finished.stdout)["run"]


if __name__ == "__main__":
    sys.exit(main())

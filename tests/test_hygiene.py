"""What must never be in a commit."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Written in pieces, so that this file does not name what it looks for.
REGISTRY_HOSTS = [
    re.escape(host)
    for host in ("py" + "pi.org", "pythonhosted" + ".org", "registry.npm" + "js.org", "registry.yarn" + "pkg.com")
]


def tracked_files() -> list[Path]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode != 0:
        pytest.skip("not a Git checkout")
    return [ROOT / name for name in listing.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_package_registry():
    pattern = re.compile("|".join(REGISTRY_HOSTS))
    named = [path for path in tracked_files() if pattern.search(path.read_text(errors="ignore"))]
    assert not named


def test_lock_files_carry_no_download_addresses():
    for path in tracked_files():
        if path.name in ("package-lock.json", "pnpm-lock.yaml", "requirements.lock"):
            assert not re.search(r'"resolved"|tarball:|https?://[^\s"]+\.(tgz|whl)', path.read_text()), path


def test_no_uv_lock_is_committed():
    assert "uv.lock" not in {path.name for path in tracked_files()}

"""Every golden TypeScript result still type-checks, strictly."""

import shutil
import subprocess
from pathlib import Path

import pytest
import test_template_intermediate_array
import test_template_regexp_construction
import test_template_set_membership

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "express-api-ts"


def compiler() -> str | None:
    """The compiler of the example service, where its dependencies are installed, or the machine's."""
    local = EXAMPLE / "node_modules" / ".bin" / "tsc"
    return str(local) if local.exists() else shutil.which("tsc")


@pytest.mark.slow
def test_golden_results_type_check_under_strict(tmp_path):
    tsc = compiler()
    if tsc is None:
        pytest.skip("no TypeScript compiler is installed")
    modules = (test_template_intermediate_array, test_template_regexp_construction, test_template_set_membership)
    names = []
    for module in modules:
        for file, _, expected in module.GOLDEN.values():
            if file.endswith(".ts") and expected is not None:
                names.append(f"golden{len(names)}.ts")
                (tmp_path / names[-1]).write_text(expected.replace(": Q)", ": { method: string })"))
    assert len(names) > 10
    flags = ["--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--moduleResolution", "nodenext"]
    done = subprocess.run([tsc, *flags, *names], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout

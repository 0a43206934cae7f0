import subprocess
import sys
import threading
from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import CannotRun, Interrupted
from selfopt_pipelines.validator.host_lock import measuring

HOLDER = """
import sys, time, pathlib
from selfopt_pipelines.validator.host_lock import measuring
with measuring(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_only_one_process_measures_and_a_killed_one_frees_the_lock(tmp_path: Path):
    waits: list[str] = []
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(CannotRun, match="Another measurement") as error,
            measuring(tmp_path, timeout_s=0.3, on_wait=lambda: waits.append("waiting")),
        ):
            pytest.fail("two measurements at once")
        assert error.value.reason_code == "measurement-busy"
        assert waits == ["waiting"]
        holder.kill()
        holder.wait()
    with measuring(tmp_path, timeout_s=1.0):
        pass


def test_waiting_can_be_stopped(tmp_path: Path):
    cancel = threading.Event()
    with measuring(tmp_path):
        threading.Timer(0.1, cancel.set).start()
        with pytest.raises(Interrupted), measuring(tmp_path, cancel=cancel):
            pytest.fail("two measurements at once")


def test_the_lock_is_free_again_after_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError), measuring(tmp_path):
        raise RuntimeError
    with measuring(tmp_path, timeout_s=0.0):
        pass


def test_a_home_that_cannot_be_used_is_said_in_one_sentence(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRun, match="cannot be opened"), measuring(tmp_path / "file"):
        pytest.fail("locked nothing")

from pathlib import Path
from typing import Any

import pytest

from selfopt_pipelines.domain.baseline import Environment
from selfopt_pipelines.validator import environment
from selfopt_pipelines.validator.environment import cpu_model, cpu_pressure, fingerprint, free_cpu


def here(**changed: str) -> Environment:
    given: dict[str, Any] = {"node": "v20.1.0", "package_manager": "npm 10", "sandbox": "bubblewrap"}
    given |= {"limiter": "cgroup-v2", **changed}
    return fingerprint(**given)


def test_this_machine_is_described():
    found = here()
    assert found.cpu_count >= 1
    assert found.memory_bytes > 10**8
    assert found.cpu_model
    assert found.kernel
    assert len(found.fingerprint) == 64


@pytest.mark.parametrize("field", ["node", "package_manager", "sandbox", "limiter"])
def test_what_makes_samples_comparable_is_in_the_fingerprint(field: str):
    assert here(**{field: "another"}).fingerprint != here().fingerprint


def test_load_and_extras_are_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment, "load_average", lambda: 17.0)
    busy = fingerprint(
        node="v20.1.0", package_manager="npm 10", sandbox="bubblewrap", limiter="cgroup-v2", extra={"image": "x"}
    )
    assert busy.load_average == 17.0
    assert busy.extra["image"] == "x"
    monkeypatch.undo()
    assert busy.fingerprint == here().fingerprint


def test_the_free_share_of_a_core_falls_with_the_load(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(environment.os, "sched_getaffinity", lambda _pid: {0, 1})
    for load, share in ((0.1, 1.0), (2.0, 1.0), (8.0, 0.25)):
        monkeypatch.setattr(environment, "load_average", lambda load=load: load)
        assert free_cpu() == share


def test_pressure_is_read_where_the_kernel_tells_it(tmp_path: Path):
    file = tmp_path / "cpu"
    file.write_text("some avg10=12.50 avg60=1.00 avg300=0.10 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n")
    assert cpu_pressure(file) == 12.5
    file.write_text("")
    assert cpu_pressure(file) is None
    assert cpu_pressure(tmp_path / "absent") is None


def test_a_machine_that_does_not_name_its_processor_still_has_a_name(tmp_path: Path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor: 0\nmodel name\t: Some CPU @ 3GHz\n")
    assert cpu_model(file) == "Some CPU @ 3GHz"
    assert cpu_model(tmp_path / "absent")

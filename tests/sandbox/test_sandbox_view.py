"""What a command is given, before it is given it."""

import pytest

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.sandbox.base import Toolchain
from selfopt_pipelines.sandbox.view import directory_inside, environment

TOOLCHAIN = Toolchain(node_version="24.0.0", package_manager="npm", path=("/opt/node/bin",), env={"COREPACK": "0"})


def test_the_environment_is_an_allow_list_with_the_toolchain_first_on_the_path() -> None:
    assert environment(TOOLCHAIN) == {
        "HOME": "/home/sandbox",
        "CI": "true",
        "TERM": "dumb",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PATH": "/opt/node/bin:/usr/local/bin:/usr/bin:/bin",
        "COREPACK": "0",
    }


def test_the_caller_may_override_any_variable() -> None:
    variables = environment(TOOLCHAIN, {"TZ": "Asia/Tokyo", "COREPACK": "1"}, {"COREPACK": "2"})
    assert (variables["TZ"], variables["COREPACK"]) == ("Asia/Tokyo", "2")


@pytest.mark.parametrize("variable", [{"": "x"}, {"A=B": "x"}, {"A": "x\0y"}, {"A\0": "x"}])
def test_a_variable_that_no_process_can_have_is_refused(variable: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        environment(TOOLCHAIN, variable)


@pytest.mark.parametrize(
    ("cwd", "inside"),
    [
        (".", "/workspace"),
        ("", "/workspace"),
        ("packages/api", "/workspace/packages/api"),
        ("./a//b/", "/workspace/a/b"),
    ],
)
def test_a_relative_directory_lies_below_the_workspace(cwd: str, inside: str) -> None:
    assert directory_inside(cwd) == inside


@pytest.mark.parametrize("cwd", ["/etc", "..", "a/../../etc", "a\0b"])
def test_a_directory_outside_the_workspace_is_refused(cwd: str) -> None:
    with pytest.raises(InvalidInput, match="inside the workspace"):
        directory_inside(cwd)

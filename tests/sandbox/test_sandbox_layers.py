"""Reading and writing a workspace from outside agrees with the kernel and follows nothing."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox
from selfopt_pipelines.sandbox.layers import read_file, split_path, write_file
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, create_workspace


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("of the host")
    tree = tmp_path / "tree"
    (tree / "src").mkdir(parents=True)
    (tree / "src" / "a.ts").write_text("a")
    (tree / "out").symlink_to(tmp_path)
    (tree / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(tree / "pipe")
    return tree


class TestOneLayer:
    def test_a_regular_file_is_read(self, tree: Path) -> None:
        assert read_file([tree], "src/a.ts", limit=10) == b"a"
        assert read_file([tree], "./src//a.ts", limit=1) == b"a"

    @pytest.mark.parametrize("path", ["src", "src/b.ts", "no/where", "src/a.ts/x", "pipe"])
    def test_where_no_regular_file_is_there_is_nothing(self, tree: Path, path: str) -> None:
        assert read_file([tree], path, limit=10) is None

    @pytest.mark.parametrize("path", ["link", "out/secret", "out/tree/src/a.ts"])
    def test_links_are_not_followed(self, tree: Path, path: str) -> None:
        with pytest.raises(InvalidInput, match="symbolic link"):
            read_file([tree], path, limit=10)
        with pytest.raises(InvalidInput, match="symbolic link"):
            write_file([tree], path, b"x", owner=None)
        assert (tree.parent / "secret").read_text() == "of the host"

    def test_a_file_that_is_too_large_is_refused(self, tree: Path) -> None:
        write_file([tree], "big", b"1234", owner=None)
        with pytest.raises(InvalidInput, match="larger than 3 bytes"):
            read_file([tree], "big", limit=3)

    @pytest.mark.parametrize("path", ["src", "pipe", "src/a.ts/below"])
    def test_nothing_but_a_regular_file_is_overwritten(self, tree: Path, path: str) -> None:
        with pytest.raises(InvalidInput):
            write_file([tree], path, b"x", owner=None)

    def test_the_mode_of_a_replaced_file_stays(self, tree: Path) -> None:
        (tree / "run.sh").write_text("old")
        (tree / "run.sh").chmod(0o750)
        write_file([tree], "run.sh", b"new", owner=None)
        assert (tree / "run.sh").read_text() == "new"
        assert (tree / "run.sh").stat().st_mode & 0o777 == 0o750

    def test_a_replaced_hard_link_leaves_the_other_name_alone(self, tree: Path) -> None:
        os.link(tree / "src" / "a.ts", tree / "same")
        write_file([tree], "same", b"changed", owner=None)
        assert (tree / "src" / "a.ts").read_text() == "a"

    def test_missing_directories_are_made_and_nothing_else_is_left(self, tree: Path) -> None:
        write_file([tree], "new/deep/file", b"x", owner=None)
        assert (tree / "new/deep/file").read_bytes() == b"x"
        assert os.listdir(tree / "new/deep") == ["file"]


@pytest.mark.parametrize("path", ["", ".", "/", "/etc/passwd", "..", "a/../../b", "a\0b"])
def test_a_path_that_is_none_or_leaves_the_workspace_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        split_path(path)


@given(st.text(alphabet="ab./\0", max_size=12))
def test_an_accepted_path_has_only_real_names(path: str) -> None:
    try:
        parts = split_path(path)
    except InvalidInput:
        return
    assert parts
    assert not {"", ".", ".."} & set(parts)
    assert os.path.normpath(path) == "/".join(parts)


NAMES = ("a", "b", "d", "d/a", "d/b", "d/e/a", "e", "e/a")
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["inside", "outside", "outside", "below"]),
        st.sampled_from(["echo {n} > {p}", "rm -rf {p}", "mkdir -p {p}", "rm -rf {p}; mkdir {p}", "mv d f; mv f {p}"]),
        st.sampled_from(NAMES),
    ),
    min_size=1,
    max_size=8,
)


@pytest.mark.sandbox
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS)
def test_host_and_kernel_see_the_same_files(
    bubblewrap: BubblewrapSandbox, home: Path, operations: list[tuple[str, str, str]]
) -> None:
    """Whatever commands and the host do in two stacked branches, both read the same afterwards."""
    base = create_workspace(home / os.urandom(8).hex(), None, owner=bubblewrap.owner)
    base.write("a", b"base a")
    base.write("d/a", b"base d/a")
    base.write("d/e/a", b"base d/e/a")
    base.seal()
    lower: OverlayWorkspace = base.branch("lower")
    branch: OverlayWorkspace | None = None
    for number, (where, script, path) in enumerate(operations):
        if where == "below" and branch is None:
            target = lower
        else:
            branch = target = branch or lower.branch("upper")
        if where == "outside":
            try:
                target.write(path, f"host {number}\n".encode())
            except InvalidInput:
                continue
        else:
            bubblewrap.run(["sh", "-c", f"({script.format(n=number, p=path)}) 2>/dev/null"], workspace=target)
    branch = branch or lower.branch("upper")
    show = "; ".join(f'test -f {name} && echo "{name}=$(cat {name})"' for name in NAMES)
    inside = bubblewrap.run(["sh", "-c", show], workspace=branch).output.splitlines()
    found = {name: branch.read(name) for name in NAMES}
    assert inside == [f"{name}={data.decode().strip()}" for name, data in found.items() if data is not None]
    assert (base.read("a"), base.read("d/a"), base.read("d/e/a")) == (b"base a", b"base d/a", b"base d/e/a")
    base.discard()

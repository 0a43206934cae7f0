"""Workspaces: branches cannot change what they come from, and nothing of them stays."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import InvalidInput, SandboxFailure
from selfopt_pipelines.sandbox.base import SandboxUser
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, closed_ancestor, create_workspace, open_workspace


@pytest.fixture(params=["overlay", "copy"])
def sealed(request: pytest.FixtureRequest, home: Path, bubblewrap: BubblewrapSandbox) -> OverlayWorkspace:
    """A sealed base with two files, in both ways to branch."""
    if request.param == "overlay" and not bubblewrap.overlay_works(home):
        pytest.skip("overlays cannot be mounted here")
    workspace = create_workspace(home / "ws", None, owner=bubblewrap.owner, overlay=request.param == "overlay")
    workspace.write("kept.txt", b"kept")
    workspace.write("src/changed.txt", b"original")
    workspace.seal()
    return workspace


def shell(bubblewrap: BubblewrapSandbox, workspace: OverlayWorkspace, script: str) -> str:
    return bubblewrap.run(["sh", "-c", script], workspace=workspace).output


@pytest.mark.sandbox
class TestBranches:
    def test_a_branch_changes_nothing_but_itself(self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace) -> None:
        one, two = sealed.branch("one"), sealed.branch("two")
        shell(bubblewrap, one, "echo more >> src/changed.txt; rm kept.txt; mv src moved; echo new > new.txt")
        assert one.read("moved/changed.txt") == b"originalmore\n"
        assert (one.read("kept.txt"), one.read("src/changed.txt"), one.read("new.txt")) == (None, None, b"new\n")
        for other in (sealed, two):
            assert (other.read("kept.txt"), other.read("src/changed.txt")) == (b"kept", b"original")
            assert other.read("new.txt") is None

    def test_the_host_writes_to_a_branch_what_its_commands_see(
        self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace
    ) -> None:
        branch = sealed.branch("patched")
        branch.write("src/changed.txt", b"patched")
        branch.write("src/deep/er/new.txt", b"new")
        assert (
            shell(bubblewrap, branch, "cat src/changed.txt src/deep/er/new.txt; ls src")
            == "patchednewchanged.txt\ndeep\n"
        )
        assert shell(bubblewrap, branch, "echo x >> src/changed.txt; touch src/deep/y && echo ok") == "ok\n"
        assert sealed.read("src/changed.txt") == b"original"

    def test_a_directory_that_was_removed_comes_back_empty(
        self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace
    ) -> None:
        branch = sealed.branch("emptied")
        shell(bubblewrap, branch, "rm -rf src")
        branch.write("src/other.txt", b"other")
        assert shell(bubblewrap, branch, "ls src") == "other.txt\n"
        assert branch.read("src/changed.txt") is None

    def test_a_branch_of_a_branch_sees_both_and_freezes_its_parent(
        self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace
    ) -> None:
        parent = sealed.branch("parent")
        shell(bubblewrap, parent, "echo p > parent.txt; rm kept.txt")
        child = parent.branch("child")
        shell(bubblewrap, child, "echo c > child.txt; echo pp > parent.txt")
        assert (child.read("parent.txt"), child.read("kept.txt")) == (b"pp\n", None)
        assert (parent.read("parent.txt"), parent.read("child.txt")) == (b"p\n", None)
        assert "Read-only" in shell(bubblewrap, parent, "touch x")
        with pytest.raises(InvalidInput, match="sealed"):
            parent.write("x", b"")

    def test_a_clone_has_the_same_content_and_its_own_life(
        self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace
    ) -> None:
        branch = sealed.branch("first")
        shell(bubblewrap, branch, "rm kept.txt; rm -r src; mkdir src; echo built > src/out.js; ln -s src link")
        clone = branch.clone("second")
        look = "ls -R; cat src/out.js; readlink link"
        assert shell(bubblewrap, clone, look) == shell(bubblewrap, branch, look)
        shell(bubblewrap, clone, "echo changed > src/out.js")
        branch.write("src/host.js", b"")
        assert (branch.read("src/out.js"), clone.read("src/host.js")) == (b"built\n", None)

    def test_a_sealed_base_is_read_only_for_commands_and_host(
        self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace
    ) -> None:
        assert "Read-only" in shell(bubblewrap, sealed, "touch x")
        with pytest.raises(InvalidInput, match="sealed"):
            sealed.write("x", b"")

    def test_discarding_removes_whatever_a_command_left(
        self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace
    ) -> None:
        branch = sealed.branch("messy")
        shell(bubblewrap, branch, "mkdir -p locked/in; touch locked/in/f; chmod 000 locked; mkfifo pipe; ln -s / root")
        shell(bubblewrap, branch, "i=0; while [ $i -lt 1500 ]; do mkdir d; cd d || exit; i=$((i+1)); done")
        branch.discard()
        branch.discard()
        assert os.listdir(sealed.directory / "branches") == []
        with pytest.raises(SandboxFailure, match="discarded"):
            bubblewrap.run(["true"], workspace=branch)
        assert sealed.branch("messy").read("kept.txt") == b"kept"

    def test_a_name_is_used_once_at_a_time_and_is_a_plain_name(self, sealed: OverlayWorkspace) -> None:
        branch = sealed.branch("taken")
        with pytest.raises(InvalidInput, match="in use"):
            sealed.branch("taken")
        branch.discard()
        sealed.branch("taken")
        for name in ("", ".", "..", "a/b", "-x", "a\0", "x" * 200):
            with pytest.raises(InvalidInput):
                sealed.branch(name)

    def test_branches_are_made_in_milliseconds(self, sealed: OverlayWorkspace) -> None:
        if not sealed.overlay:
            pytest.skip("copies take as long as their content")
        sealed.branch("warm")
        started = time.perf_counter()
        for number in range(10):
            sealed.branch(f"b{number}")
        assert (time.perf_counter() - started) / 10 < 0.01

    def test_a_chain_of_branches_is_refused_before_the_kernel_would(
        self, bubblewrap: BubblewrapSandbox, sealed: OverlayWorkspace
    ) -> None:
        if not sealed.overlay:
            pytest.skip("copies have no layers")
        chain = [sealed]
        with contextlib.suppress(InvalidInput):
            for number in range(200):
                chain.append(chain[-1].branch(f"b{number}"))
        with pytest.raises(InvalidInput, match="too many branches"):
            chain[-1].branch("one-more")
        assert len(chain) > 10
        assert shell(bubblewrap, chain[-1], "cat kept.txt; touch x && echo written") == "keptwritten\n"


class TestBase:
    def test_it_holds_a_copy_of_a_tree_owned_by_the_account(
        self, home: Path, bubblewrap: BubblewrapSandbox, tmp_path: Path
    ) -> None:
        (tmp_path / "tree" / "src").mkdir(parents=True, mode=0o700)
        (tmp_path / "tree" / "src" / "a").write_text("a")
        (tmp_path / "tree" / "src" / "link").symlink_to("/etc/passwd")
        workspace = create_workspace(home / "ws", tmp_path / "tree", owner=bubblewrap.owner)
        assert workspace.read("src/a") == b"a"
        for name in ("", "src", "src/a", "src/link"):
            assert (workspace.directory / "base" / name).lstat().st_uid == bubblewrap.owner.uid
        assert os.stat("/etc/passwd").st_uid == 0

    @pytest.mark.sandbox
    def test_commands_write_it_until_it_is_sealed(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        with pytest.raises(InvalidInput, match="sealed before"):
            base.branch("early")
        shell(bubblewrap, base, "mkdir node_modules; echo x > node_modules/x")
        base.seal()
        base.seal()
        assert base.branch("later").read("node_modules/x") == b"x\n"

    def test_it_can_be_opened_again_as_it_was_sealed(self, base: OverlayWorkspace) -> None:
        base.write("a", b"1")
        with pytest.raises(SandboxFailure, match="no finished workspace"):
            open_workspace(base.directory)
        base.seal()
        again = open_workspace(base.directory)
        assert again.read("a") == b"1"
        assert again.branch("b").read("a") == b"1"
        with pytest.raises(InvalidInput, match="sealed"):
            again.write("a", b"2")

    @pytest.mark.parametrize("change", ["grow", "touch", "add", "remove", "mode", "replace"])
    def test_a_change_after_sealing_is_noticed(self, base: OverlayWorkspace, change: str) -> None:
        base.write("d/a", b"1")
        base.seal()
        file = base.directory / "base" / "d" / "a"
        {
            "grow": lambda: file.write_bytes(b"12"),
            "touch": lambda: os.utime(file, ns=(0, 0)),
            "add": (file.parent / "b").mkdir,
            "remove": file.unlink,
            "mode": lambda: file.chmod(0o755),
            "replace": lambda: (file.unlink(), file.symlink_to("x")),
        }[change]()
        with pytest.raises(SandboxFailure, match="was changed"):
            open_workspace(base.directory)

    @pytest.mark.parametrize("seal", ["", "{}", "[]", '{"uid": "x"}', "\xff"])
    def test_a_damaged_seal_is_no_seal(self, base: OverlayWorkspace, seal: str) -> None:
        base.seal()
        (base.directory / "sealed.json").write_text(seal, encoding="latin-1")
        with pytest.raises(SandboxFailure, match="no finished workspace"):
            open_workspace(base.directory)

    def test_there_is_none_where_nothing_is(self, home: Path) -> None:
        with pytest.raises(SandboxFailure, match="no finished workspace"):
            open_workspace(home / "nowhere")

    def test_an_interrupted_preparation_is_begun_anew_and_a_finished_one_is_not_overwritten(
        self, home: Path, bubblewrap: BubblewrapSandbox
    ) -> None:
        first = create_workspace(home / "ws", None, owner=bubblewrap.owner)
        first.write("half", b"")
        with pytest.raises(SandboxFailure, match="another run"):
            create_workspace(home / "ws", None, owner=bubblewrap.owner)
        del first
        second = create_workspace(home / "ws", None, owner=bubblewrap.owner)
        assert second.read("half") is None
        second.seal()
        del second
        with pytest.raises(InvalidInput, match="exists already"):
            create_workspace(home / "ws", None, owner=bubblewrap.owner)

    def test_it_is_not_removed_under_another_user_of_it(self, base: OverlayWorkspace) -> None:
        base.seal()
        other = open_workspace(base.directory)
        with pytest.raises(SandboxFailure, match="used by another run"):
            base.discard()
        del other
        base.discard()
        assert not base.directory.exists()

    def test_branches_of_a_killed_process_are_removed_when_it_is_opened(self, base: OverlayWorkspace) -> None:
        base.write("a", b"1")
        base.seal()
        script = (
            "import os, sys; from pathlib import Path; from selfopt_pipelines.sandbox.workspace import open_workspace;"
            "ws = open_workspace(Path(sys.argv[1])); b = ws.branch('left'); b.write('x', b''); os.kill(os.getpid(), 9)"
        )
        subprocess.run([sys.executable, "-c", script, str(base.directory)], check=False)
        mine = base.branch("mine")
        assert sorted(os.listdir(base.directory / "branches")) == ["left", "mine"]
        again = open_workspace(base.directory)
        assert os.listdir(base.directory / "branches") == ["mine"]
        assert mine.read("a") == again.read("a") == b"1"

    def test_the_name_of_a_branch_of_a_killed_process_is_free(self, base: OverlayWorkspace) -> None:
        base.seal()
        left = base.branch("left")
        left.write("x", b"")
        del left
        assert base.branch("left").read("x") is None

    @pytest.mark.skipif(os.geteuid() != 0, reason="root only")
    def test_a_place_that_the_account_cannot_reach_is_refused(self, home: Path, bubblewrap: BubblewrapSandbox) -> None:
        (home / "closed").mkdir(mode=0o700)
        with pytest.raises(SandboxFailure, match=f"cannot enter {home}/closed"):
            create_workspace(home / "closed" / "ws", None, owner=bubblewrap.owner)


@pytest.mark.parametrize(("mode", "closed"), [(0o711, False), (0o701, False), (0o710, True), (0o700, True)])
def test_a_directory_is_open_to_others_by_its_last_bit(home: Path, mode: int, closed: bool) -> None:
    place = home / "place"
    place.mkdir()
    place.chmod(mode)
    stranger = SandboxUser(20002, 20002)
    assert closed_ancestor(place, stranger) == (place if closed else None)

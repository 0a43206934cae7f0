"""The tree of one commit, whatever the repository tries."""

import datetime as dt
import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.sandbox.checkout import checkout, resolve_head
from selfopt_pipelines.sandbox.directory_tree import DirectoryTree
from selfopt_pipelines.sandbox.source import parse_source
from selfopt_pipelines.sandbox.tree_export import ExportCaps, stays_inside

COMMITTED = "2026-03-04T05:06:07+02:00"


class Repo:
    """A Git repository to try things on."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main", *options, ".")

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        identity = {
            f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        env = {**os.environ, **identity, "GIT_COMMITTER_DATE": COMMITTED, "GIT_CONFIG_GLOBAL": "/dev/null"}
        done = subprocess.run(["git", *arguments], cwd=self.path, env=env, input=stdin, capture_output=True, check=True)
        return done.stdout.decode().strip()

    def write(self, path: str, content: str = "x\n") -> Path:
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(content)
        return self.path / path

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--no-verify", "--allow-empty", "-m", "change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return Repo(tmp_path / "repo")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def export(repo: Repo, cache: Path, *, ref: str | None = None, below: str = ".", caps: ExportCaps | None = None):
    destination = cache.parent / f"out-{len(list(cache.parent.iterdir()))}"
    return checkout(
        parse_source(str(repo.path / below)), ref=ref, cache_dir=cache, destination=destination, export_caps=caps
    )


def snapshot(directory: Path) -> dict[str, str]:
    """Every file below a directory with mode, time and content."""
    found = {}
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() and not path.is_symlink() else ""
        found[str(path)] = f"{status.st_mode:o} {status.st_mtime_ns} {content}"
    return found


def test_a_checkout_is_the_last_commit_without_history(repo: Repo, cache: Path) -> None:
    repo.write("package.json", "{}")
    repo.write("bin/run.sh", "#!/bin/sh\n").chmod(0o755)
    first = repo.commit()
    repo.write("package.json", '{"name":"new"}')
    second = repo.commit()
    result = export(repo, cache)
    assert result.sha == second == resolve_head(parse_source(str(repo.path)), cache_dir=cache)
    assert result.default_branch == "main"
    assert result.committed_at == dt.datetime(2026, 3, 4, 3, 6, 7, tzinfo=dt.UTC)
    assert not result.dirty
    assert result.notes == ()
    assert sorted(str(path.relative_to(result.path)) for path in result.path.rglob("*")) == [
        "bin",
        "bin/run.sh",
        "package.json",
    ]
    assert (result.path / "package.json").read_text() == '{"name":"new"}'
    assert stat.S_IMODE((result.path / "bin/run.sh").stat().st_mode) == 0o755
    assert (result.path / "package.json").stat().st_mtime == result.committed_at.timestamp()
    assert export(repo, cache, ref=first).sha == first


def test_branches_and_tags_can_be_named(repo: Repo, cache: Path) -> None:
    repo.write("a", "1")
    first = repo.commit()
    repo.git("tag", "light")
    repo.git("tag", "-a", "-m", "annotated", "v1")
    repo.git("branch", "feature/x")
    repo.write("a", "2")
    repo.commit()
    for pack in (False, True):
        if pack:
            repo.git("pack-refs", "--all")
        for ref in ("light", "v1", "feature/x"):
            result = export(repo, cache, ref=ref)
            assert result.sha == first
            assert (result.path / "a").read_text() == "1"
    for ref in ("nowhere", "../../HEAD", "-x", "main..light", "f" * 40):
        with pytest.raises(InvalidInput):
            export(repo, cache, ref=ref)


def test_a_directory_of_a_repository_is_exported_alone(repo: Repo, cache: Path) -> None:
    repo.write("package.json")
    repo.write("examples/api/package.json", "{}")
    repo.write("examples/api/src/index.ts")
    sha = repo.commit()
    repo.write("package.json", "changed elsewhere")
    result = export(repo, cache, below="examples/api")
    assert result.sha == sha
    assert DirectoryTree(result.path).paths() == ["package.json", "src/index.ts"]
    assert not result.dirty
    repo.write("examples/api/new.ts")
    assert export(repo, cache, below="examples/api").dirty


def test_a_directory_that_is_not_committed_is_refused(repo: Repo, cache: Path) -> None:
    repo.write("a")
    repo.commit()
    (repo.path / "new").mkdir()
    with pytest.raises(InvalidInput, match="not in the commit"):
        export(repo, cache, below="new")


def test_every_kind_of_uncommitted_change_makes_it_dirty_and_stays_out(repo: Repo, cache: Path) -> None:
    repo.write(".gitignore", "ignored\n")
    repo.write("a", "old")
    repo.write("b", "old")
    repo.commit()
    repo.write("ignored")
    assert not export(repo, cache).dirty
    repo.write("a", "new")
    result = export(repo, cache)
    assert result.dirty
    assert (result.path / "a").read_text() == "old"
    repo.git("checkout", "a")
    assert not export(repo, cache).dirty
    (repo.path / "b").unlink()
    assert export(repo, cache).dirty
    repo.git("checkout", "b")
    repo.write("untracked")
    assert export(repo, cache).dirty
    repo.git("add", "untracked")
    assert export(repo, cache).dirty


def test_worktrees_bare_and_detached_repositories_are_understood(repo: Repo, cache: Path) -> None:
    repo.write("a", "main")
    first = repo.commit()
    repo.git("worktree", "add", "-q", "-b", "other", "../tree")
    tree = Repo.__new__(Repo)
    tree.path = repo.path.parent / "tree"
    tree.write("a", "other")
    other = tree.commit()
    result = export(tree, cache)
    assert (result.sha, result.default_branch) == (other, "other")
    subprocess.run(["git", "clone", "-q", "--bare", str(repo.path), str(repo.path.parent / "bare.git")], check=True)
    bare = Repo.__new__(Repo)
    bare.path = repo.path.parent / "bare.git"
    assert export(bare, cache).sha == first
    repo.git("checkout", "-q", "--detach")
    detached = export(repo, cache)
    assert (detached.sha, detached.default_branch) == (first, None)


def test_repositories_with_sha256_names_work(tmp_path: Path, cache: Path) -> None:
    repo = Repo(tmp_path / "repo", "--object-format=sha256")
    repo.write("a")
    sha = repo.commit()
    assert len(sha) == 64
    assert export(repo, cache).sha == sha


def test_a_repository_without_a_commit_is_refused(repo: Repo, cache: Path) -> None:
    with pytest.raises(InvalidInput, match="no commit yet"):
        resolve_head(parse_source(str(repo.path)), cache_dir=cache)
    with pytest.raises(InvalidInput, match="no commit yet"):
        export(repo, cache)


def test_nothing_that_the_repository_configures_runs_and_nothing_is_written_to_it(
    repo: Repo, cache: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    payload = tmp_path / "payload.sh"
    payload.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n")
    payload.chmod(0o755)
    repo.write("a.txt", "$Format:%H$\n$Id$\n")
    repo.write(
        ".gitattributes", "*.txt filter=evil diff=evil merge=evil export-subst ident eol=crlf\nhidden export-ignore\n"
    )
    repo.write("hidden")
    repo.write("-evil")
    repo.commit()
    repo.git("checkout", "-q", ".")
    for hook in ("post-checkout", "pre-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
        (repo.path / ".git" / "hooks" / hook).symlink_to(payload)
    for key in (
        *("core.fsmonitor", "core.sshCommand", "core.pager", "core.editor", "core.alternateRefsCommand"),
        *("filter.evil.smudge", "filter.evil.clean", "filter.evil.process", "diff.evil.command", "diff.evil.textconv"),
        *("uploadpack.packObjectsHook", "remote.origin.uploadpack", "credential.helper", "diff.external", "gc.auto"),
    ):
        repo.git("config", key, str(payload))
    repo.git("config", "remote.origin.url", f"ext::{payload}")
    repo.git("config", "remote.origin.promisor", "true")
    repo.git("config", "protocol.ext.allow", "always")
    repo.git("config", "core.worktree", "/etc")
    # A changed file with the same size, so that Git must look into it (and would run the clean filter).
    os.utime(repo.write("a.txt", "$Format:%h$\n$Id$\n"))
    before = snapshot(repo.path)
    result = export(repo, cache)
    assert snapshot(repo.path) == before
    assert not marker.exists()
    assert result.dirty
    assert (result.path / "a.txt").read_bytes() == b"$Format:%H$\n$Id$\n"
    assert (result.path / "hidden").exists()


def test_repositories_of_another_user_work(repo: Repo, cache: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files away")
    repo.write("sub/a")
    sha = repo.commit()
    subprocess.run(["chown", "-R", "64999:64999", str(repo.path)], check=True)
    result = export(repo, cache, below="sub")
    assert (result.sha, result.dirty) == (sha, False)


def test_links_that_leave_the_tree_are_left_out(repo: Repo, cache: Path) -> None:
    repo.write("real/file")
    repo.write("sub/file")
    for name, target in {
        "good": "real/file",
        "sub/up": "../real/file",
        "here": ".",
        "absolute": "/etc/passwd",
        "above": "../outside",
        "sub/above": "../../outside",
        "sneaky": "here/../../outside",
        "git": ".git/config",
    }.items():
        (repo.path / name).symlink_to(target)
    repo.commit()
    result = export(repo, cache)
    links = sorted(str(path.relative_to(result.path)) for path in result.path.rglob("*") if path.is_symlink())
    assert links == ["good", "here", "sub/up"]
    assert result.notes == ("5 symbolic link(s) that lead out of the tree left out",)


@given(
    links=st.dictionaries(
        st.sampled_from(["l1", "l2", "l3", "d/m1", "d/e/n1"]),
        st.lists(st.sampled_from(["..", ".", "", "d", "e", "l1", "l2", "l3", "m1", "n1", "x"]), min_size=1, max_size=5),
    )
)
def test_no_combination_of_accepted_links_leaves_the_tree(links: dict[str, list[str]]) -> None:
    accepted = {path: parts for path, parts in links.items() if stays_inside(path, "/".join(parts))}
    real = {"", "d", "d/e"}

    def walk(place: list[str], parts: list[str], budget: int) -> None:
        """Follow a path as the kernel does; fails where it goes above the root."""
        for index, part in enumerate(parts):
            if part in ("", "."):
                continue
            if part == "..":
                assert place, "left the tree"
                place = place[:-1]
                continue
            there = "/".join([*place, part])
            if there in accepted:
                if budget:
                    walk(place, [*accepted[there], *parts[index + 1 :]], budget - 1)
                return
            if there not in real:
                return
            place = [*place, part]

    for path in accepted:
        walk([], path.split("/"), 8)


def test_submodules_and_lfs_pointers_are_left_as_they_are(repo: Repo, cache: Path) -> None:
    repo.write("model.bin", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    repo.write("a")
    sha = repo.commit()
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{sha},vendor/lib")
    repo.git("commit", "-q", "-m", "submodule")
    result = export(repo, cache)
    assert result.notes == ("1 submodule(s) left empty", "1 Git LFS pointer(s) left as they are")
    assert (result.path / "vendor/lib").is_dir()
    assert (result.path / "model.bin").read_text().startswith("version")


def _tree(*entries: tuple[str, str, bytes]) -> bytes:
    return b"".join(f"{mode} {name}".encode() + b"\0" + object_id for mode, name, object_id in entries)


@pytest.mark.parametrize("name", ["..", ".", ".git", ".GIT", "a/b", ""])
def test_trees_with_names_that_no_work_tree_may_have_are_refused(repo: Repo, cache: Path, name: str) -> None:
    blob = bytes.fromhex(repo.git("hash-object", "-w", "--stdin", stdin=b"pwned"))
    inner = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=_tree(("100644", "x", blob)))
    raw = _tree(("40000", name, bytes.fromhex(inner)), ("100644", "z", blob))
    outer = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    commit = repo.git("commit-tree", "-m", "evil", outer)
    repo.git("update-ref", "refs/heads/main", commit)
    if name == "a/b":  # reads like a directory and cannot leave the tree
        assert export(repo, cache).path.is_dir()
        return
    with pytest.raises(InvalidInput):
        export(repo, cache)


def test_a_link_cannot_stand_where_a_directory_belongs(repo: Repo, cache: Path, tmp_path: Path) -> None:
    blob = bytes.fromhex(repo.git("hash-object", "-w", "--stdin", stdin=b"pwned"))
    target = bytes.fromhex(repo.git("hash-object", "-w", "--stdin", stdin=b"."))
    inner = bytes.fromhex(repo.git("hash-object", "-t", "tree", "-w", "--stdin", stdin=_tree(("100644", "x", blob))))
    raw = _tree(("120000", "a", target), ("40000", "a", inner))
    outer = repo.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", "-m", "evil", outer))
    result = export(repo, cache)
    assert (result.path / "a/x").read_bytes() == b"pwned"
    assert not (result.path / "a").is_symlink()
    assert result.notes


def test_trees_over_the_caps_are_refused_before_anything_is_written(repo: Repo, cache: Path) -> None:
    for name in "abc":
        repo.write(name, "x" * 100)
    repo.commit()
    for caps in (ExportCaps(files=2), ExportCaps(bytes=250)):
        with pytest.raises(InvalidInput):
            export(repo, cache, caps=caps)
    assert [path.name for path in cache.parent.iterdir()] == ["repo", "cache"] or not list(cache.parent.glob("out-*"))


def test_missing_objects_are_told_apart(repo: Repo, cache: Path) -> None:
    repo.write("a", "content")
    repo.commit()
    object_id = repo.git("rev-parse", "HEAD:a")
    (repo.path / ".git" / "objects" / object_id[:2] / object_id[2:]).unlink()
    with pytest.raises(InvalidInput, match="incomplete"):
        export(repo, cache)
    assert not list(cache.parent.glob("out-*"))
    assert not list(cache.parent.glob(".checkout-*"))


def test_a_directory_that_holds_something_is_not_overwritten(repo: Repo, cache: Path, tmp_path: Path) -> None:
    repo.write("a")
    repo.commit()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(InvalidInput, match="not empty"):
        checkout(parse_source(str(repo.path)), ref=None, cache_dir=cache, destination=tmp_path / "full")

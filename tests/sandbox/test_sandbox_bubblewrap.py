"""What a command can see, reach and do inside."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from selfopt_pipelines.domain.errors import InvalidInput, SandboxFailure
from selfopt_pipelines.domain.execution import Network
from selfopt_pipelines.sandbox.base import Mount, SandboxUser, Toolchain, Workspace
from selfopt_pipelines.sandbox.bubblewrap import ROOT_RUNS_AS, BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.process import become
from selfopt_pipelines.sandbox.workspace import OverlayWorkspace, closed_ancestor

pytestmark = pytest.mark.sandbox
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="root only")


def output(bubblewrap: BubblewrapSandbox, workspace: OverlayWorkspace, script: str) -> str:
    execution = bubblewrap.run(["sh", "-c", script], workspace=workspace)
    return execution.output.strip()


def node(bubblewrap: BubblewrapSandbox, workspace: OverlayWorkspace, script: str) -> str:
    return bubblewrap.run(["node", "-e", script], workspace=workspace).output.strip()


class TestWhatIsVisible:
    def test_only_the_system_and_the_workspace(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        seen = set(output(bubblewrap, base, "ls -A /").split())
        assert seen <= {"bin", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "proc", "sbin"} | {
            "tmp",
            "usr",
            "workspace",
        }
        assert output(bubblewrap, base, "ls -A /home /home/sandbox /tmp").split() == [
            "/home:",
            "sandbox",
            "/home/sandbox:",
            "/tmp:",
        ]

    def test_no_variable_of_ours_not_even_of_process_one(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "secret-of-the-host")
        everything = "env; for f in /proc/[0-9]*/environ; do tr '\\0' '\\n' < $f; done"
        seen = output(bubblewrap, base, everything)
        assert "HOME=/home/sandbox" in seen
        assert "secret-of-the-host" not in seen

    def test_no_process_and_no_path_of_this_machine(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        assert output(bubblewrap, base, "echo /proc/[0-9]*").split() == ["/proc/1", "/proc/2"]
        assert str(base.directory) not in output(bubblewrap, base, "cat /proc/*/cmdline /proc/mounts | tr '\\0' ' '")

    def test_an_unprivileged_name_of_its_own(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        assert output(bubblewrap, base, "id -un; id -u; hostname") == "sandbox\n1000\nsandbox"

    def test_no_descriptor_but_the_three(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        assert output(bubblewrap, base, "ls /proc/$$/fd").split() == ["0", "1", "2"]

    def test_the_toolchain_comes_before_the_system(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace, home: Path
    ) -> None:
        program = home / "tools" / "hello"
        program.parent.mkdir(mode=0o755)
        program.write_text("#!/bin/sh\necho $GREETING\n")
        program.chmod(0o755)
        toolchain = Toolchain(
            node_version="1",
            package_manager="npm",
            mounts=(Mount(program.parent, "/opt/tools"),),
            path=("/opt/tools",),
            env={"GREETING": "hi"},
        )
        sandbox = BubblewrapSandbox(toolchain, bwrap=find_bwrap())
        assert output(sandbox, base, "hello; touch /opt/tools/x").splitlines()[0] == "hi"
        assert not (program.parent / "x").exists()


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "path", ["/usr/x", "/etc/x", "/x", "/dev/x", "/proc/sys/kernel/core_pattern", "/etc/passwd", "/home/x"]
    )
    def test_writing_outside_workspace_home_and_tmp(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace, path: str
    ) -> None:
        assert output(bubblewrap, base, f"(: >> {path}) 2>/dev/null && echo written || echo refused") == "refused"

    def test_capabilities_and_namespaces(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        status = output(bubblewrap, base, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status")
        fields = dict(line.split(":\t") for line in status.splitlines())
        assert {fields[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
        assert (fields["NoNewPrivs"], fields["Seccomp"]) == ("1", "2" if bubblewrap.filters_calls else "0")
        assert output(bubblewrap, base, "unshare --user true 2>/dev/null && echo made || echo refused") == "refused"

    @as_root
    def test_running_as_user_0_of_this_machine(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        assert bubblewrap.owner == ROOT_RUNS_AS
        output(bubblewrap, base, "touch mine")
        assert (base.directory / "base" / "mine").stat().st_uid == ROOT_RUNS_AS.uid
        with pytest.raises(SandboxFailure, match="root"):
            BubblewrapSandbox(bubblewrap.toolchain, bwrap=find_bwrap(), user=SandboxUser(0, 0))

    @as_root
    def test_running_as_user_0_where_setpriv_is_missing(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        launcher, found = find_bwrap(), shutil.which
        monkeypatch.setattr(shutil, "which", lambda name, **where: found(name, **where) if name != "setpriv" else None)
        sandbox = BubblewrapSandbox(bubblewrap.toolchain, bwrap=launcher)
        output(sandbox, base, "touch mine")
        assert (base.directory / "base" / "mine").stat().st_uid == ROOT_RUNS_AS.uid

    def test_servers_of_this_machine(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        connect = "require('net').connect({0}).on('connect',()=>console.log('in')).on('error',e=>console.log(e.code))"
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            assert node(bubblewrap, base, connect.format(f"{port},'127.0.0.1'")) == "ECONNREFUSED"
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("\0selfopt-test-abstract")
            server.listen()
            abstract = node(bubblewrap, base, connect.format("'\\0selfopt-test-abstract'"))
        assert abstract in ("ECONNREFUSED", "EINVAL")

    def test_names_are_not_resolved(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        lookup = "require('dns').lookup('example.com',(e,a)=>console.log(e?e.code:a))"
        assert node(bubblewrap, base, lookup) in ("EAI_AGAIN", "ENOTFOUND")


class TestWhatWorks:
    def test_the_workspace_home_and_tmp_are_writable(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        assert output(bubblewrap, base, "touch a ~/b /tmp/c /dev/shm/d && pwd") == "/workspace"
        assert output(bubblewrap, base, "ls ~ /tmp /dev/shm; ls").split() == [
            "/dev/shm:",
            "/home/sandbox:",
            "/tmp:",
            "a",
        ]

    def test_a_working_directory_and_variables_of_the_caller(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        base.write("packages/api/x", b"")
        execution = bubblewrap.run(
            ["sh", "-c", "pwd; echo $TZ $MINE"],
            workspace=base,
            cwd="packages/api",
            env={"TZ": "Asia/Tokyo", "MINE": "a b\n$c"},
        )
        assert execution.output == "/workspace/packages/api\nAsia/Tokyo a b $c\n"
        assert (execution.argv[0], execution.cwd) == ("sh", "packages/api")

    def test_loopback_servers_worker_threads_and_child_processes_of_node(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        script = """
          const { execFileSync } = require('child_process'), { Worker } = require('worker_threads');
          const http = require('http'), os = require('os');
          const server = http.createServer((_, response) => response.end('served'));
          const work = () => new Worker("require('worker_threads').parentPort.postMessage('thread')", { eval: true });
          server.listen(0, '127.0.0.1', () => http.get({ port: server.address().port }, (response) => {
            response.on('data', (data) => {
              const child = String(execFileSync('echo', ['child'])).trim();
              console.log(String(data), child, os.networkInterfaces().lo.length);
              work().on('message', (message) => { console.log(message); server.close(); });
            });
          }));
        """
        assert node(bubblewrap, base, script) == "served child 2\nthread"

    def test_npm_runs_a_script(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        base.write("package.json", b'{"name":"x","version":"1.0.0","scripts":{"build":"node -p 6*7 > out.txt"}}')
        assert bubblewrap.run(["npm", "run", "build"], workspace=base).ok
        assert base.read("out.txt") == b"42\n"


class TestNetwork:
    def test_registries_need_a_way_out(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        with pytest.raises(SandboxFailure, match="registries"):
            bubblewrap.run(["true"], workspace=base, network=Network.REGISTRIES)

    def test_the_way_out_is_attached_before_the_command_starts_and_until_it_has_ended(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        class Door:
            events: list[str]
            namespace = ""

            def __init__(self) -> None:
                self.events = []

            def env(self) -> Mapping[str, str]:
                return {"HTTPS_PROXY": "http://127.0.0.1:3128"}

            @contextmanager
            def attach(self, child_pid: int) -> Iterator[None]:
                self.namespace = os.readlink(f"/proc/{child_pid}/ns/net")
                self.events.append("open" if base.read("proof") is None else "too late")
                yield
                self.events.append("closed" if base.read("proof") else "too early")

        door = Door()
        sandbox = BubblewrapSandbox(bubblewrap.toolchain, bwrap=find_bwrap(), egress=door)
        script = "echo $HTTPS_PROXY > proof; readlink /proc/self/ns/net"
        execution = sandbox.run(["sh", "-c", script], workspace=base, network=Network.REGISTRIES)
        assert door.events == ["open", "closed"]
        assert execution.output.strip() == door.namespace != os.readlink("/proc/self/ns/net")
        assert base.read("proof") == b"http://127.0.0.1:3128\n"
        assert sandbox.run(["sh", "-c", "echo .$HTTPS_PROXY."], workspace=base).output == "..\n"
        assert door.events == ["open", "closed"]

    def test_a_way_out_that_cannot_be_opened_starts_nothing(
        self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace
    ) -> None:
        class Broken:
            def env(self) -> Mapping[str, str]:
                return {}

            @contextmanager
            def attach(self, child_pid: int) -> Iterator[None]:
                raise SandboxFailure("The proxy has no place.")
                yield

        sandbox = BubblewrapSandbox(bubblewrap.toolchain, bwrap=find_bwrap(), egress=Broken())
        with pytest.raises(SandboxFailure, match="no place"):
            sandbox.run(["touch", "proof"], workspace=base, network=Network.REGISTRIES)
        assert base.read("proof") is None


class TestMisuse:
    def test_a_command_is_a_list_of_words(self, bubblewrap: BubblewrapSandbox, base: OverlayWorkspace) -> None:
        with pytest.raises(InvalidInput):
            bubblewrap.run([], workspace=base)
        with pytest.raises(InvalidInput):
            bubblewrap.run(["a\0b"], workspace=base)

    def test_a_workspace_of_another_backend(self, bubblewrap: BubblewrapSandbox) -> None:
        class Other(Workspace):
            name = "other"

            def seal(self) -> None: ...

            def branch(self, name: str) -> "Workspace":
                return self

            def read(self, path: str, *, limit: int = 1) -> bytes | None:
                return None

            def write(self, path: str, content: bytes) -> None: ...

            def discard(self) -> None: ...

        with pytest.raises(SandboxFailure, match="other"):
            bubblewrap.run(["true"], workspace=Other())

    def test_a_launcher_that_is_not_there(self, bubblewrap: BubblewrapSandbox, tmp_path: Path) -> None:
        with pytest.raises(SandboxFailure, match="no bubblewrap"):
            BubblewrapSandbox(bubblewrap.toolchain, bwrap=tmp_path / "bwrap")

    @as_root
    def test_a_launcher_that_the_account_cannot_reach(self, bubblewrap: BubblewrapSandbox, home: Path) -> None:
        closed = home / "closed"
        closed.mkdir(mode=0o700)
        (closed / "bwrap").write_bytes(find_bwrap().read_bytes())
        with pytest.raises(SandboxFailure, match=f"cannot enter {closed}"):
            BubblewrapSandbox(bubblewrap.toolchain, bwrap=closed / "bwrap")


AS_ORDINARY_USER = """
import sys
from pathlib import Path
from selfopt_pipelines.sandbox.base import Toolchain
from selfopt_pipelines.sandbox.bubblewrap import BubblewrapSandbox, find_bwrap
from selfopt_pipelines.sandbox.selftest import probe
sandbox = BubblewrapSandbox(Toolchain(node_version="system", package_manager="npm"), bwrap=find_bwrap())
results = probe(sandbox, Path(sys.argv[1]))
print(sandbox.owner.uid, len(results), [result.sentence for result in results if not result.passed])
"""


@as_root
def test_an_ordinary_user_has_the_same_walls(home: Path) -> None:
    own = home / "ordinary"
    own.mkdir()
    os.chown(own, 20001, 20001)
    user = SandboxUser(20001, 20001)
    same_version = f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"
    for interpreter in (os.path.realpath(sys.executable), same_version):
        if Path(interpreter).exists() and closed_ancestor(Path(interpreter), user) is None:
            break
    else:
        pytest.skip("no interpreter that other users can reach")
    done = subprocess.run(
        [interpreter, "-c", AS_ORDINARY_USER, str(own)],
        **become(user),
        env={"PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)]), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "20001 10 []\n", done.stderr

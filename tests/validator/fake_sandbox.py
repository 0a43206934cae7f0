"""A sandbox that follows a script and a workspace held in memory, for rules that need no real command."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfopt_pipelines.domain.detection import Absent, Command, Commands
from selfopt_pipelines.domain.execution import Execution, Limits, Network
from selfopt_pipelines.domain.patch import FileChange, Patch
from selfopt_pipelines.sandbox.base import Sandbox, Workspace


class FakeWorkspace(Workspace):
    """Files by path; a branch copies them. `log` is shared by a whole family: what was branched and discarded."""

    def __init__(self, files: Mapping[str, bytes | str] = {}, name: str = "base", log: list[str] | None = None) -> None:
        self.name = name
        self.files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        self.log = log if log is not None else []
        self.sealed = False
        self.discarded = False

    def seal(self) -> None:
        self.sealed = True
        self.log.append(f"seal {self.name}")

    def branch(self, name: str) -> "FakeWorkspace":
        assert self.sealed or self.name != "base", "a base is sealed before it is branched"
        self.sealed = True
        self.log.append(f"branch {name}")
        return FakeWorkspace(self.files, name, self.log)

    def clone(self, name: str) -> "FakeWorkspace":
        self.log.append(f"clone {name}")
        return FakeWorkspace(self.files, name, self.log)

    def read(self, path: str, *, limit: int = 16_000_000) -> bytes | None:
        content = self.files.get(path)
        assert content is None or len(content) <= limit
        return content

    def write(self, path: str, content: bytes) -> None:
        assert not self.sealed, "a sealed workspace is not written"
        self.files[path] = content

    def discard(self) -> None:
        if not self.discarded:
            self.log.append(f"discard {self.name}")
        self.discarded = True


@dataclass(frozen=True)
class Call:
    argv: tuple[str, ...]
    workspace: str
    cwd: str
    network: Network
    limits: Limits
    env: dict[str, str]
    files: dict[str, bytes] = field(repr=False)


Answer = Execution | BaseException | Callable[[Call], Execution]


class FakeSandbox(Sandbox):
    """Answers by the first rule whose words all stand in the command; rules with several answers give one each time."""

    name = "fake"

    def __init__(self, rules: Mapping[str, Answer | Sequence[Answer]] | None = None) -> None:
        self.rules: dict[str, list[Answer]] = {
            words: list(answers) if isinstance(answers, Sequence) else [answers]
            for words, answers in (rules or {}).items()
        }
        self.calls: list[Call] = []

    @property
    def commands(self) -> list[str]:
        return [" ".join(call.argv) for call in self.calls]

    def run(
        self,
        command: Sequence[str],
        *,
        workspace: Workspace,
        cwd: str = ".",
        network: Network = Network.NONE,
        limits: Limits | None = None,
        env: Mapping[str, str] | None = None,
        log_path: Path | None = None,
        cancel: threading.Event | None = None,
    ) -> Execution:
        assert isinstance(workspace, FakeWorkspace)
        assert not workspace.discarded
        call = Call(
            tuple(command), workspace.name, cwd, network, limits or Limits(), dict(env or {}), dict(workspace.files)
        )
        self.calls.append(call)
        text = " ".join(command)
        for words, answers in self.rules.items():
            if all(word in text for word in words.split()):
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                if isinstance(answer, BaseException):
                    raise answer
                execution = answer(call) if callable(answer) else answer
                return execution.model_copy(update={"argv": tuple(command), "cwd": cwd})
        return ran().model_copy(update={"argv": tuple(command), "cwd": cwd})


def ran(output: str = "", **fields: Any) -> Execution:
    """An execution that ended well unless told otherwise."""
    given: dict[str, Any] = {"exit_code": 0, "wall_s": 1.0, "cpu_s": 0.5, "max_rss_bytes": 1000, **fields}
    return Execution(argv=("x",), cwd=".", output=output, **given)


def command(run: str, **fields: Any) -> Command:
    given: dict[str, Any] = {"origin": "script", "confidence": 0.9, **fields}
    return Command(run=run, argv=tuple(run.split()), **given)


def commands(**kinds: Command | Absent) -> Commands:
    nothing: dict[str, Command | Absent] = {
        kind: Absent(reason="no-script") for kind in ("install", "build", "test", "typecheck", "bench", "lint", "e2e")
    }
    return Commands(**{**nothing, **kinds})


def patch(path: str = "src/a.js", before: str = "const a = 1;\n", after: str = "const a = 2;\n") -> Patch:
    return Patch(
        author="template:test",
        title="A change",
        explanation="For the test.",
        changes=(FileChange(path=path, before=before, after=after),),
        diff=f"--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{before}+{after}",
    )

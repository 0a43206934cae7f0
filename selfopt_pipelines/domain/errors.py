"""Errors that a person can act on.

SelfOptError                 one sentence, and how to mend it
├── InvalidInput             what the user gave cannot be used (exit code 2)
├── CannotRun                the repository cannot be optimized here (exit code 1, run ends `failed`)
├── SandboxFailure           the sandbox itself failed, not the command inside it
├── StorageFailure           an artifact could not be written or read back
├── LedgerFailure            the ledger is unreachable or refuses a change
│   └── IllegalTransition    a run was asked to go where it cannot go from here
└── Interrupted              a person or the system asked the run to stop (run ends `paused` or `cancelled`)
"""


class SelfOptError(Exception):
    """A failure that is explained in one sentence.

    Parameters
    ----------
    message
        What went wrong, one sentence, in the user's words.
    hint
        How to mend it, one sentence; empty where nothing can be done.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InvalidInput(SelfOptError):
    """What the user gave cannot be used."""

    exit_code = 2


class CannotRun(SelfOptError):
    """The repository cannot be optimized on this machine; the run ends `failed` with this reason.

    Parameters
    ----------
    reason_code
        A stable kebab-case code (`no-package-json`, `install-failed`, `tests-red`, ...).
    """

    def __init__(self, message: str, hint: str = "", *, reason_code: str) -> None:
        super().__init__(message, hint)
        self.reason_code = reason_code


class SandboxFailure(SelfOptError):
    """The sandbox itself failed, not the command inside it."""


class StorageFailure(SelfOptError):
    """An artifact could not be written or read back."""


class LedgerFailure(SelfOptError):
    """The ledger is unreachable or refuses a change."""


class IllegalTransition(LedgerFailure):
    """A run was asked to go to a state it cannot reach from where it is."""


class Interrupted(SelfOptError):
    """A person or the system asked the run to stop."""

    exit_code = 130

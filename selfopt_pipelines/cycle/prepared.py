"""The sandbox and base tree of one process of a cycle."""

from dataclasses import dataclass

from selfopt_pipelines.cycle.metering import MeteredSandbox
from selfopt_pipelines.domain.baseline import CommandOutcome, Environment
from selfopt_pipelines.sandbox.base import Toolchain, Workspace
from selfopt_pipelines.validator.commands import CommandLimits
from selfopt_pipelines.validator.environment import fingerprint


@dataclass(frozen=True)
class Prepared:
    """A sandbox and the sealed base; `installed` is None where the base was there already."""

    sandbox: MeteredSandbox
    toolchain: Toolchain
    base: Workspace
    installed: CommandOutcome | None
    limits: CommandLimits

    def environment(self) -> Environment:
        """Where commands run here; ask after the first of them, when the limiter is known."""
        return fingerprint(
            node=self.toolchain.node_version,
            package_manager=self.toolchain.package_manager,
            sandbox=self.sandbox.name,
            limiter=self.sandbox.limiter,
        )

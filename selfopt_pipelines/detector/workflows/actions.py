"""Well-known actions of others that hide commands: what they would run, as shell text."""

import re

from selfopt_pipelines.detector.workflows.yaml_nodes import parse_yaml

_COMMAND_INPUT = re.compile(r"^(run|command|cmd|.*[-_](command|cmd|script))$")
_RETRY = (
    "nick-fields/retry",
    "nick-invision/retry",
    "wandalen/wretry.action",
    "coactions/setup-xvfb",
    "gabrielbb/xvfb-action",
)


def hidden_commands(action: str, inputs: dict[str, str]) -> list[str]:
    """Shell text for what `action` (`owner/name[/path]`, without version) runs with these inputs."""
    name = action.lower()
    if name in ("pnpm/action-setup", "pnpm/setup"):
        return _pnpm_setup(inputs.get("run_install", ""))
    if name == "wyvox/action-setup-pnpm" and inputs.get("no-install", "false") != "true":
        return [" ".join(("pnpm install", inputs.get("args", ""))).strip()]
    if name == "bahmutov/npm-install":
        command = inputs.get("install-command", "")
        return [command] if command else ["@install"]
    if name == "cypress-io/github-action":
        install = inputs.get("install-command", "") if inputs.get("install", "true") != "false" else None
        found = [] if install is None else [install or "@install"]
        return [*found, *([inputs["build"]] if inputs.get("build") else []), "npx cypress run"]
    if name == "borales/actions-yarn":
        return [f"yarn {inputs.get('cmd', 'install')}"]
    if name == "codspeedhq/action" and inputs.get("run"):
        return [inputs["run"]]
    if name.startswith(_RETRY) and (inputs.get("command") or inputs.get("run")):
        return [inputs.get("command") or inputs["run"]]
    return [value for key, value in inputs.items() if _COMMAND_INPUT.match(key) and value]


def _pnpm_setup(run_install: str) -> list[str]:
    """`run_install: true`, or a YAML text with `args` (one object or a list of them)."""
    if run_install.strip().lower() in ("", "false", "null"):
        return []
    if run_install.strip().lower() == "true":
        return ["pnpm install"]
    try:
        node = parse_yaml(run_install)
    except ValueError:
        return ["pnpm install"]
    entries = node.elements or [node] if node is not None else []
    args = [word for entry in entries for arguments in [entry.get("args")] if arguments for word in arguments.strings()]
    return [" ".join(("pnpm install", *args))]

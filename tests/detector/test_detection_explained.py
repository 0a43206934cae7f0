"""What a person reads: every decision with its place, its reason and what lost, and no markup of a stranger."""

import io
import json
import os
from pathlib import Path

import pytest
from edge_case import CI, NPM, PNPM, manifest, workflow
from rich.console import Console, RenderableType

from selfopt_pipelines.cli.detect import detect as detect_command
from selfopt_pipelines.cli.detect import detection_view, explanation, in_words
from selfopt_pipelines.detector import detect
from selfopt_pipelines.domain.detection import DetectionConfig
from selfopt_pipelines.domain.errors import InvalidInput
from selfopt_pipelines.domain.tree import MemoryTree

GOLDEN = Path(__file__).parent / "golden" / "explanation.txt"
SCRIPTS = {
    "build": "tsup",
    "test": "npm run lint && npm run test:unit",
    "test:unit": "vitest",
    "lint": "eslint .",
    "bench": "echo none yet && exit 1",
}
FILES = {
    "package.json": manifest(SCRIPTS, packageManager="pnpm@10.1.0", dependencies={"express": "5"}),
    **PNPM,
    **NPM,
    "src/server.ts": "import express from 'express'\n",
    CI: workflow(
        "run: pnpm install",
        "run: pnpm build",
        "run: pnpm test:unit",
        "run: ./deploy ${{ needs.plan.outputs.place }}",
        job="    services:\n      cache:\n        image: redis:7\n"
        "    env:\n      TZ: UTC\n      KEY: ${{ secrets.API_KEY }}\n",
    ),
}


def shown(view: RenderableType, *, color: bool = False) -> str:
    stream = io.StringIO()
    Console(file=stream, width=140, force_terminal=color, color_system="standard" if color else None).print(view)
    return "\n".join(line.rstrip() for line in stream.getvalue().split("\n"))


def test_the_explanation_matches_its_golden_text() -> None:
    found = shown(explanation(detect(MemoryTree(FILES))))
    if os.environ.get("SELFOPT_WRITE_GOLDEN"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text()


def test_every_command_shows_why_where_and_what_lost() -> None:
    text = shown(explanation(detect(MemoryTree(FILES))))
    for part in (
        "CI runs it; ends in vitest",
        f"{CI}:15  - run: pnpm test:unit (job test, step 3)",
        '"test:unit": "vitest",',
        "first pnpm build  CI job test runs it before",
        "with TZ=UTC",
        "with the service redis",
        "with the secret API_KEY",
        "not pnpm test --run: ",
        "not npm: package-lock.json says so, but the packageManager field says pnpm",
        "the script only prints a message",
        "cannot be known before it runs: ${{ needs.plan.outputs.place }}",
        "! two-lockfiles: Several lockfiles are committed",
    ):
        assert part in text, part


def test_an_override_shows_where_it_comes_from() -> None:
    files = {**FILES, "selfopt.toml": 'node = 22\n\n[commands]\ntest = "pnpm run test"\ne2e = false\n'}
    text = shown(explanation(detect(MemoryTree(files))))
    assert 'selfopt.toml:4  test = "pnpm run test"' in text
    assert "you said so" in text
    assert "switched off by an override" in text
    assert "not pnpm test:unit --run: " in text


@pytest.mark.parametrize("view", [explanation, detection_view])
def test_text_of_the_repository_is_neither_markup_nor_terminal_control(view) -> None:
    scripts = {"test": "vitest run '[bold red]x[/]' [link=http://x]y \x1b[31m\x07", "[red]build": "tsup"}
    files = {"package.json": manifest(scripts), CI: workflow("run: npm test -- '[/nothing]'")}
    files["selfopt.toml"] = "[commands]\ntest = '[/b] npm test'\n"
    text = shown(view(detect(MemoryTree(files))), color=True)
    assert "\x07" not in text
    assert "\x1b]8;" not in text
    assert "[/b] npm test" in text
    if view is explanation:
        assert "[bold red]x[/]" in text
        assert "\x1b[31m\x07" not in text


@pytest.mark.parametrize(
    ("confidence", "word"),
    [(0.99, "certain"), (0.93, "almost certain"), (0.8, "likely"), (0.65, "plausible"), (0.0, "a guess")],
)
def test_confidence_in_words(confidence: float, word: str) -> None:
    assert in_words(confidence) == word


def test_every_reason_for_nothing_has_a_sentence() -> None:
    text = shown(explanation(detect(MemoryTree({"package.json": "{}"}))))
    assert "no-" not in text.split("Worth knowing")[0]


def test_json_is_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "package.json").write_text(manifest({"test": "jest"}))
    detect_command(tmp_path, as_json=True, explain=False)
    assert DetectionConfig.model_validate(json.loads(capsys.readouterr().out)).primary is not None


def test_explain_prints_the_reasons(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "package.json").write_text(manifest({"test": "jest"}))
    detect_command(tmp_path, as_json=False, explain=True)
    assert "a script of the manifest; ends in jest" in capsys.readouterr().out


def test_a_file_or_an_empty_directory_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a directory"):
        detect_command(tmp_path / "nothing", as_json=False, explain=True)
    with pytest.raises(InvalidInput, match="Nothing was detected"):
        detect_command(tmp_path, as_json=False, explain=True)

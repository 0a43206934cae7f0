"""Repositories that the tests of detection share."""

import json

import pytest

pytest.register_assert_rewrite("edge_case")


@pytest.fixture
def service() -> dict[str, str]:
    """A service with workspaces, two workflows, a type check and a benchmark."""
    scripts = {
        "build": "tsc -p tsconfig.build.json",
        "test": "vitest run",
        "test:watch": "vitest",
        "typecheck": "tsc --noEmit",
        "bench": "node bench/run.mjs",
        "lint": "eslint .",
    }
    manifest = {
        "name": "service",
        "private": True,
        "packageManager": "pnpm@10.1.0",
        "scripts": scripts,
        "workspaces": ["packages/*"],
        "dependencies": {"fastify": "^5"},
        "devDependencies": {"typescript": "^5", "vitest": "^3"},
    }
    steps = "pnpm install --frozen-lockfile", "pnpm build", "pnpm typecheck", "pnpm test"
    runs = "".join(f"      - run: {step}\n" for step in steps)
    return {
        "package.json": json.dumps(manifest, indent=2),
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n",
        "tsconfig.json": "{}",
        "src/server.ts": "import fastify from 'fastify'\n",
        "packages/a/package.json": json.dumps({"name": "a", "scripts": {"build": "tsc"}}),
        ".github/workflows/ci.yml": "name: CI\non: [push, pull_request]\njobs:\n  test:\n"
        f"    runs-on: ubuntu-latest\n    steps:\n{runs}",
        ".github/workflows/docs.yml": "name: Docs\non: push\njobs:\n  docs:\n    steps:\n"
        "      - run: pnpm docs:build\n",
    }

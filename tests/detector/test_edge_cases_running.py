"""Edge cases 29 to 40 of real life: running commands, layout and framework."""

# ruff: noqa: E501 - workflows stand on one line, so that a row stays a row

import pytest
from edge_case import CI, PNPM, TEST, Case, check, manifest, workflow

CASES = [
    Case(
        29,
        "a bare vitest is made to end",
        {"package.json": manifest({"test": "vitest"}), **PNPM},
        {"test": "pnpm test --run", "watch_risk": True},
        ("watch-mode",),
    ),
    Case(
        29,
        "jest --watchAll is made to end",
        {"package.json": manifest({"test": "jest --watchAll"})},
        {"test": "npm test -- --watchAll=false"},
    ),
    Case(
        30,
        "steps before the tests",
        {
            "package.json": manifest({**TEST, "build": "tsup"}),
            CI: workflow("run: cp .env.example .env", "run: npm run build", "run: npm test"),
        },
        {"pre": ("cp .env.example .env", "npm run build")},
    ),
    Case(
        31,
        "docker in the tests: the unit subset",
        {
            "package.json": manifest(
                {"test:unit": "vitest run", "test": "npm run test:unit && docker compose up -d && vitest run --dir e2e"}
            )
        },
        {"test": "npm run test:unit"},
    ),
    Case(32, "browser mode", {"package.json": manifest({"test": "vitest run --browser.headless"})}, {"browsers": True}),
    Case(
        32,
        "a job that installs browsers and drives them by itself",
        {
            "package.json": manifest({"test": "ava"}, devDependencies={"ava": "6", "playwright": "1"}),
            CI: workflow("run: npm install", "run: npx playwright install --with-deps", "run: npm test"),
        },
        {"browsers": True},
    ),
    Case(
        33,
        "nx affected becomes run-many",
        {
            "package.json": manifest({"x": "echo"}, devDependencies={"nx": "20"}),
            CI: workflow("run: npx nx affected -t test --base=main"),
        },
        {"test": "npx nx run-many -t test"},
    ),
    Case(
        33,
        "nx affected in a script",
        {
            "package.json": manifest({"test": "nx affected -t test --base=origin/main"}, devDependencies={"nx": "20"}),
            "nx.json": "{}",
        },
        {"test": "npx nx run-many -t test"},
    ),
    Case(
        33,
        "a turbo filter on the last commit",
        {
            "package.json": manifest({"test": "turbo run test --filter=[HEAD^1]"}, devDependencies={"turbo": "2"}),
            **PNPM,
        },
        {"test": "pnpm exec turbo run test"},
    ),
    Case(
        34,
        "time zone of CI belongs to the tests",
        {
            "package.json": manifest(TEST),
            CI: workflow("run: npm test", job="    env:\n      TZ: America/New_York\n      TOKEN: ${{ secrets.X }}\n"),
        },
        {"env": {"TZ": "America/New_York", "CI": "true"}},
    ),
    Case(
        35,
        "node of .nvmrc, allowed by the engines",
        {"package.json": manifest(TEST, engines={"node": ">=18"}), ".nvmrc": "v22.1.0\n"},
        {"node": 22},
    ),
    Case(
        35,
        "volta says 24, CI tests 22",
        {
            "package.json": manifest(TEST, volta={"node": "24.1.0"}),
            CI: workflow("uses: actions/setup-node@v4\n        with:\n          node-version: 22", "run: npm test"),
        },
        {"node": 22},
    ),
    Case(
        36,
        "no root manifest: several targets, that of CI first",
        {
            "api/package.json": manifest(TEST, name="api"),
            "api/package-lock.json": "{}",
            "web/package.json": manifest({"build": "vite build"}, name="web"),
            "web/yarn.lock": "# yarn lockfile v1\n",
            CI: workflow(
                "run: npm ci\n        working-directory: api", "run: npm test\n        working-directory: api"
            ),
        },
        {"roots": ("api", "web"), "test": "npm test"},
    ),
    Case(
        36,
        "a root without scripts and lockfile",
        {
            "package.json": manifest(name="root"),
            "server/package.json": manifest(TEST),
            "server/package-lock.json": "{}",
        },
        {"root": "server"},
    ),
    Case(
        37,
        "pnpm-workspace without packages is no monorepo",
        {"package.json": manifest(TEST), "pnpm-workspace.yaml": "onlyBuiltDependencies: [esbuild]\n"},
        {"workspace": "none", "manager": "pnpm"},
    ),
    Case(
        37,
        "workspaces with negation",
        {
            "package.json": manifest(TEST, workspaces=["packages/*", "!packages/old"]),
            "packages/a/package.json": manifest(),
            "packages/old/package.json": manifest(),
        },
        {"workspace": "npm", "packages": ("packages/a",)},
    ),
    Case(
        37,
        "packages of lerna, tasks of turbo in .config",
        {
            "package.json": manifest(TEST),
            "lerna.json": '{"packages": ["modules/*"]}',
            "modules/a/package.json": manifest(),
            ".config/turbo.json": "{}",
        },
        {"workspace": "lerna", "packages": ("modules/a",)},
    ),
    Case(
        38,
        "documentation does not decide the framework",
        {
            "package.json": manifest(TEST, workspaces=["docs", "packages/*"]),
            "docs/package.json": manifest(dependencies={"next": "15"}),
            "docs/next.config.js": "",
            "packages/a/package.json": manifest(name="a", exports="./a.js"),
        },
        {"framework": None},
    ),
    Case(
        39,
        "a library that tests against express",
        {"package.json": manifest(TEST, main="index.js", files=["lib"], devDependencies={"express": "5"})},
        {"framework": None},
    ),
    Case(
        39,
        "express with an entry file that imports it",
        {
            "package.json": manifest({"start": "node src/server.js"}, dependencies={"express": "5"}),
            "src/server.js": "const express = require('express')\n",
        },
        {"framework": "express", "framework_kind": "app"},
    ),
    Case(
        39,
        "nestjs on express is nestjs",
        {
            "package.json": manifest(dependencies={"express": "5", "@nestjs/core": "11"}, private=True),
            "nest-cli.json": "{}",
        },
        {"framework": "nestjs"},
    ),
    Case(
        39,
        "react with vite",
        {
            "package.json": manifest(
                {"build": "vite build", "dev": "vite"},
                private=True,
                dependencies={"react": "19"},
                devDependencies={"vite": "7"},
            ),
            "index.html": "",
            "vite.config.ts": "",
        },
        {"framework": "react-vite"},
    ),
    Case(
        39,
        "a plugin whose framework is a peer dependency",
        {
            "package.json": manifest(
                {"build": "nest build"},
                name="@x/plugin",
                main="index.js",
                peerDependencies={"@nestjs/core": "11"},
                devDependencies={"@nestjs/core": "11"},
            ),
            "nest-cli.json": "{}",
        },
        {"framework": None, "framework_kind": "library"},
    ),
    Case(
        40,
        "a byte order mark and comments",
        {"package.json": '\ufeff{\n  // tests\n  "scripts": {"test": "jest",},\n}'},
        {"test": "npm test"},
        ("manifest-comments-or-commas",),
    ),
    Case(
        40,
        "merge conflict markers",
        {
            "package.json": '{\n  "scripts": {\n<<<<<<< HEAD\n    "test": "jest"\n=======\n    "test": "mocha"\n>>>>>>> x\n  }\n}'
        },
        {"test": "npm test"},
        ("manifest-conflict-markers",),
    ),
    Case(40, "package.json5", {"package.json5": "{scripts: {test: 'jest'}}"}, {"test": "npm test"}),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"item {case.item:02d}: {case.name}")
def test_edge_case(case: Case) -> None:
    check(case)


def test_every_item_has_a_row() -> None:
    assert {case.item for case in CASES} == set(range(29, 40 + 1))

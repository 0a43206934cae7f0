"""One tiny repository per edge case of real life; each row says what must come out."""

# ruff: noqa: E501 - workflows stand on one line, so that a row stays a row

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from selfopt_pipelines.detector import detect
from selfopt_pipelines.domain.detection import Absent, Command, DetectionConfig, Target
from selfopt_pipelines.domain.tree import MemoryTree

CI = ".github/workflows/ci.yml"
NPM = {"package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}}}'}
PNPM = {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}
TS = {"tsconfig.json": "{}"}


def manifest(scripts: dict[str, str] | None = None, **fields: object) -> str:
    return json.dumps({"name": "fixture", "scripts": scripts or {}, **fields}, indent=2)


def workflow(*steps: str, head: str = "on: [push, pull_request]", job: str = "") -> str:
    body = "\n".join(f"      - {step}" for step in steps)
    return f"name: CI\n{head}\njobs:\n  test:\n    runs-on: ubuntu-latest\n{job}    steps:\n{body}\n"


@dataclass(frozen=True)
class Case:
    name: str
    files: dict[str, str]
    expected: dict[str, object] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


DEV_TS = {"devDependencies": {"typescript": "^5", "vitest": "^3"}}
TEST = {"test": "vitest run"}

CASES = [
    Case(
        "no lockfile means npm install", {"package.json": manifest(TEST)}, {"manager": "npm", "install": "npm install"}
    ),
    Case(
        "two lockfiles: the packageManager field decides",
        {"package.json": manifest(TEST, packageManager="pnpm@9.1.0"), **NPM, **PNPM},
        {"manager": "pnpm", "install": "pnpm install --frozen-lockfile"},
        ("two-lockfiles",),
    ),
    Case(
        "two lockfiles: what CI installs with decides",
        {
            "package.json": manifest(TEST),
            **NPM,
            "yarn.lock": "# yarn lockfile v1\n",
            CI: workflow("run: npm ci", "run: npm test"),
        },
        {"manager": "npm", "install": "npm ci"},
        ("two-lockfiles",),
    ),
    Case(
        "two lockfiles: what scripts call decides",
        {"package.json": manifest({**TEST, "check": "yarn test"}), **NPM, "yarn.lock": "# yarn lockfile v1\n"},
        {"manager": "yarn", "flavor": "classic"},
    ),
    Case(
        "an npm lockfile that pins nothing loses",
        {
            "package.json": manifest(TEST),
            "package-lock.json": '{"lockfileVersion": 1}',
            "yarn.lock": "# yarn lockfile v1\n",
        },
        {"manager": "yarn", "install": "yarn install --frozen-lockfile"},
    ),
    Case(
        "packageManager with a hash",
        {
            "package.json": manifest(TEST, packageManager="yarn@4.5.0+sha512.abc"),
            "yarn.lock": "__metadata:\n  version: 8\n",
        },
        {"manager": "yarn", "flavor": "berry", "version": "4.5.0", "install": "yarn install --immutable"},
    ),
    Case(
        "devEngines names the manager",
        {"package.json": manifest(TEST, devEngines={"packageManager": {"name": "pnpm", "version": "^10.2.0"}})},
        {"manager": "pnpm", "version": "10.2.0"},
    ),
    Case(
        "berry by the head of its lockfile, though CI still says frozen-lockfile",
        {
            "package.json": manifest(TEST),
            "yarn.lock": "__metadata:\n  version: 8\n",
            CI: workflow("run: yarn install --frozen-lockfile", "run: yarn test"),
        },
        {"flavor": "berry", "install": "yarn install --immutable"},
    ),
    Case(
        "a vendored yarn tells its version",
        {
            "package.json": manifest(TEST),
            "yarn.lock": "__metadata:\n",
            ".yarnrc.yml": "yarnPath: .yarn/releases/yarn-4.12.0.cjs\n",
        },
        {"version": "4.12.0", "flavor": "berry"},
    ),
    Case(
        "bun by its lockfile",
        {"package.json": manifest(TEST), "bun.lock": "{}"},
        {"manager": "bun", "test": "bun run test"},
    ),
    Case(
        "the pnpm version of the set-up action",
        {
            "package.json": manifest(TEST),
            **PNPM,
            CI: workflow(
                "uses: pnpm/action-setup@v4\n        with:\n          version: 9.7.0",
                "run: pnpm install",
                "run: pnpm test",
            ),
        },
        {"version": "9.7.0"},
    ),
    Case(
        "an install hidden in a nested composite action",
        {
            "package.json": manifest(TEST),
            **NPM,
            CI: workflow("uses: ./.github/actions/outer", "run: npm test"),
            ".github/actions/outer/action.yml": "runs:\n  using: composite\n  steps:\n    - uses: ./.github/actions/inner\n",
            ".github/actions/inner/action.yaml": "runs:\n  using: composite\n  steps:\n    - run: npm ci --legacy-peer-deps\n      shell: bash\n",
        },
        {"install": "npm ci --legacy-peer-deps"},
    ),
    Case(
        "pnpm/action-setup run_install as a YAML text",
        {
            "package.json": manifest(TEST),
            CI: workflow(
                "uses: pnpm/action-setup@v4\n        with:\n          run_install: |\n            - args: [--no-frozen-lockfile]",
                "run: pnpm test",
            ),
        },
        {"manager": "pnpm", "install": "pnpm install --no-frozen-lockfile"},
    ),
    Case(
        "an install under a cache condition is still the install",
        {
            "package.json": manifest(TEST),
            CI: workflow("run: yarn\n        if: steps.cache.outputs.cache-hit != 'true'", "run: yarn test"),
        },
        {"manager": "yarn"},
    ),
    Case(
        "global and partial installs are not the install",
        {
            "package.json": manifest(TEST),
            **PNPM,
            CI: workflow(
                "run: npm install -g pnpm",
                "run: npm install --prefix test/x",
                "run: cd website && yarn",
                "run: pnpm install",
                "run: pnpm test",
            ),
        },
        {"manager": "pnpm"},
    ),
    Case(
        "CI installs with yarn and runs npm test",
        {
            "package.json": manifest(TEST),
            "yarn.lock": "# yarn lockfile v1\n",
            CI: workflow("run: yarn", "run: npm test"),
        },
        {"manager": "yarn", "test": "yarn test"},
    ),
    Case(
        "quoted 'on', yaml extension, versions as text",
        {
            "package.json": manifest(TEST),
            ".github/workflows/test.yaml": workflow(
                "uses: actions/setup-node@v4\n        with:\n          node-version: ${{ matrix.node }}",
                "run: npm test",
                head="'on': push",
                job='    strategy:\n      matrix:\n        node: [18.0, "20", 23]\n',
            ),
        },
        {"node": 20, "ci_versions": (18, 20, 23)},
    ),
    Case(
        "chains, continuations, tee and subshells",
        {
            "package.json": manifest({"unit": "mocha", "test": "echo no"}),
            CI: workflow("run: |\n          npm ci && \\\n            npm run unit | tee out.log"),
        },
        {"test": "npm run unit"},
    ),
    Case(
        "if and else in a run block",
        {
            "package.json": manifest({"lint": "eslint ."}, devDependencies={"vitest": "3"}),
            **PNPM,
            CI: workflow(
                'run: |\n          if [ "${{ github.event_name }}" = "pull_request" ]; then\n            pnpm vitest --changed x\n          else\n            pnpm vitest\n          fi'
            ),
        },
        {"test": "pnpm exec vitest run"},
    ),
    Case(
        "working-directory of defaults: the project is below the root",
        {
            "server/package.json": manifest(TEST, dependencies={"express": "5"}),
            "server/package-lock.json": NPM["package-lock.json"],
            CI: workflow(
                "run: npm ci", "run: npm test", job="    defaults:\n      run:\n        working-directory: ./server\n"
            ),
        },
        {"root": "server", "cwd": "server", "test": "npm test"},
    ),
    Case(
        "the command of a matrix",
        {
            "package.json": manifest({"test:unit": "jest", "lint": "eslint ."}),
            CI: workflow(
                "run: ${{ matrix.command }}",
                job="    strategy:\n      matrix:\n        command: [npm run lint, npm run test:unit]\n",
            ),
        },
        {"test": "npm run test:unit", "origin": "workflow"},
    ),
    Case(
        "a matrix that cannot be known is marked, not guessed",
        {
            "package.json": manifest(TEST),
            CI: workflow(
                "run: npm run ${{ matrix.task }}",
                "run: npm test",
                job="    strategy:\n      matrix: ${{ fromJSON(needs.x.outputs.y) }}\n",
            ),
        },
        {"test": "npm test", "unresolved": True},
    ),
    Case(
        "a local reusable workflow with inputs",
        {
            "package.json": manifest({"test:ci": "jest --ci"}),
            CI: "on: push\njobs:\n  call:\n    uses: ./.github/workflows/reuse.yml\n    with:\n      script: test:ci\n",
            ".github/workflows/reuse.yml": "on:\n  workflow_call:\n    inputs:\n      script:\n        type: string\njobs:\n  run:\n    runs-on: ubuntu-latest\n    steps:\n      - run: npm run ${{ inputs.script }}\n",
        },
        {"test": "npm run test:ci", "origin": "workflow"},
    ),
    Case(
        "a remote reusable workflow with a command",
        {
            "package.json": manifest({"tests-only": "tape test"}),
            CI: "on: push\njobs:\n  tests:\n    uses: other/repo/.github/workflows/node.yml@v1\n    with:\n      command: npm run tests-only\n",
        },
        {"test": "npm run tests-only"},
        ("remote-reusable",),
    ),
    Case(
        "CircleCI with a service",
        {
            "package.json": manifest({"test": "jest"}),
            ".circleci/config.yml": "version: 2\njobs:\n  build:\n    docker:\n      - image: cimg/node:18.2\n      - image: circleci/mongo:4\n    steps:\n      - checkout\n      - run: npm install\n      - run:\n          command: npm test\n",
        },
        {"node": 18, "services": ("mongo",)},
        ("needs-services",),
    ),
    Case(
        "Travis",
        {
            "package.json": manifest({"test": "jest", "test:ci": "jest"}),
            ".travis.yml": "language: node_js\nnode_js: [16, 18]\nscript:\n  - npm run test:ci\n",
        },
        {"test": "npm run test:ci", "node": 18},
    ),
    Case(
        "GitLab",
        {
            "package.json": manifest({"unit": "jest"}),
            ".gitlab-ci.yml": "image: node:20\nunit:\n  script:\n    - npm ci\n    - npm run unit\n",
        },
        {"test": "npm run unit", "node": 20},
    ),
    Case(
        "release and docs workflows do not decide",
        {
            "package.json": manifest({"test": "jest", "docs:build": "typedoc", "build": "rollup -c"}),
            ".github/workflows/docs.yml": workflow("run: npm run docs:build"),
            ".github/workflows/release.yml": workflow("run: npm run build", "run: npm publish"),
        },
        {"build": "npm run build", "test": "npm test"},
    ),
    Case(
        "a stale workflow is dropped with a warning",
        {"package.json": manifest({"unit": "jest"}), CI: workflow("run: npm run test:gone")},
        {"test": "npm run unit"},
        ("stale-workflow",),
    ),
    Case(
        "an umbrella: CI runs the unit tests alone",
        {
            "package.json": manifest(
                {"lint": "eslint .", "unit": "vitest run", "test": "npm run lint && npm run unit"}
            ),
            CI: workflow("run: npm run unit"),
        },
        {"test": "npm run unit", "alternative": "npm test"},
    ),
    Case(
        "a test that only formats is none",
        {"package.json": manifest({"test": "prettier --check ."})},
        {"test": None},
        ("no-tests",),
    ),
    Case(
        "types hide as lint:ts",
        {"package.json": manifest({**TEST, "lint:ts": "tsc --noEmit"}, **DEV_TS), **TS},
        {"typecheck": "npm run lint:ts"},
    ),
    Case(
        "types hide as typecheckRepo",
        {"package.json": manifest({**TEST, "typecheckRepo": "tsc -p . --noEmit"}, **DEV_TS)},
        {"typecheck": "npm run typecheckRepo"},
    ),
    Case(
        "the compiler of CI",
        {
            "package.json": manifest(TEST, **DEV_TS),
            "yarn.lock": "__metadata:\n",
            CI: workflow("run: yarn", "run: yarn tsc --noEmit"),
        },
        {"typecheck": "yarn tsc --noEmit", "origin_of_typecheck": "workflow"},
    ),
    Case(
        "the repository's own compiler",
        {"package.json": manifest(TEST, **DEV_TS), **TS},
        {"typecheck": "npx tsc --noEmit"},
    ),
    Case("without its own compiler no type check", {"package.json": manifest(TEST), **TS}, {"typecheck": None}),
    Case(
        "a package called tsc is not the compiler",
        {"package.json": manifest(TEST, devDependencies={"typescript": "5", "tsc": "2"}), **TS},
        {"typecheck_argv": ("node", "node_modules/typescript/bin/tsc", "--noEmit")},
    ),
    Case(
        "a solution tsconfig",
        {
            "package.json": manifest({"build": "tsc -b && vite build"}, **DEV_TS),
            "tsconfig.json": '{"files": [], "references": [{"path": "./tsconfig.app.json"}]}',
        },
        {"typecheck": "npx tsc -b --noEmit"},
    ),
    Case(
        "bench hides as test:perf",
        {"package.json": manifest({"test:perf": "node bench/run.js"})},
        {"bench": "npm run test:perf"},
    ),
    Case(
        "benchmark-deps only installs",
        {"package.json": manifest({"benchmark-deps": "npm install --prefix benchmark/extra"})},
        {"bench": None},
    ),
    Case(
        "bench before bench:cmp",
        {"package.json": manifest({"bench:cmp": "node bench/cmp.js", "bench": "node bench/all.js"})},
        {"bench": "npm run bench"},
    ),
    Case(
        "a benchmarking library has no benchmark",
        {"package.json": manifest({"bench": "node bench.js"}, name="tinybench")},
        {"bench": None},
    ),
    Case(
        "the placeholder of npm init",
        {"package.json": manifest({"test": 'echo "Error: no test specified" && exit 1'})},
        {"test": None, "test_reason": "placeholder"},
    ),
    Case("exit 0 is a placeholder", {"package.json": manifest({"test": "exit 0"})}, {"test": None}),
    Case(
        "yarn check is a builtin",
        {"package.json": manifest({"check": "tsc --noEmit"}, **DEV_TS), "yarn.lock": "# yarn lockfile v1\n"},
        {"typecheck": "yarn run check"},
    ),
    Case(
        "bun test is not bun run test",
        {
            "package.json": manifest({"build": "tsup"}),
            "bun.lock": "{}",
            CI: workflow("run: bun install", "run: bun test --coverage"),
        },
        {"test": "bun test --coverage"},
    ),
    Case(
        "build:prod where there is no build",
        {"package.json": manifest({"build:prod": "nest build", "docs:build": "vitepress build"})},
        {"build": "npm run build:prod"},
    ),
    Case(
        "a build that migrates a database loses to the one of CI",
        {
            "package.json": manifest({"build": "prisma db push && next build", "build-ci": "next build"}),
            CI: workflow("run: npm run build-ci"),
        },
        {"build": "npm run build-ci"},
    ),
    Case(
        "decoys of test",
        {"package.json": manifest({"test:watch": "jest --watch", "test:ui": "vitest --ui", "test:unit": "jest"})},
        {"test": "npm run test:unit"},
    ),
    Case(
        "a bare vitest is made to end",
        {"package.json": manifest({"test": "vitest"}), **PNPM},
        {"test": "pnpm test --run", "watch_risk": True},
        ("watch-mode",),
    ),
    Case(
        "jest --watchAll is made to end",
        {"package.json": manifest({"test": "jest --watchAll"})},
        {"test": "npm test -- --watchAll=false"},
    ),
    Case(
        "steps before the tests",
        {
            "package.json": manifest({**TEST, "build": "tsup"}),
            CI: workflow("run: cp .env.example .env", "run: npm run build", "run: npm test"),
        },
        {"pre": ("cp .env.example .env", "npm run build")},
    ),
    Case(
        "docker in the tests: the unit subset",
        {
            "package.json": manifest(
                {"test:unit": "vitest run", "test": "npm run test:unit && docker compose up -d && vitest run --dir e2e"}
            )
        },
        {"test": "npm run test:unit"},
    ),
    Case("browser mode", {"package.json": manifest({"test": "vitest run --browser.headless"})}, {"browsers": True}),
    Case(
        "nx affected becomes run-many",
        {
            "package.json": manifest({"x": "echo"}, devDependencies={"nx": "20"}),
            CI: workflow("run: npx nx affected -t test --base=main"),
        },
        {"test": "npx nx run-many -t test"},
    ),
    Case(
        "time zone of CI belongs to the tests",
        {
            "package.json": manifest(TEST),
            CI: workflow("run: npm test", job="    env:\n      TZ: America/New_York\n      TOKEN: ${{ secrets.X }}\n"),
        },
        {"env": {"TZ": "America/New_York", "CI": "true"}},
    ),
    Case(
        "node of .nvmrc, allowed by the engines",
        {"package.json": manifest(TEST, engines={"node": ">=18"}), ".nvmrc": "v22.1.0\n"},
        {"node": 22},
    ),
    Case(
        "pnpm-workspace without packages is no monorepo",
        {"package.json": manifest(TEST), "pnpm-workspace.yaml": "onlyBuiltDependencies: [esbuild]\n"},
        {"workspace": "none", "manager": "pnpm"},
    ),
    Case(
        "workspaces with negation",
        {
            "package.json": manifest(TEST, workspaces=["packages/*", "!packages/old"]),
            "packages/a/package.json": manifest(),
            "packages/old/package.json": manifest(),
        },
        {"workspace": "npm", "packages": ("packages/a",)},
    ),
    Case(
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
        "a library that tests against express",
        {"package.json": manifest(TEST, main="index.js", files=["lib"], devDependencies={"express": "5"})},
        {"framework": None},
    ),
    Case(
        "express with an entry file that imports it",
        {
            "package.json": manifest({"start": "node src/server.js"}, dependencies={"express": "5"}),
            "src/server.js": "const express = require('express')\n",
        },
        {"framework": "express", "framework_kind": "app"},
    ),
    Case(
        "nestjs on express is nestjs",
        {
            "package.json": manifest(dependencies={"express": "5", "@nestjs/core": "11"}, private=True),
            "nest-cli.json": "{}",
        },
        {"framework": "nestjs"},
    ),
    Case(
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
        "a byte order mark and comments",
        {"package.json": '\ufeff{\n  // tests\n  "scripts": {"test": "jest",},\n}'},
        {"test": "npm test"},
        ("manifest-comments-or-commas",),
    ),
    Case(
        "merge conflict markers",
        {
            "package.json": '{\n  "scripts": {\n<<<<<<< HEAD\n    "test": "jest"\n=======\n    "test": "mocha"\n>>>>>>> x\n  }\n}'
        },
        {"test": "npm test"},
        ("manifest-conflict-markers",),
    ),
    Case("package.json5", {"package.json5": "{scripts: {test: 'jest'}}"}, {"test": "npm test"}),
]


def command(value: Command | Absent) -> str | None:
    return value.run if isinstance(value, Command) else None


def reason(value: Command | Absent) -> str | None:
    return value.reason if isinstance(value, Absent) else None


def unit_tests(target: Target) -> Command:
    assert isinstance(target.commands.test, Command)
    return target.commands.test


def typecheck_of(target: Target) -> Command:
    assert isinstance(target.commands.typecheck, Command)
    return target.commands.typecheck


READERS: dict[str, Callable[[DetectionConfig, Target], object]] = {
    "manager": lambda _, target: target.package_manager.name,
    "flavor": lambda _, target: target.package_manager.flavor,
    "version": lambda _, target: target.package_manager.version,
    "install": lambda _, target: command(target.commands.install),
    "build": lambda _, target: command(target.commands.build),
    "test": lambda _, target: command(target.commands.test),
    "test_reason": lambda _, target: reason(target.commands.test),
    "typecheck": lambda _, target: command(target.commands.typecheck),
    "typecheck_argv": lambda _, target: typecheck_of(target).argv,
    "origin_of_typecheck": lambda _, target: typecheck_of(target).origin,
    "bench": lambda _, target: command(target.commands.bench),
    "framework": lambda _, target: target.framework.name,
    "framework_kind": lambda _, target: target.framework.kind,
    "node": lambda _, target: target.node.major,
    "ci_versions": lambda _, target: target.node.ci_versions,
    "root": lambda _, target: target.root,
    "cwd": lambda _, target: unit_tests(target).cwd,
    "origin": lambda _, target: unit_tests(target).origin,
    "alternative": lambda _, target: unit_tests(target).alternatives[0].run,
    "pre": lambda _, target: tuple(step.run for step in unit_tests(target).pre),
    "env": lambda _, target: unit_tests(target).env,
    "services": lambda _, target: unit_tests(target).requires.services,
    "browsers": lambda _, target: unit_tests(target).requires.browsers,
    "watch_risk": lambda _, target: unit_tests(target).watch_risk,
    "workspace": lambda _, target: target.workspace.kind,
    "packages": lambda _, target: tuple(package.path for package in target.workspace.packages),
    "unresolved": lambda config, _: bool(config.ci.unresolved),
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_edge_case(case: Case) -> None:
    config = detect(MemoryTree(case.files))
    target = config.primary
    assert target is not None
    found = {key: READERS[key](config, target) for key in case.expected}
    assert found == case.expected
    assert set(case.warnings) <= {warning.code for warning in config.warnings}

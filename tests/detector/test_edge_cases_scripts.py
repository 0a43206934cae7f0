"""Edge cases 20 to 28 of real life: what scripts mean."""

import pytest
from edge_case import CI, DEV_TS, PNPM, TEST, TS, Case, check, manifest, workflow

CASES = [
    Case(
        20,
        "run-s, patterns and hooks",
        {
            "package.json": manifest(
                {
                    "test": "run-s 'test:*'",
                    "pretest": "tsc",
                    "test:a": "mocha a",
                    "test:b": "cross-env X=1 c8 tap",
                    "posttest": "eslint .",
                },
                devDependencies={"npm-run-all": "4"},
            )
        },
        {"leaves": ("tsc", "mocha", "tap", "eslint")},
    ),
    Case(
        20,
        "concurrently and a pattern of pnpm",
        {
            "package.json": manifest(
                {
                    "test": 'concurrently "npm:test-*" "pnpm run \\"/^check:.*/\\""',
                    "test-one": "ava",
                    "check:types": "tsd",
                }
            ),
            **PNPM,
        },
        {"leaves": ("ava", "tsd")},
    ),
    Case(
        20,
        "turbo down to the packages",
        {
            "package.json": manifest({"test": "turbo run test"}, workspaces=["packages/*"]),
            "packages/a/package.json": manifest({"test": "uvu"}),
            "packages/b/package.json": manifest({"test": "node --test"}),
            "turbo.json": "{}",
        },
        {"leaves": ("uvu", "node"), "runner": "uvu"},
    ),
    Case(
        20,
        "a script of the repository that runs a known program",
        {"package.json": manifest({"check": "node bin/run.js mocha test/*.js"})},
        {"test": "npm run check"},
    ),
    Case(
        20,
        "a circle of scripts ends",
        {"package.json": manifest({"test": "npm run a && jest", "a": "npm test"})},
        {"test": "npm test"},
    ),
    Case(
        21,
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
        21,
        "a test that only formats is none",
        {"package.json": manifest({"test": "prettier --check ."})},
        {"test": None},
        ("no-tests",),
    ),
    Case(
        22,
        "types hide as lint:ts",
        {"package.json": manifest({**TEST, "lint:ts": "tsc --noEmit"}, **DEV_TS), **TS},
        {"typecheck": "npm run lint:ts"},
    ),
    Case(
        22,
        "types hide as typecheckRepo",
        {"package.json": manifest({**TEST, "typecheckRepo": "tsc -p . --noEmit"}, **DEV_TS)},
        {"typecheck": "npm run typecheckRepo"},
    ),
    Case(
        22,
        "the compiler of CI",
        {
            "package.json": manifest(TEST, **DEV_TS),
            "yarn.lock": "__metadata:\n",
            CI: workflow("run: yarn", "run: yarn tsc --noEmit"),
        },
        {"typecheck": "yarn tsc --noEmit", "origin_of_typecheck": "workflow"},
    ),
    Case(
        22,
        "the repository's own compiler",
        {"package.json": manifest(TEST, **DEV_TS), **TS},
        {"typecheck": "npx tsc --noEmit"},
    ),
    Case(22, "without its own compiler no type check", {"package.json": manifest(TEST), **TS}, {"typecheck": None}),
    Case(
        22,
        "a package called tsc is not the compiler",
        {"package.json": manifest(TEST, devDependencies={"typescript": "5", "tsc": "2"}), **TS},
        {"typecheck_argv": ("node", "node_modules/typescript/bin/tsc", "--noEmit")},
    ),
    Case(
        22,
        "a solution tsconfig",
        {
            "package.json": manifest({"build": "tsc -b && vite build"}, **DEV_TS),
            "tsconfig.json": '{"files": [], "references": [{"path": "./tsconfig.app.json"}]}',
        },
        {"typecheck": "npx tsc -b --noEmit"},
    ),
    Case(
        22,
        "check-dts checks types",
        {"package.json": manifest({**TEST, "test:types": "check-dts"}, **DEV_TS), **TS},
        {"typecheck": "npm run test:types"},
    ),
    Case(
        22,
        "vitest that only checks types",
        {
            "package.json": manifest({**TEST, "type-check": "vitest --run --typecheck.only"}, **DEV_TS),
            CI: workflow("run: npx attw ./package.tgz"),
        },
        {"typecheck": "npm run type-check"},
    ),
    Case(
        22,
        "the type check of every package, where the root has none",
        {
            "package.json": manifest(
                {"test": "vitest run"}, workspaces=["packages/*"], devDependencies={"typescript": "5"}
            ),
            **PNPM,
            "packages/a/package.json": manifest({"typecheck": "tsc --noEmit"}),
            "packages/b/package.json": manifest({"typecheck": "tsc --noEmit"}),
        },
        {"typecheck": "pnpm -r run typecheck"},
    ),
    Case(
        22,
        "one of several tasks of CI",
        {
            "package.json": manifest({"build": "turbo build"}, devDependencies={"turbo": "2"}),
            **PNPM,
            CI: workflow("run: pnpm install", "run: pnpm turbo lint typecheck build"),
        },
        {"typecheck": "pnpm turbo typecheck"},
    ),
    Case(
        23,
        "bench hides as test:perf",
        {"package.json": manifest({"test:perf": "node bench/run.js"})},
        {"bench": "npm run test:perf"},
    ),
    Case(
        23,
        "benchmark-deps only installs",
        {"package.json": manifest({"benchmark-deps": "npm install --prefix benchmark/extra"})},
        {"bench": None},
    ),
    Case(
        23,
        "bench before bench:cmp",
        {"package.json": manifest({"bench:cmp": "node bench/cmp.js", "bench": "node bench/all.js"})},
        {"bench": "npm run bench"},
    ),
    Case(
        23,
        "a benchmarking library has no benchmark",
        {"package.json": manifest({"bench": "node bench.js"}, name="tinybench")},
        {"bench": None},
    ),
    Case(
        23,
        "a benchmark in a package of its own",
        {
            "package.json": manifest(TEST, workspaces=["packages/*", "benchmarks"]),
            **PNPM,
            "benchmarks/package.json": manifest({"bench": "node bench.js"}, name="benchmarks"),
            "packages/a/package.json": manifest({"build": "tsc"}),
        },
        {"bench": "pnpm --filter benchmarks run bench"},
    ),
    Case(
        24,
        "the placeholder of npm init",
        {"package.json": manifest({"test": 'echo "Error: no test specified" && exit 1'})},
        {"test": None, "test_reason": "placeholder"},
    ),
    Case(24, "exit 0 is a placeholder", {"package.json": manifest({"test": "exit 0"})}, {"test": None}),
    Case(
        25,
        "bun by its lockfile",
        {"package.json": manifest(TEST), "bun.lock": "{}"},
        {"manager": "bun", "test": "bun run test"},
    ),
    Case(
        25,
        "yarn check is a builtin",
        {"package.json": manifest({"check": "tsc --noEmit"}, **DEV_TS), "yarn.lock": "# yarn lockfile v1\n"},
        {"typecheck": "yarn run check"},
    ),
    Case(
        25,
        "bun test is not bun run test",
        {
            "package.json": manifest({"build": "tsup"}),
            "bun.lock": "{}",
            CI: workflow("run: bun install", "run: bun test --coverage"),
        },
        {"test": "bun test --coverage"},
    ),
    Case(
        25,
        "pnpm runs a binary",
        {
            "package.json": manifest({"lint": "eslint ."}, devDependencies={"vitest": "3"}),
            **PNPM,
            CI: workflow("run: pnpm vitest run"),
        },
        {"test": "pnpm exec vitest run"},
    ),
    Case(
        26,
        "build:prod where there is no build",
        {"package.json": manifest({"build:prod": "nest build", "docs:build": "vitepress build"})},
        {"build": "npm run build:prod"},
    ),
    Case(
        26,
        "no build but prepack",
        {"package.json": manifest({**TEST, "prepack": "tsup"})},
        {"build": "npm run prepack"},
    ),
    Case(
        27,
        "a build that migrates a database loses to the one of CI",
        {
            "package.json": manifest({"build": "prisma db push && next build", "build-ci": "next build"}),
            CI: workflow("run: npm run build-ci"),
        },
        {"build": "npm run build-ci"},
    ),
    Case(
        28,
        "decoys of test",
        {"package.json": manifest({"test:watch": "jest --watch", "test:ui": "vitest --ui", "test:unit": "jest"})},
        {"test": "npm run test:unit"},
    ),
    Case(
        28,
        "dotted names",
        {"package.json": manifest({"unit.test": "mocha", "format.check": "prettier --check ."})},
        {"test": "npm run unit.test"},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"item {case.item:02d}: {case.name}")
def test_edge_case(case: Case) -> None:
    check(case)


def test_every_item_has_a_row() -> None:
    assert {case.item for case in CASES} == set(range(20, 28 + 1))

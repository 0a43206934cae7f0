"""Edge cases 1 to 9 of real life: package managers and installs."""

# ruff: noqa: E501 - workflows stand on one line, so that a row stays a row

import pytest
from edge_case import CI, NPM, PNPM, TEST, Case, check, manifest, workflow

CASES = [
    Case(
        1,
        "no lockfile means npm install",
        {"package.json": manifest(TEST)},
        {"manager": "npm", "install": "npm install"},
    ),
    Case(
        2,
        "two lockfiles: the packageManager field decides",
        {"package.json": manifest(TEST, packageManager="pnpm@9.1.0"), **NPM, **PNPM},
        {"manager": "pnpm", "install": "pnpm install --frozen-lockfile"},
        ("two-lockfiles",),
    ),
    Case(
        2,
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
        2,
        "two lockfiles: what scripts call decides",
        {"package.json": manifest({**TEST, "check": "yarn test"}), **NPM, "yarn.lock": "# yarn lockfile v1\n"},
        {"manager": "yarn", "flavor": "classic"},
    ),
    Case(
        2,
        "an npm lockfile that pins nothing loses",
        {
            "package.json": manifest(TEST),
            "package-lock.json": '{"lockfileVersion": 1}',
            "yarn.lock": "# yarn lockfile v1\n",
        },
        {"manager": "yarn", "install": "yarn install --frozen-lockfile"},
    ),
    Case(
        2,
        "two lockfiles and nothing to tell: both are shown",
        {"package.json": manifest(TEST), **NPM, "yarn.lock": "# yarn lockfile v1\n"},
        {"conflicts": ("yarn",)},
        ("two-lockfiles",),
    ),
    Case(
        3,
        "packageManager with a hash",
        {
            "package.json": manifest(TEST, packageManager="yarn@4.5.0+sha512.abc"),
            "yarn.lock": "__metadata:\n  version: 8\n",
        },
        {"manager": "yarn", "flavor": "berry", "version": "4.5.0", "install": "yarn install --immutable"},
    ),
    Case(
        3,
        "devEngines names the manager",
        {"package.json": manifest(TEST, devEngines={"packageManager": {"name": "pnpm", "version": "^10.2.0"}})},
        {"manager": "pnpm", "version": "10.2.0"},
    ),
    Case(
        3,
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
        3,
        "a range in packageManager",
        {"package.json": manifest(TEST, packageManager="pnpm@^10.2.0")},
        {"manager": "pnpm", "version": "10.2.0"},
    ),
    Case(
        3,
        "the set-up action that also brings Node",
        {
            "package.json": manifest(TEST),
            **PNPM,
            CI: workflow(
                "uses: pnpm/setup@v2\n        with:\n          version: 11\n          runtime: node@24",
                "run: pnpm ci",
                "run: pnpm test",
            ),
        },
        {"version": "11", "node": 24, "install": "pnpm install --frozen-lockfile"},
    ),
    Case(
        4,
        "berry by the head of its lockfile, though CI still says frozen-lockfile",
        {
            "package.json": manifest(TEST),
            "yarn.lock": "__metadata:\n  version: 8\n",
            CI: workflow("run: yarn install --frozen-lockfile", "run: yarn test"),
        },
        {"flavor": "berry", "install": "yarn install --immutable"},
    ),
    Case(
        4,
        "a vendored yarn tells its version",
        {
            "package.json": manifest(TEST),
            "yarn.lock": "__metadata:\n",
            ".yarnrc.yml": "yarnPath: .yarn/releases/yarn-4.12.0.cjs\n",
        },
        {"version": "4.12.0", "flavor": "berry"},
    ),
    Case(
        5,
        "corepack is no part of any command",
        {
            "package.json": manifest(TEST, packageManager="yarn@4.5.0"),
            "yarn.lock": "__metadata:\n",
            CI: workflow("run: corepack enable", "run: yarn install --immutable", "run: yarn test"),
        },
        {"install": "yarn install --immutable", "version": "4.5.0", "pre": ()},
    ),
    Case(
        5,
        "corepack alone in one line with the install",
        {
            "package.json": manifest(TEST, packageManager="pnpm@10.2.0"),
            **PNPM,
            CI: workflow("run: npm i -g corepack@latest && corepack enable && pnpm install", "run: pnpm test"),
        },
        {"manager": "pnpm", "install": "pnpm install --frozen-lockfile"},
    ),
    Case(
        6,
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
        6,
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
        6,
        "an install under a cache condition is still the install",
        {
            "package.json": manifest(TEST),
            CI: workflow("run: yarn\n        if: steps.cache.outputs.cache-hit != 'true'", "run: yarn test"),
        },
        {"manager": "yarn"},
    ),
    Case(
        7,
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
        8,
        "CI installs with yarn and runs npm test",
        {
            "package.json": manifest(TEST),
            "yarn.lock": "# yarn lockfile v1\n",
            CI: workflow("run: yarn", "run: npm test"),
        },
        {"manager": "yarn", "test": "yarn test"},
    ),
    Case(
        9,
        "flags that change what is installed are kept",
        {
            "package.json": manifest(TEST),
            **NPM,
            CI: workflow("run: npm ci --ignore-scripts --legacy-peer-deps --no-audit", "run: npm test"),
        },
        {"install": "npm ci --ignore-scripts --legacy-peer-deps"},
    ),
    Case(
        9,
        "install hooks are side effects",
        {"package.json": manifest({**TEST, "prepare": "husky", "postinstall": "patch-package"}), **NPM},
        {"install_effects": ("runs the postinstall script", "runs the prepare script")},
    ),
    Case(
        9,
        "a native toolchain",
        {"package.json": manifest({"test": "ava"}, devDependencies={"@napi-rs/cli": "2"})},
        {"toolchains": ("rust",)},
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"item {case.item:02d}: {case.name}")
def test_edge_case(case: Case) -> None:
    check(case)


def test_every_item_has_a_row() -> None:
    assert {case.item for case in CASES} == set(range(1, 9 + 1))

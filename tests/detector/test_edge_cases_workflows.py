"""Edge cases 10 to 19 of real life: reading workflows."""

# ruff: noqa: E501 - workflows stand on one line, so that a row stays a row

import pytest
from edge_case import CI, NPM, PNPM, TEST, Case, check, manifest, workflow

CASES = [
    Case(
        10,
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
        10,
        "a run of the boolean true",
        {"package.json": manifest(TEST), CI: workflow("run: true", "run: npm test")},
        {"test": "npm test", "origin": "workflow"},
    ),
    Case(
        11,
        "chains, continuations, tee and subshells",
        {
            "package.json": manifest({"unit": "mocha", "test": "echo no"}),
            CI: workflow("run: |\n          npm ci && \\\n            npm run unit | tee out.log"),
        },
        {"test": "npm run unit"},
    ),
    Case(
        11,
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
        11,
        "a retry and a redirection",
        {
            "package.json": manifest({"unit": "mocha", "test": "echo no"}),
            CI: workflow("run: npm ci || npm ci", "run: npm run unit > out.log 2>&1 || npm run unit"),
        },
        {"test": "npm run unit"},
    ),
    Case(
        12,
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
        12,
        "cd and back in a subshell",
        {
            "package.json": manifest({"unit": "mocha"}),
            "website/package.json": manifest({"unit": "jest"}),
            CI: workflow("run: (cd website && npm run unit); npm run unit"),
        },
        {"test": "npm run unit", "cwd": "."},
    ),
    Case(
        13,
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
        13,
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
        13,
        "include and exclude of a matrix",
        {
            "package.json": manifest({"test:a": "jest", "test:b": "mocha", "lint": "eslint ."}),
            CI: workflow(
                "run: npm run ${{ matrix.task }}",
                job="    strategy:\n      matrix:\n        task: [lint, 'test:b']\n        exclude:\n          - task: 'test:b'\n        include:\n          - task: 'test:a'\n",
            ),
        },
        {"test": "npm run test:a"},
    ),
    Case(
        14,
        "environment of workflow, job and step; secrets are named, not invented",
        {
            "package.json": manifest(TEST),
            CI: workflow(
                "run: npm test\n        env:\n          C: step\n          KEY: ${{ secrets.API_KEY }}",
                head="on: [push, pull_request]\nenv:\n  A: workflow\n  B: workflow",
                job="    env:\n      B: job\n      C: job\n",
            ),
        },
        {"env": {"A": "workflow", "B": "job", "C": "step", "CI": "true"}, "secrets": ("API_KEY",)},
    ),
    Case(
        15,
        "composite actions outside .github, and the repository as an action",
        {
            "package.json": manifest({"spec": "mocha"}),
            **PNPM,
            CI: workflow("uses: ./", "uses: ./tools/setup", "uses: $/tools/run\n        with:\n          script: spec"),
            "tools/setup/action.yml": "runs:\n  using: composite\n  steps:\n    - run: pnpm install --no-frozen-lockfile\n      shell: bash\n",
            "tools/run/action.yml": "inputs:\n  script:\n    default: nothing\nruns:\n  using: composite\n  steps:\n    - run: pnpm ${{ inputs.script }}\n      shell: bash\n",
            "action.yml": "runs:\n  using: node20\n  main: index.js\n",
        },
        {"install": "pnpm install --no-frozen-lockfile", "test": "pnpm spec", "origin": "workflow"},
    ),
    Case(
        15,
        "actions that use each other in a circle end",
        {
            "package.json": manifest(TEST),
            CI: workflow("uses: ./a", "run: npm test"),
            "a/action.yml": "runs:\n  using: composite\n  steps:\n    - uses: ./b\n",
            "b/action.yml": "runs:\n  using: composite\n  steps:\n    - uses: ./a\n",
        },
        {"test": "npm test"},
    ),
    Case(
        16,
        "a local reusable workflow with inputs",
        {
            "package.json": manifest({"test:ci": "jest --ci"}),
            CI: "on: push\njobs:\n  call:\n    uses: ./.github/workflows/reuse.yml\n    with:\n      script: test:ci\n",
            ".github/workflows/reuse.yml": "on:\n  workflow_call:\n    inputs:\n      script:\n        type: string\njobs:\n  run:\n    runs-on: ubuntu-latest\n    steps:\n      - run: npm run ${{ inputs.script }}\n",
        },
        {"test": "npm run test:ci", "origin": "workflow"},
    ),
    Case(
        16,
        "a remote reusable workflow with a command",
        {
            "package.json": manifest({"tests-only": "tape test"}),
            CI: "on: push\njobs:\n  tests:\n    uses: other/repo/.github/workflows/node.yml@v1\n    with:\n      command: npm run tests-only\n",
        },
        {"test": "npm run tests-only"},
        ("remote-reusable",),
    ),
    Case(
        16,
        "a remote reusable workflow tells the Node versions",
        {
            "package.json": manifest(TEST),
            CI: 'on: push\njobs:\n  tests:\n    uses: other/repo/.github/workflows/node.yml@v1\n    with:\n      node-versions: \'["20", "22"]\'\n',
        },
        {"ci_versions": (20, 22), "node": 22},
        ("remote-reusable",),
    ),
    Case(
        17,
        "CircleCI with a service",
        {
            "package.json": manifest({"test": "jest"}),
            ".circleci/config.yml": "version: 2\njobs:\n  build:\n    docker:\n      - image: cimg/node:18.2\n      - image: circleci/mongo:4\n    steps:\n      - checkout\n      - run: npm install\n      - run:\n          command: npm test\n",
        },
        {"node": 18, "services": ("mongo",)},
        ("needs-services",),
    ),
    Case(
        17,
        "Travis",
        {
            "package.json": manifest({"test": "jest", "test:ci": "jest"}),
            ".travis.yml": "language: node_js\nnode_js: [16, 18]\nscript:\n  - npm run test:ci\n",
        },
        {"test": "npm run test:ci", "node": 18},
    ),
    Case(
        17,
        "GitLab",
        {
            "package.json": manifest({"unit": "jest"}),
            ".gitlab-ci.yml": "image: node:20\nunit:\n  script:\n    - npm ci\n    - npm run unit\n",
        },
        {"test": "npm run unit", "node": 20},
    ),
    Case(
        17,
        "a container image with arguments",
        {
            "package.json": manifest({"spec": "mocha"}),
            CI: workflow("uses: docker://node:20\n        with:\n          args: npm run spec"),
        },
        {"test": "npm run spec", "origin": "workflow"},
    ),
    Case(
        18,
        "release and docs workflows do not decide",
        {
            "package.json": manifest({"test": "jest", "docs:build": "typedoc", "build": "rollup -c"}),
            ".github/workflows/docs.yml": workflow("run: npm run docs:build"),
            ".github/workflows/release.yml": workflow("run: npm run build", "run: npm publish"),
        },
        {"build": "npm run build", "test": "npm test"},
    ),
    Case(
        18,
        "a job for several versions that patches files first does not decide",
        {
            "package.json": manifest({"spec": "jest", "spec:all": "jest --ci"}),
            ".github/workflows/test-multiple-builds.yml": workflow(
                "run: sed -i~ s/a/b/ x.ts", "run: npm run spec:all\n        env:\n          MODE: patched"
            ),
            ".github/workflows/test.yml": workflow("run: npm run spec"),
        },
        {"test": "npm run spec", "env": {"CI": "true"}},
    ),
    Case(
        19,
        "a stale workflow is dropped with a warning",
        {"package.json": manifest({"unit": "jest"}), CI: workflow("run: npm run test:gone")},
        {"test": "npm run unit"},
        ("stale-workflow",),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"item {case.item:02d}: {case.name}")
def test_edge_case(case: Case) -> None:
    check(case)


def test_every_item_has_a_row() -> None:
    assert {case.item for case in CASES} == set(range(10, 19 + 1))

"""Programs by what they are for. One row per class; a program stands in one row."""

_BY_CLASS = {
    "test": "vitest jest mocha _mocha ava tap tape borp uvu lab jasmine qunit japa karma tsdx-test poku",
    "lint": (
        "eslint biome oxlint knip stylelint standard xo tslint ts-standard semistandard sherif publint jshint"
        " markdownlint markdownlint-cli2 cspell depcheck madge commitlint ls-lint syncpack manypkg lockfile-lint remark"
        " dpgraph rome ultracite eclint npmignore size-limit bundlesize bundlewatch license-checker neostandard snazzy"
        " dependency-cruiser depcruise eslint_d jscs"
    ),
    "build": (
        "rollup webpack webpack-cli esbuild tsup tsdown unbuild tshy rolldown parcel microbundle bunchee zshy swc babel"
        " ng-packagr father rslib rsbuild rspack preconstruct obuild pkgroll dts-bundle-generator tsc-alias"
        " resolve-tspaths bob tsdx api-extractor gulp grunt browserify ncc modern wp-scripts sass stencil snowpack"
        " svelte-package lasso duel mkdist robuild terser uglifyjs"
    ),
    "typecheck": (
        "tstyche tsd attw flow dtslint expect-type tsd-lite svelte-check type-coverage check-dts tsc-files tsc-strict"
    ),
    "e2e": "cypress testcafe wdio nightwatch detox codeceptjs maestro",
    "bench": "tinybench mitata benchmark autocannon 0x clinic cronometro",
    "format": "prettier oxfmt dprint sort-package-json prettierd",
    "clean": "rimraf rm del del-cli shx trash clean premove rmdir",
    "docs": (
        "typedoc jsdoc compodoc documentation vitepress docusaurus storybook build-storybook docsify vuepress jsdoc2md"
        " start-storybook"
    ),
    "dev": "nodemon ts-node-dev tsnd http-server serve live-server",
    "publish": (
        "changeset release-it semantic-release np standard-version lerna-publish changelogen bumpp gh-pages vercel"
        " netlify wrangler firebase serverless sls fly flyctl heroku"
    ),
    "docker": "docker docker-compose podman",
    "hooks": "husky lefthook simple-git-hooks is-ci pinst lint-staged",
    "generate": "graphql-codegen openapi-typescript patch-package buf orval",
    "neutral": (
        "echo sleep cp mkdir mv cat cpx copyfiles ncp test true exit wait-on chmod touch ls pwd set export cpy cpr"
        " printf git only-allow kill-port source ."
    ),
    "network": "curl wget codecov coveralls",
}
CLASSES: dict[str, frozenset[str]] = {
    program: frozenset({name}) for name, programs in _BY_CLASS.items() for program in programs.split()
}

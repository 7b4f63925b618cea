# Needs Python 3.11+, a C++20 compiler and make. PYTHON makes the environment that lies in VENV.
PYTHON ?= python3
VENV   ?= .venv
MARK   ?= not slow
RUN    := $(VENV)/bin
BUILT  := $(VENV)/.built
DEV    := $(VENV)/.dev
CPP    := $(wildcard cpp/*.cpp cpp/*.hpp)
TOOLS  := "scikit-build-core>=0.10" "nanobind>=2.4" cmake ninja
# hnswlib comes as source, and nothing fetches what it is built with where Clew is built without isolation.
PEER_TOOLS := "pybind11>=2.6" setuptools
# Tests are compiled once and not by every worker of every run, whatever the environment says.
export PYTHONDONTWRITEBYTECODE :=
# Directories of tests lie in memory where there is plenty: a sixth less time, which was waiting for the disk.
FREE_MB := $(shell df -Pm /dev/shm 2>/dev/null | awk 'NR == 2 { print $$4 }')
export PYTEST_DEBUG_TEMPROOT := $(shell test "0$(FREE_MB)" -gt 4000 && echo /dev/shm)

.PHONY: help demo test test-slow check fix bench bench-full sanitize build clean
help:  ## say what each target does
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12
demo: $(BUILT)  ## page through a resumable query over real data
	$(RUN)/clew demo
test: $(DEV)  ## the fast tests; `make test MARK=` runs every test
	$(RUN)/pytest -n auto -m "$(MARK)"
test-slow: $(DEV)  ## the slow tests: recall, long random histories
	$(RUN)/pytest -n auto -m slow
check: $(DEV)  ## lint, format, types
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	$(RUN)/clang-format --dry-run -Werror $(CPP)
fix: $(DEV)  ## mend what ruff and clang-format can mend
	$(RUN)/ruff check --fix .
	$(RUN)/ruff format .
	$(RUN)/clang-format -i $(CPP)
bench: $(DEV)  ## the benchmarks behind README's figures
	$(RUN)/pip install -q $(PEER_TOOLS)
	$(RUN)/pip install -q -e '.[bench]' --no-build-isolation
	$(RUN)/python -m benchmarks
bench-full: $(DEV)  ## every benchmark beside every peer, and the plots: some hours
	$(RUN)/pip install -q $(PEER_TOOLS)
	$(RUN)/pip install -q -e '.[peers]' --no-build-isolation
	$(RUN)/python -m benchmarks --full --engines all --out benchmarks/results/full.json
	$(RUN)/python -m benchmarks http durable
	$(RUN)/python -m benchmarks sparse
	$(RUN)/python -m benchmarks quality
	$(RUN)/python -m benchmarks.plots benchmarks/results/full.json
sanitize: $(DEV)  ## the core's tests under ASan and UBSan, then TSan
	.ci/sanitize $(RUN)/python
build: $(DEV)  ## the environment and the native core; done again when cpp/ changes
$(BUILT): pyproject.toml src/clew/__init__.py CMakeLists.txt $(CPP) $(wildcard cpp/*.inl)
	test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	$(RUN)/pip install -q $(TOOLS)
	$(RUN)/pip install -q -e . --no-build-isolation
	@touch $@
# What only developers need, and the demo does not wait for.
$(DEV): pyproject.toml | $(BUILT)
	$(RUN)/pip install -q -e '.[dev]' --no-build-isolation
	@touch $@
clean:  ## remove the environment and everything built
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# `make help` lists what there is. Needs make and Python 3.11 or newer; all else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin

.NOTPARALLEL:
.PHONY: help lab dashboard docs demo test test-all lint pythons bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

lab: .venv/.lab ## open the workbook in JupyterLab (ARGS=--no-browser: print its address only)
	@root=; test "$$(id -u)" -ne 0 || root=--allow-root; \
	exec $(BIN)/jupyter lab --ServerApp.root_dir=notebooks --ServerApp.ip=127.0.0.1 $$root $(ARGS)

dashboard: .venv/.lab ## the explorers alone, without code, in a browser (ARGS=--no-browser: print their address only)
	@exec $(BIN)/python -m docs.dashboard $(ARGS)

docs: .venv/.dev ## run the workbook, refresh its pictures, and build the site in build/site (ARGS=NOTEBOOK: run this one)
	@$(BIN)/python -m docs.workbook $(ARGS)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open build/site/index.html"

demo: .venv/.core ## one hot key expires: a table, and a picture in storm.png
	@$(BIN)/cachesim run hot-key --plot storm.png

test: lint ## style, types, layers, tests: everything but the slow ones (ARGS: for pytest)
	$(call check,pytest $(parallel) $(ARGS))

test-all: lint ## the same with the slow tests
	$(call check,pytest $(parallel) -m '' $(ARGS))

lint: .venv/.dev ## style, types and layers alone
	$(call check,ruff check)
	$(call check,ruff format --check)
	$(call check,mypy)
	$(call check,lint-imports)

# On PATH, or where pyenv keeps them.
pythons: .venv/.dev ## set up .venv-3.x for each other Python found: tests then compare digests between versions
	@for version in 3.12 3.13 3.14; do \
		for python in $$(command -v python$$version) $$(ls -d $$HOME/.pyenv/versions/$$version.*/bin/python 2>/dev/null); do \
			test ! -e .venv-$$version/bin/cachesim || break; \
			$$python -c 'import ensurepip' 2>/dev/null || continue; \
			echo "Installing cachesim into .venv-$$version"; \
			$$python -m venv .venv-$$version && .venv-$$version/bin/python -m pip install --quiet \
				--disable-pip-version-check "$$($(BIN)/python -m pip freeze | grep -i '^numpy==')" --editable . || exit 1; \
		done; \
	done

bench: .venv/.dev ## each figure as a ratio against a named baseline
	@$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove .venv and all that the targets above leave behind
	rm -rf .venv .venv-3.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist storm.png
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -prune -exec rm -rf {} +

# A process more than there are processors, for the browser's tests wait a lot; a file's tests in one of them, with what
# they set up once; in the order of the files, so that the browser's, which are few and take long, do not come last.
parallel = -n $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --dist loadfile --no-loadscope-reorder

# A tool of .venv; when it fails, make stops with a line that says at which.
check = @echo "── $(strip $(1))"; $(BIN)/$(1) || { echo "make $@: stopped at: $(strip $(1))" >&2; exit 1; }

# A stamp says what is installed, as of which pyproject.toml. Each holds the ones before it: core, lab, dev.
install = @echo "Installing $(1) into .venv (a few minutes the first time)"; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '$(2)'

.venv/.core: pyproject.toml | $(BIN)/python
	$(call install,cachesim,.)
	@touch $@

.venv/.lab: pyproject.toml | $(BIN)/python
	$(call install,cachesim and JupyterLab,.[lab])
	@touch .venv/.core $@

.venv/.dev: pyproject.toml | $(BIN)/python
	$(call install,cachesim and what its tests need,.[dev])
	@touch .venv/.core .venv/.lab $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo 'cachesim needs Python 3.11 or newer. Name one that you have: make PYTHON=python3.12 $(MAKECMDGOALS)' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

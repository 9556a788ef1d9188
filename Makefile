# Everything a developer does here. Each target sets up what it needs; nothing asks a question.
.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
# Tools of the environment first, also for the programs that tests start (node, headrace).
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
ARGS ?=

.PHONY: help setup run test lint check format bench docs lock clean

help: ## say what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile | expand -t 16

setup: ## bring .venv up to date with all that development needs
	@scripts/setup test

run: ## start the gateway and its page; ARGS="--port 5000" passes options
	@scripts/setup run
	@exec $(BIN)/headrace serve $(ARGS)

test: ## all tests: the sans-IO core at 100 % branch coverage, then everything
	@scripts/setup test
	@$(RUN) scripts/test

lint: ## formatting, lint, types, import laws
	@scripts/setup dev
	@$(RUN) scripts/lint

check: lint test ## lint, then test

format: ## format the code and mend what ruff can
	@scripts/setup dev
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix

bench: ## measure what an event costs; ARGS="--quick" for a smoke test
	@scripts/setup dev
	@$(BIN)/python -m bench.decode
	@$(BIN)/python -m bench.replay
	@$(BIN)/python -m bench.clients $(ARGS)

docs: ## build the documentation into build/docs
	@scripts/setup dev
	@$(BIN)/sphinx-build -W --keep-going -q -d build/doctrees docs build/docs
	@echo "docs: build/docs/index.html"

lock: ## compile requirements/*.txt from pyproject.toml; ARGS=--upgrade takes the newest
	@scripts/setup run
	@scripts/lock $(ARGS)

clean: ## remove .venv and all that was built
	@rm -rf .venv .setup.lock* build dist .cache .coverage .coverage.* htmlcov \
		.pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache
	@find src tests bench docs -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

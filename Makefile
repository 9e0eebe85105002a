# Each target does its own set-up in .venv: Python 3.11 or newer, pip, make and git are all that a bare machine needs.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?=
export PYTHON

BIN := .venv/bin
RUNTIME := .venv/.runtime
DEV := .venv/.dev

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(RUNTIME): pyproject.toml constraints.txt scripts/venv
	@scripts/venv .venv -e '.[all]'
	@touch $@

$(DEV): $(RUNTIME) requirements-dev.txt
	@scripts/venv .venv -r requirements-dev.txt
	@$(BIN)/python scripts/fetch_regress_sql.py || echo "PostgreSQL's regression SQL could not be had: its test will be skipped"
	@touch $@

.PHONY: demo
demo: $(RUNTIME) ## Watch the real server at work on a throwaway shop
	@$(BIN)/python -m pgwarden demo

.PHONY: test
test: $(DEV) ## Run every test
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile

.PHONY: coverage
coverage: $(DEV) ## Run every test and report which lines of the package they reach in their own process
	@$(BIN)/coverage run -m pytest -q
	@$(BIN)/coverage report

.PHONY: lint
lint: $(DEV) ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

.PHONY: types
types: $(DEV) ## Check types
	@$(BIN)/mypy

.PHONY: check
check: lint types test ## Everything that must be green

.PHONY: format
format: $(DEV) ## Rewrite the files in the agreed format
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format --quiet .

.PHONY: clients
clients: ## Install real MCP clients from npm, for the tests that use them
	@npm install --prefix .clients --no-audit --no-fund --silent node@26 @modelcontextprotocol/inspector@latest \
		@anthropic-ai/claude-code@latest @modelcontextprotocol/sdk@latest

.PHONY: bench
bench: $(DEV) ## Measure
	@$(BIN)/python -m benchmarks

.PHONY: clean
clean: ## Remove the environment and every cache
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

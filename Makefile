# One line per command: `make help`.
SHELL := /bin/sh
PYTHON ?= python3
PORT ?= 8000
ARGS ?=
RUN := .venv/bin/python
export PORT
# Where the environment forbids bytecode, each of the many processes would compile all of Lamina for itself.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo run test check lint types imports format styles bench validation lock soak clean setup setup-test

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: setup ## Set up, then tell the whole story; ARGS="--exit" stops when the device is released
	@$(RUN) manage.py demo --port $(PORT) $(ARGS)

run: setup ## Set up, then run Lamina in this terminal; PORT changes the port
	@$(RUN) manage.py up --port $(PORT)

test: setup-test ## Set up, then run every test against real servers; ARGS="tests/mes -k name" narrows
	@$(RUN) -m pytest -n auto --dist worksteal $(ARGS)

check: setup-test ## What a change must pass; the tests run beside the rest
	@$(MAKE) --no-print-directory --jobs=2 test lint types imports

lint: setup-test ## Style and mistakes
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .

types: setup-test ## Types, strictly
	@$(RUN) -m mypy .

imports: setup-test ## Who may import whom
	@.venv/bin/lint-imports

format: setup-test ## Rewrite the code in the house's style
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

bench: setup-test ## Measure
	@$(RUN) -m benchmarks $(ARGS)

validation: setup-test ## Run every test and write the evidence: traceability matrix, IQ and OQ of this installation
	@mkdir -p var/validation && rm -f var/validation/tests.xml
	@$(RUN) -m pytest -n auto --dist worksteal --junitxml=var/validation/tests.xml || { test $$? -eq 1 \
		&& echo "Some tests failed: the matrix says which." || { echo "The tests did not run: no evidence is written."; exit 1; }; }
	@$(RUN) manage.py validation --results var/validation/tests.xml --out var/validation

soak: setup-test ## The long tests: faults for minutes, big data sets
	@$(RUN) -m pytest -m slow $(ARGS)

styles: setup-test ## Cut the styles of Tabler down to what the pages use
	@node deploy/styles.mjs > var/tabler.css && mv var/tabler.css mes/static/lamina/css/tabler.css

lock: setup-test ## Resolve requirements*.in and package.json again, with hashes
	@$(RUN) deploy/setup.py lock

clean: ## Remove what can be made again; var/, the data, stays
	@rm -rf .venv node_modules static-root .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -type d -not -path './var/*' -prune -exec rm -rf {} +

setup:
	@$(PYTHON) deploy/setup.py run

setup-test:
	@$(PYTHON) deploy/setup.py test

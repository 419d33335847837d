# Each target is a thin call; the commands behind them work without make as well.
PYTHON ?= python3

.PHONY: demo check test bench faults format clean

demo: ## The whole story on stand-ins, on this machine
	$(PYTHON) -m bot demo

check: ## Everything that CI runs
	$(PYTHON) -m tests

test: ## Only the tests, without lint, types and coverage
	$(PYTHON) -m tests tests

bench:
	$(PYTHON) -m tests tests/bench

faults:
	$(PYTHON) -m tests tests/faults

format:
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

clean: ## Everything that git does not track and ignores
	git clean -fdXq

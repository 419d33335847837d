# Each target is a thin call; the commands behind them work without make as well.
# `python3 -m bot` and `python3 -m tests` make .venv by themselves; once it is there it has the tools too.
PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)

.PHONY: demo check test bench faults format clean

demo: ## The whole story on stand-ins, on this machine
	$(PYTHON) -m bot demo

check: ## Everything that CI runs
	$(PYTHON) -m tests

test: ## Only the tests, without lint, types and coverage
	$(PYTHON) -m tests tests

bench: ## How fast the config repo is written, and the whole bot is, beside floors measured in the same run
	$(PYTHON) -m tests.bench.config_repo
	$(PYTHON) -m tests.bench.whole

faults: ## Kill, cut off and mislead the bot, and count what that did: see docs/reliability.md
	$(PYTHON) -m tests.faults

format: ## Format, and mend what ruff can mend by itself
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .

clean: ## Everything that git does not track and ignores
	git clean -fdXq

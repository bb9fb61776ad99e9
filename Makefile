# SPDX-License-Identifier: Apache-2.0
# Everything a person or a server runs here. It needs python3 (3.11 or newer) and make, and nothing else.
#
# MICROPYTHON=path picks another interpreter for the unit tests and the simulated board.
# TESTS=… and ARGS=… go to pytest: make test TESTS=tests/unit ARGS='-x -k replay'.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
FRESH  := $(VENV)/fresh
TESTS  ?=
ARGS   ?=

# Firmware is checked with a board's modules in place of CPython's library, and with the simulated radio's aioble.
STUBS  := $(VENV)/stubs
FIRMWARE_PATH := firmware:tests/stubs:$(STUBS)
MYPY_FIRMWARE = $(BIN)/mypy --custom-typeshed-dir $(STUBS) --no-site-packages --follow-imports silent

.DEFAULT_GOAL := help
.PHONY: help setup lint test slow clients faults mutants coverage count stretches benchmark publish bench demo flash size heap schema stage package clean

ifneq ($(MICROPYTHON),)
export MICROPYTHON
endif

help: ## list these targets
	@$(PYTHON) -c 'import re; [print(f"make {n:<10}{t}") for n, t in re.findall(r"(?m)^([a-z]+):.*?## (.+)$$", open("Makefile").read())]'

# A name that is not there is told, also when .venv needs nothing: whoever gives one wants to have it used.
HAVE_PYTHON = command -v $(PYTHON) >/dev/null || { \
  echo "There is no $(PYTHON) here. Give the name or the path of a Python 3.11 or newer: make setup PYTHON=…" >&2; exit 1; }
PIP_LOG := $(VENV)/pip.log
PIP_INSTALL = $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input install
NO_NETWORK := from versions: none|connection broken|(Connection|Connect|Timeout|Proxy|SSL|NameResolution)Error
PIP_FAILED = { if grep -qE '$(NO_NETWORK)' $(PIP_LOG); \
  then echo "The packages could not be downloaded. Is there a network? If it needs a proxy set HTTPS_PROXY, if it has a" \
    "mirror PIP_INDEX_URL, and run make setup again ($(PIP_LOG) has what pip said)." >&2; \
  else echo "The packages could not be installed; $(PIP_LOG) says why." >&2; fi; exit 1; }

setup: $(FRESH) ## make .venv (every other target does it when it is needed)
	@$(if $(filter command,$(firstword $(origin PYTHON))),$(HAVE_PYTHON))

$(FRESH): pyproject.toml
	@$(HAVE_PYTHON)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Latchkey needs Python 3.11 or newer; $(PYTHON) is not. Try: make PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV): a minute or two, once."
	@rm -rf $(STUBS)
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "Python's venv module does not work here (on Debian and Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@$(PIP_INSTALL) --editable '.[dev]' >$(PIP_LOG) 2>&1 || $(PIP_FAILED)
	@$(BIN)/python -c 'import tomllib; settings = tomllib.load(open("pyproject.toml", "rb")); \
	  print(*settings["dependency-groups"]["stubs"], sep="\n")' > $(VENV)/stubs.txt
	@$(PIP_INSTALL) --target $(STUBS) -r $(VENV)/stubs.txt >$(PIP_LOG) 2>&1 || $(PIP_FAILED)
	@touch $@

lint: setup ## ruff, who imports whom, and mypy strict over the host code, the firmware and each board
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet . || { echo "Not as the formatter writes it: run $(BIN)/ruff format" >&2; exit 1; }
	@$(BIN)/python -m host_tools.build.schema --check && $(BIN)/python -m host_tools.build.theirs --check
	@$(BIN)/mypy host_tools tests
	@said=$$(PYTHONPATH=firmware $(BIN)/lint-imports --no-cache --no-logo) || { echo "$$said"; exit 1; }
	@MYPYPATH=$(FIRMWARE_PATH):boards/UNIX/radio $(MYPY_FIRMWARE) firmware
	@for board in boards/*/; do \
	  MYPYPATH=$$board:$${board}radio:$(FIRMWARE_PATH) $(MYPY_FIRMWARE) $$board || exit 1; done

# Three at a time on two cores: half of what a test of a car takes is time in which both wait.
test: setup ## all tests, with the car simulated; of long sweeps a share: make test SEED=7 for another one
	@$(BIN)/python -m pytest -n 3 $(ARGS) $(TESTS)

slow: setup ## unit tests and bench suite on a simulated board that is slow on purpose: make slow RESTART=60
	@$(BIN)/python -m pytest --slow-board $(or $(RESTART),10) $(ARGS) $(or $(TESTS),tests/unit tests/bench)

clients: ## the newest client libraries from PyPI on a newer Python, and old ones: make clients CLIENTS=newest
	@$(PYTHON) tests/clients/newer.py $(CLIENTS)

# The files of which `make test` runs a share.
SWEEPS = tests/faults tests/vectors $(shell grep -rlE 'from tests.shares import|import Cuts' tests --include='test_*.py')

faults: setup ## all of the sweeps: every flash operation of every change and boot fails, and whatever else is tried (an hour)
	@FAULTS=all $(BIN)/python -m pytest -n 2 -o micropython_timeout=7200 -o timeout=7200 $(ARGS) $(or $(TESTS),$(SWEEPS))

mutants: setup ## is a firmware that is a little wrong noticed? (ARGS='--only session/', ARGS='--share 0.1')
	@$(BIN)/python -m tests.mutants $(ARGS)

coverage: setup ## which lines do the tests run? HTML and JSON in build/coverage
	@$(BIN)/python -m tests.coverage $(ARGS) $(TESTS)

count: setup ## instructions of P-256's native code on the boards' processors, and its speed beside the plain version
	@$(BIN)/python -m tests.native

stretches: setup ## the longest time that each deed of a car holds the loop, in an ESP32's instructions (a minute)
	@$(BIN)/python -m tests.stretches

benchmark: setup ## crypto, command path, look-ups, boot, heap, as ratios to a baseline (ARGS='--against ../other', ARGS=--help)
	@$(BIN)/python -m tests.benchmark $(ARGS)

publish: setup ## how fast an authority publishes 10,000 and 100,000 cars, and in how much memory (half an hour)
	@$(BIN)/python -m tests.publishing $(ARGS)

bench: setup ## the acceptance run: make bench PORT=/dev/ttyUSB0 (a simulated car without PORT)
	@$(BIN)/latchkey bench run $(if $(PORT),--port $(PORT)) $(ARGS) $(TESTS)

demo: setup ## the story: pair, reboot cold, unlock and start, with no server; the outage drill; and a car that is lent
	@$(BIN)/latchkey demo
	@$(BIN)/latchkey drill
	@$(BIN)/latchkey loan

flash: setup ## firmware onto a board: make flash BOARD=ESP32_GENERIC PORT=/dev/ttyUSB0
	@$(if $(and $(BOARD),$(PORT)),,echo "Say which board and which port: make flash BOARD=… PORT=… ($(notdir \
	  $(patsubst %/manifest.py,%,$(wildcard boards/*/manifest.py))))" >&2; exit 2)
	@$(BIN)/latchkey flash --board $(BOARD) --port $(PORT) $(ARGS)

size: setup ## bytes of each firmware module; fails over the budget
	@$(BIN)/python -m host_tools.build.size

heap: setup ## bytes of heap that a booted car takes, and what is left of a board's
	@$(BIN)/python -m host_tools.sim.heap $(MICROPYTHON)

schema: setup ## write anew what is generated: the firmware's schema, from the published descriptors and latchkey.proto; MicroPython's names
	@$(BIN)/python -m host_tools.build.schema && $(BIN)/python -m host_tools.build.theirs

stage: setup ## build/stage: the firmware as a board gets it, in text (for a MicroPython with it frozen in)
	@$(BIN)/python -c 'from host_tools.build import staging; print(staging.staged(), staging.staged_for_the_road())'

package: setup ## build/mip: what `mpremote mip install build/mip/package.json` puts on a board
	@$(BIN)/python -m host_tools.flash.mip

clean: ## remove what was built (not .venv)
	@rm -rf build .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Everything sets itself up: `make demo` and `make test` work on a fresh checkout.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help demo test fuzz chaos board lint hooks bench constraints sbom clean

help:
	@echo "make demo   the whole house, radio and cloud on this machine: gatewayd demo"
	@echo "make test   all tests"
	@echo "make fuzz   100,000 damaged messages of each kind to the daemon, and every decoder with atheris"
	@echo "make chaos  the daemon stopped at every 10 ms of its start and in 200 states, each part made to fail (two hours)"
	@echo "make board  the service on a real systemd, in a container of its own (root)"
	@echo "make lint   ruff, mypy --strict, the import contract"
	@echo "make hooks  the same before each commit (pre-commit)"
	@echo "make constraints, make sbom   the pinned dependencies, and their bill of materials"
	@echo "make bench  what is measured, side by side with peers, as ratios"

demo: $(VENV)/.demo
	$(BIN)/gatewayd demo

test: $(VENV)/.dev
	scripts/need mosquitto -o dbus-daemon nmcli dbusmock ip systemd-analyze
	$(BIN)/python -m pytest -n 4 --dist worksteal

# What strangers send: a million damaged datagrams into the decoder, 100,000 of each kind through the sockets of the
# daemon, then every decoder coverage-guided for FUZZ_SECONDS (atheris has wheels for x86-64).
FUZZ_SECONDS ?= 60

fuzz: $(VENV)/.fuzz
	scripts/need mosquitto
	FUZZ_DECODER=1000000 FUZZ_DATAGRAMS=100000 FUZZ_MESSAGES=100000 $(BIN)/python -m pytest -s --durations=0 \
		--durations-min=1 tests/journeys/test_hostile_bytes.py tests/provisioning/test_flood.py \
		tests/provisioning/test_datagrams.py::test_no_damaged_datagram_breaks_the_decoders
	$(BIN)/python -m fuzz --seconds $(FUZZ_SECONDS)

# It always ends: see tests/chaos/. The figures are in the log.
chaos: $(VENV)/.dev
	scripts/need mosquitto
	CHAOS_STEP_MS=10 CHAOS_STATES=200 CHAOS_DEMOS=20 CHAOS_FAULT_STEP_MS=10 \
		$(BIN)/python -m pytest -o log_cli=true --log-cli-level=info tests/chaos

# Its clean root is made once by debootstrap, in /var/cache/gatewayd-board (BOARD_CACHE).
board: $(VENV)/.dev
	scripts/need systemd-nspawn debootstrap mosquitto
	BOARD=1 $(BIN)/python -m pytest -o log_cli=true --log-cli-level=info tests/board

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

hooks: $(VENV)/.dev
	$(BIN)/pre-commit install

bench: $(VENV)/.dev
	scripts/need mosquitto
	$(BIN)/python -m bench

$(VENV)/bin/python:
	scripts/need venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.pinned: constraints.txt | $(VENV)/bin/python
	$(BIN)/pip install --quiet --require-hashes --requirement constraints.txt
	@touch $@

$(VENV)/.demo: setup.cfg $(VENV)/.pinned
	$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev: setup.cfg $(VENV)/.pinned
	$(BIN)/pip install --quiet --editable '.[demo,speed,qr,test,lint,bench]'
	@touch $@ $(VENV)/.demo

$(VENV)/.fuzz: $(VENV)/.dev
	$(BIN)/pip install --quiet --editable '.[fuzz]'
	@touch $@

# The pinned dependencies of the daemon, and a bill of materials (CycloneDX) made of them.
constraints: $(VENV)/.release
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --extra speed --extra qr --no-header \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file constraints.new setup.cfg
	(grep '^#' constraints.txt | head -n 2; cat constraints.new) > constraints.tmp
	mv constraints.tmp constraints.txt
	rm constraints.new

sbom: $(VENV)/.release
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements constraints.txt --output-file dist/gatewayd.cdx.json

$(VENV)/.release: setup.cfg | $(VENV)/bin/python
	$(BIN)/pip install --quiet '.[release]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache build *.egg-info

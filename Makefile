# Everything sets itself up: `make demo` and `make test` work on a fresh checkout.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help demo test fuzz lint hooks bench constraints sbom clean

help:
	@echo "make demo   the whole house, radio and cloud on this machine: gatewayd demo"
	@echo "make test   all tests"
	@echo "make fuzz   a million damaged datagrams, and 100,000 through the socket"
	@echo "make lint   ruff, mypy --strict, the import contract"
	@echo "make hooks  the same before each commit (pre-commit)"
	@echo "make constraints, make sbom   the pinned dependencies, and their bill of materials"
	@echo "make bench  what is measured, side by side with peers, as ratios"

demo: $(VENV)/.demo
	$(BIN)/gatewayd demo

test: $(VENV)/.dev
	scripts/need mosquitto -o dbus-daemon nmcli dbusmock ip systemd-analyze
	$(BIN)/python -m pytest

# What provisioning hears from strangers: a million damaged datagrams into the decoder, 100,000 through the socket.
fuzz: $(VENV)/.dev
	FUZZ_DECODER=1000000 FUZZ_DATAGRAMS=100000 $(BIN)/python -m pytest -s --durations=0 --durations-min=1 \
		tests/provisioning/test_flood.py \
		tests/provisioning/test_datagrams.py::test_no_damaged_datagram_breaks_the_decoders

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

# The pinned dependencies of the daemon, and a bill of materials (CycloneDX) made of them.
constraints: $(VENV)/.release
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --strip-extras --extra speed --extra qr --no-header \
		--no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file constraints.new setup.cfg
	(grep '^#' constraints.txt | head -n 2; cat constraints.new) > constraints.tmp
	mv constraints.tmp constraints.txt
	rm constraints.new

sbom: $(VENV)/.release
	mkdir -p dist
	$(BIN)/cyclonedx-py requirements constraints.txt --pyproject pyproject.toml --output-file dist/gatewayd.cdx.json

$(VENV)/.release: setup.cfg | $(VENV)/bin/python
	$(BIN)/pip install --quiet '.[release]'
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .cache build *.egg-info

# SPDX-License-Identifier: Apache-2.0
#
#   make demo    the article, told and proved on this machine        make test    lint and all tests
#   make bench   against Linux's bridge, its VXLAN and Open vSwitch  make setup   what the others do first by themselves
#   make fuzz    input that nobody has thought of                   make soak    an hour of churn under traffic
#
# ARGS=... goes to what is run: make test ARGS="tests/unit -k hostfile"

BIN := .venv/bin
BPF := src/vxnet/datapath/bpf
ARGS ?=

.PHONY: help setup demo demo-ovs demo-cluster test test-kernels hostile bench bench-ovs bench-scale bench-cluster \
  fuzz soak lint format wheel lock clean clean-all
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Debian packages, .venv, locked dependencies, vxnet itself; quick when all is there
	@scripts/setup
	@$(MAKE) --no-print-directory --silent $(BPF)/vxnet.bpf.o

# The editable install compiled it once; from then on it follows its sources.
$(BPF)/vxnet.bpf.o: $(wildcard $(BPF)/*.[ch]) hatch_build.py
	@echo "Compiling $@"
	@$(BIN)/python hatch_build.py

demo: setup  ## two hosts, learning, tenants, routed VTEPs: real packets, decoded by tshark (root)
	@$(BIN)/python -m demo $(ARGS)

demo-ovs: setup  ## the article's experiment by its own ovs-vsctl script; ARGS="--switch ovs" for the real one (root)
	@$(BIN)/python -m demo.ovs $(ARGS)

demo-cluster: setup  ## the article's cloud by the real openstack client: 5000 networks, two tenants, three hosts (root)
	@$(BIN)/python -m demo.cluster

test: lint  ## lint, then every test; those that need root are skipped without it, but fail when CI=true
	@$(BIN)/python -m pytest $(ARGS)

test-kernels: setup  ## the data plane's tests in Debian's 6.1 and 6.12, booted in qemu; long without KVM (root)
	@scripts/test-kernels

hostile: setup  ## attacks by tenants and VTEPs, and what who talks meanwhile loses and waits for (root)
	@$(BIN)/python -m pytest -q tests/host/test_hostile*.py $(ARGS)

bench: setup  ## packets/s, latency and streams beside the kernel's and Open vSwitch's; writes build/ (root)
	@$(BIN)/python -m bench $(ARGS)

bench-ovs: setup  ## 500 bridges from ovs-vsctl to forwarding, beside the real ovs-vswitchd; writes build/ (root)
	@$(BIN)/python -m bench.ovs $(ARGS)

bench-scale: setup  ## 100 000 segments, a million MACs, 2000 remotes, beside Linux's own; writes build/ (root)
	@$(BIN)/python -m bench.scale $(ARGS)

bench-cluster: setup  ## API requests/s, port create to first ping, 200 agents, memory; writes build/ (root)
	@$(BIN)/python -m bench.cluster $(ARGS)

fuzz: setup  ## a minute of random input for all that reads any; ARGS="--seconds 3600 programs api"; findings in build/ (root)
	@$(BIN)/python -m fuzz $(ARGS)

soak: setup  ## an hour of churn around machines that must not notice; ARGS="--seconds 900"; writes build/ (root)
	@$(BIN)/python -m soak $(ARGS)

lint: setup  ## ruff (all rules), its formatter, mypy (strict)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy --no-error-summary

format: setup  ## let ruff put right what it can
	@$(BIN)/ruff check --fix --exit-zero
	@$(BIN)/ruff format

wheel: setup  ## dist/vxnet-*.whl, with the compiled eBPF programs in it
	@$(BIN)/python -m hatchling build -t wheel

lock:  ## pin the dependencies of pyproject.toml anew (needs uv)
	$(LOCK) --group dev --output-file requirements-dev.lock pyproject.toml
	$(LOCK) --constraint requirements-dev.lock --no-annotate --output-file requirements.lock pyproject.toml
	$(LOCK) --no-annotate --output-file requirements-openstack.lock --group openstack

LOCK = uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock"

clean:  ## remove what builds, tests and benchmarks made
	rm -rf build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -path ./.venv -prune -o \( -name __pycache__ -o -name '*.bpf.o' \) -exec rm -rf {} +

clean-all: clean  ## clean, and the .venv
	rm -rf .venv

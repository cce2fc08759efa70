# Two commands on a fresh machine: `make demo` and `make test`. Each makes .venv by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
# command:Debian package
TOOLS := nft:nftables busybox:busybox ip:iproute2 unshare:util-linux nsenter:util-linux setpriv:util-linux conntrack:conntrack \
	iptables:iptables sshd:openssh-server ssh-keygen:openssh-client dropbear:dropbear-bin sudo:sudo
# For the tier vpn of the proof; its daemons are unpacked for its guest, and not installed.
VPN_TOOLS := qemu-system-x86_64:qemu-system-x86 openvpn:openvpn wg:wireguard-tools \
	wireguard-go:wireguard-go modprobe:kmod
PYTEST_JOBS ?= 3

.PHONY: help demo test test-fleet check format matrix bench wheel tools vpn-tools html-tools clean
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## demo    the whole story: compile, push to embedded routers, audit, prove by packets
demo: $(VENV)/run tools
	$(BIN)/passthru demo

## test    everything that CI runs: linters, types, layering, tests
test: check vpn-tools html-tools
	PATH="$(CURDIR)/$(BIN):$$PATH:/usr/sbin:/sbin" $(BIN)/python -m pytest --numprocesses $(PYTEST_JOBS) --dist worksteal --durations 25

## test-fleet  push to 500 embedded routers, 5 % of them faulty (three minutes)
test-fleet: $(VENV)/dev tools
	PASSTHRU_FLEET=500 $(BIN)/python -m pytest -s tests/fleet/test_five_hundred.py

## check   linters, types and the arrows between the rooms
check: $(VENV)/dev tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests benchmarks
	$(BIN)/lint-imports

## format  let ruff put the code into form
format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## matrix  write the support matrix, docs/targets.md
matrix: $(VENV)/run
	$(BIN)/passthru targets --output markdown >docs/targets.md

## bench   measure speed against peers (by hand; no test depends on a clock)
bench: $(VENV)/dev .venv-bench/peers tools
	$(BIN)/python -m benchmarks.compile
	PEERS=.venv-bench $(BIN)/python -m benchmarks.push
	$(BIN)/python -m benchmarks.audit
	$(BIN)/python -m benchmarks.datapath

## wheel   build the wheel
wheel: $(VENV)/dev
	$(BIN)/python -m build --wheel --no-isolation

## clean   remove everything that make made
clean:
	rm -rf $(VENV) .venv-bench build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "passthru needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
		|| { echo "python3 cannot make a virtual environment (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(PIP) setuptools

$(VENV)/run: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --no-build-isolation --editable '.[demo]'
	@touch $@

$(VENV)/dev: $(VENV)/bin/python pyproject.toml constraints.txt
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@ $(VENV)/run

# The benchmark goes on without a peer that cannot be installed.
.venv-bench/peers: benchmarks/push_peers/requirements.txt
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/python -m pip --disable-pip-version-check install --quiet --requirement $< \
		|| echo "going on without the peers" >&2
	@touch $@

# Tools from outside of Python: installed where we are root on Debian, named elsewhere.
tools:
	@missing=; for pair in $(TOOLS); do \
		PATH="$$PATH:/usr/sbin:/sbin" command -v "$${pair%%:*}" >/dev/null 2>&1 || missing="$$missing $${pair#*:}"; \
	done; \
	if [ -n "$$missing" ]; then \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
			echo "installing$$missing"; \
			sh .ci/install-tools $$missing >/dev/null || echo "could not install$$missing; going on without" >&2; \
		else \
			echo "missing$$missing: some checks are left out (Debian: apt-get install$$missing)" >&2; \
		fi; \
	fi

# The browser that the audit's page is tested in: once about 40 seconds and 300 MB.
html-tools:
	@$(MAKE) --no-print-directory tools TOOLS="chromium:chromium"

# What real VPN software needs (docs/proof-vpn.md): once about 20 seconds and 100 MB.
vpn-tools:
	@$(MAKE) --no-print-directory tools TOOLS="$(VPN_TOOLS)"
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then \
		sh compiler/prove/vpn/fetch.sh || echo "going on without the tier vpn" >&2; \
	fi

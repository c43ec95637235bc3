# Everything a newcomer needs: `make rehearse` and `make test`. Both do all the set-up first.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
PY := .venv/bin/python
PROVISION := .venv/bin/provision
CACHE ?= $(HOME)/.cache/provisioner
REPORT ?= .cache/rehearsal.json
COMMIT = $(shell .ci/commit)
WANTED := $(shell sed -e 's/\#.*//' debian-packages.txt)

# How tests are spread over processes: a file stays in one, for its tests share a service; they wait often, so there is
# one process more than there are processors. The order is that of tests/conftest.py.
PARALLEL ?= -n $(shell expr $$(nproc) + 1) --dist loadfile --no-loadscope-reorder

# Where an environment says that Python shall keep no byte code, each process compiles the program and its tests anew: 44 s of a
# processor for the tests alone, in each of pytest's processes, where reading them takes 16.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help packages venv setup quick unit test compiled lint scheduled rehearse rehearse-faults rehearse-matrix rehearse-gpus test-adversary test-examples test-model test-mutants test-strain test-crash test-diagnosis test-long test-roles accept-gpu bench image image-base image-seed image-mirror image-gate image-twice deb test-installed lock page-load page-screenshots golden clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 20

packages: ## install the Debian packages that are missing (needs root only if some are)
	@missing=$$(for p in $(WANTED); do dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null | grep -qx installed || echo $$p; done); \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" != 0 ]; then echo "These Debian packages are missing; as root: apt-get install $$(echo $$missing)" >&2; exit 1; fi; \
	  export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1; `# 1: no package may start a server here` \
	  apt-get update -q; \
	  apt-get install -qy --no-install-recommends -o Dpkg::Use-Pty=0 $$missing; \
	fi

.venv/.installed: requirements-dev.lock pyproject.toml
	@command -v python3 >/dev/null || { echo "python3 is missing: apt-get install python3" >&2; exit 1; }
	test -x $(PY) || python3 -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --no-compile --require-hashes -r requirements-dev.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(PY) -m compileall -q -j 0 .venv/lib >/dev/null || true `# as pip does, which takes one processor; some packages bring what is no Python 3`
	touch $@

venv: .venv/.installed ## the Python environment, every package pinned by hash

setup: packages venv ## Debian's packages and the Python environment

quick: venv ## lint and unit tests side by side, five minutes: what to run before each commit
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint unit

unit: venv ## the unit tests
	$(PY) -m pytest $(PARALLEL) -q tests/unit

test: setup ## all tests but the long ones; those that measure time run last, beside nothing
	@$(MAKE) --no-print-directory -j2 --output-sync=target lint compiled
	$(PY) -m pytest $(PARALLEL) -m "not long and not roles and not alone" -q $(ARGS)
	$(PY) -m pytest -m "alone and not long and not roles" -q $(ARGS)

compiled: venv # what each of pytest's processes would compile for itself
	@mkdir -p .cache
	@$(PY) -m pytest --collect-only -q -m "not long and not roles" >.cache/collected.log || { tail -n 40 .cache/collected.log; false; }

lint: venv ## ruff, mypy --strict and ansible-lint
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	cd ansible && PATH=$(CURDIR)/.venv/bin:$$PATH ansible-lint -q --offline

rehearse: setup ## deploy one QEMU host over PXE, from power-on to verified
	@mkdir -p $(dir $(REPORT))
	$(PROVISION) rehearse --cache $(CACHE) --report $(REPORT) --label "$(COMMIT)" $(ARGS)

rehearse-faults: setup ## the rehearsals with faults (about half an hour); the result is kept in tests/rehearsal/results
	$(PROVISION) rehearse --cache $(CACHE) --faults --label "$(COMMIT)" --report tests/rehearsal/results/faults.json $(ARGS)

rehearse-matrix: setup ## every firmware with every kind of disk (about half an hour); the result is kept there too
	$(PROVISION) rehearse --cache $(CACHE) --matrix --label "$(COMMIT)" --report tests/rehearsal/results/matrix.json $(ARGS)

GPUS_REPORT ?= tests/rehearsal/results/gpus.json
rehearse-gpus: setup ## eight stand-ins of GPUs on a deployed host, healthy and with each fault; ARGS=missing plays that one; the result is kept
	@mkdir -p $(dir $(GPUS_REPORT))
	$(PY) -m tests.rehearsal.gpus --cache $(CACHE) --label "$(COMMIT)" --report $(GPUS_REPORT) $(ARGS)

test-adversary: setup ## a stranger, a thief and a machine in another's place, at every door; prints what was tried
	$(PY) -m pytest -q tests/wire/adversary $(ARGS)

test-examples: setup ## what Hypothesis finds by chance: other examples than `make test` has, and fifty times as many
	HYPOTHESIS_PROFILE=chance $(PY) -m pytest $(PARALLEL) -m "hypothesis and not long and not roles" -o timeout=900 -q $(ARGS)

test-model: setup ## ten thousand runs of orders, clocks, machines and crashes against a statement of what may be written
	GUARD_RUNS=10000 $(PY) -m pytest -q tests/unit/deployment/test_guard_model.py $(ARGS)

test-mutants: setup ## faults planted in the guard, and in the judge of GPUs, one at a time: tests must find nine of ten, and 85 of 100; results are kept
	$(PY) -m tests.mutants --commit "$(COMMIT)" --result tests/rehearsal/results/mutants.json \
	  provisioner/deployment/guard.py tests/unit/deployment/test_guard.py
	$(PY) -m tests.mutants --commit "$(COMMIT)" --result tests/rehearsal/results/mutants-judge.json \
	  --at-least 85 --sample $(or $(SAMPLE),0) provisioner/verify/judge \
	  $(addprefix tests/unit/verify/test_,gpu_inventory.py judge.py verify.py ramdisk.py before_after.py manual.py)

test-strain: setup ## a thousand slow clients of each kind, five minutes each, beside machines and people (40 minutes)
	STRAIN_SECONDS=300 $(PY) -m pytest -v tests/wire/web/test_slow_clients.py $(ARGS)

test-crash: setup ## kill -9 of every process in every stage, power cuts of the state folder's disk; the result is kept in tests/rehearsal/results
	CRASH_KILLS=200 CRASH_RESUME=5 CRASH_CUTS=50 CRASH_COMMIT="$(COMMIT)" CRASH_REPORT=tests/rehearsal/results/crash.json \
	  $(PY) -m pytest -q -s tests/wire/daemon/test_kills.py tests/wire/state/test_power_cut.py $(ARGS)

test-diagnosis: setup ## causes injected at protocol level must be named while a deployment waits, slow healthy ones name none; the result is kept
	DIAGNOSIS_COMMIT="$(COMMIT)" DIAGNOSIS_REPORT=tests/rehearsal/results/diagnosis.json $(PY) -m pytest -q -s tests/wire/diagnosis $(ARGS)

# Nothing of it has run where this was written: there was no GPU. What it keeps is compared by eye, docs/burn-in.md says with what.
accept-gpu: venv ## collector and burn-in on this machine, which has an NVIDIA GPU, its driver and torch; ARGS="--out DIR -- --level standard"
	$(PY) -m tests.rehearsal.accept_gpu $(ARGS)

test-long: setup ## the tests that need QEMU or minutes
	$(PY) -m pytest -m long -q

scheduled: ## every long tier, one after the other; each one's output and result are kept in tests/rehearsal/results
	.ci/scheduled tests/rehearsal/results

test-roles: setup ## the golden image's roles, converged twice in chroots without network (about five minutes)
	$(PY) -m tests.roles.supplies $(CACHE) `# what needs the network comes first`
	CACHE=$(CACHE) tests/roles/enter.sh $(PY) -m pytest -m roles -q --durations=8 tests/roles

bench: setup ## imaging and boot services against their peers, side by side (root; hours); ARGS="B1 B12 --rounds 3 -o json"
	$(PY) -m bench $(ARGS)

# What the golden image is built from here: Debian's base image stands in for Ubuntu's ISO. IMAGE_ARGS= builds from the ISO.
IMAGE_ARGS ?= --debian
IMAGE_OUT ?= dist/image
# Everything else comes from the mirror of this lock. Its key is in the tree, for nobody trusts it: a key that is made anew would be
# another input, and the image another one.
IMAGE_LOCK ?= images/locks/debian-12.yml
IMAGE_MIRROR ?= $(CACHE)/mirror
MIRROR_KEY ?= tests/rehearsal/stand-in.mirror-key
export CHECKPOINT_DISABLE := 1

image-seed: venv ## the key and the seeds that `packer build` needs, in .cache/packer
	$(PY) -m provisioner.golden.seeds .cache/packer

image-base: venv ## Debian's base image for packer/debian-12-base.pkrvars.hcl, in .cache/packer
	$(PY) -m provisioner.golden.base .cache/packer $(CACHE)/base

image-mirror: setup ## the mirror from which images are built, from its lock; exit code 9: a locked package has left its archive
	$(PROVISION) mirror make --lock $(IMAGE_LOCK) --out $(IMAGE_MIRROR) --sign $(MIRROR_KEY)

image: image-mirror ## build the golden image in an air gap; its checksum must be the one that was recorded for the same inputs
	$(PROVISION) image build $(IMAGE_ARGS) --mirror $(IMAGE_MIRROR) --cache $(CACHE) --out $(IMAGE_OUT) --checksums images/checksums.json

image-gate: setup ## what CI asks of the golden image: one build, its checksum the recorded one; two where there is none
	$(PY) -m tests.rehearsal.image_gate --cache $(CACHE) --mirror $(IMAGE_MIRROR) --key $(MIRROR_KEY) -- $(IMAGE_ARGS)

image-twice: image-mirror ## two builds from clean must be the same bytes (long); the result is kept in tests/rehearsal/results
	$(PY) -m tests.rehearsal.image_twice --cache $(CACHE) --commit "$(COMMIT)" --result tests/rehearsal/results/image-twice.json -- $(IMAGE_ARGS) --mirror $(IMAGE_MIRROR)

deb: venv ## the Debian package, in dist/; its wheels are fetched once, by the hashes of requirements.lock
	$(PY) debian/build.py --out dist $(ARGS)

test-installed: setup ## the package twice with the same bytes, and in a QEMU machine with systemd (long); the result is kept there too
	INSTALLED_COMMIT="$(COMMIT)" INSTALLED_REPORT=tests/rehearsal/results/installed.json \
	  $(PY) -m pytest -m long -q -s tests/install tests/rehearsal/test_installed.py

lock: venv ## pin every dependency anew (needs uv)
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header pyproject.toml -o requirements.lock
	uv pip compile -q --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

page-load: setup ## how long pages take with 1,000 hosts, and what a hundred open ones cost; the result is kept
	$(PY) -m tests.wire.web.pages.programs.load tests/rehearsal/results/page-load.json "$(COMMIT)"

page-screenshots: setup ## draw the pages anew into docs/pages
	$(PY) -m tests.wire.web.pages.programs.screenshots docs/pages

golden: venv ## renew the golden files after a wanted change
	UPDATE_GOLDEN=1 $(PY) -m pytest $(PARALLEL) -q tests/unit

clean: ## remove what was built in this folder; caches in $(CACHE) stay
	rm -rf .venv .cache dist build

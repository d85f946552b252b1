# make demo   the main job on data that it makes itself
# make test   everything; CI runs this
# make campaign   what happens when things break: kills, full disks, damaged images, wrong options
# Both install what they need into .venv; PYTHON=... chooses the interpreter, VENV=... the folder.

VENV ?= .venv
# basicsr's own archive builds up to Python 3.12; from 3.13 on our installer repairs it.
PYTHON ?= $(shell for name in python3.12 python3.11 python3.10 python3 python; do \
	$$name -c 'import sys, venv, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null \
	&& echo $$name && break; done)
RUN := $(VENV)/bin/python
JOBS ?= 2
PYTEST_ARGS ?=

.PHONY: demo test campaign matrix lint docs clean

$(VENV)/installed: pyproject.toml setup.py segsr_arch/compat/install_basicsr.py
	@test -n "$(PYTHON)" || { echo "error: no Python 3.10 to 3.14 with the venv module was found; install one or give PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip "setuptools<82" wheel
	@echo "Installing torch and the rest (about 6 GB, one to five minutes) ..."
	$(RUN) -m pip install --quiet torch torchvision
	$(RUN) segsr_arch/compat/install_basicsr.py
	$(RUN) -m pip install --quiet --no-build-isolation -e ".[test]"
	touch $@

demo: $(VENV)/installed
	$(RUN) -m segsr_arch.cli.segsr demo

# One thread a process: several test processes with a thread a core each would wait for one another.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/installed
	$(RUN) -m pytest -n $(JOBS) $(PYTEST_ARGS)

# Breaks things at random for ten minutes; `make test` tries a tenth of it. CAMPAIGN_SEED=N breaks other things.
campaign: export OMP_NUM_THREADS = 1
campaign: export CAMPAIGN = 1
campaign: $(VENV)/installed
	$(RUN) -m pytest -n $(JOBS) -m campaign tests/campaign $(PYTEST_ARGS)

# The fast tests on the oldest supported versions and on the newest Python that is found; 12 GB, and long.
matrix:
	.ci/matrix

lint: $(VENV)/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy

# The documentation, as a folder of pages that opens from disk: site/index.html.
docs: $(VENV)/installed
	$(RUN) -m mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) .matrix demo site build dist *.egg-info

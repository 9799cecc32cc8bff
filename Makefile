# PRMLab. `make` alone says what there is. Everything runs from the project's own .venv.
# Scripts are started as `python -m`, so a folder whose name holds spaces works too.
.DEFAULT_GOAL := help
.PHONY: help setup lab test notebooks data models clean
PY := .venv/bin/python
AS_ROOT := $(shell [ "$$(id -u)" != 0 ] || echo --allow-root)

help:  ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

setup:  ## make .venv and install the pinned packages (the others do this by themselves)
	@sh scripts/setup.sh

lab: setup  ## open JupyterLab on notebook 00; LAB_ARGS="--no-browser --port 9999" is passed on
	@$(PY) -m jupyterlab notebooks/00_start_here.ipynb $(AS_ROOT) $(LAB_ARGS)

test: setup  ## run every test: unit, notebooks by two routes, browser
	@$(PY) scripts/run_tests.py $(TEST_ARGS)

notebooks: setup  ## rebuild and execute the notebooks from notebooks/src; ONLY="00 03" for some
	@$(PY) scripts/make_notebooks.py $(ONLY)

data: setup  ## remake the shared traces and the recorded runs in data/ from the models there
	@$(PY) scripts/make_data.py
	@$(PY) scripts/evaluate_models.py
	@if [ -d runs/traces ]; then $(PY) scripts/record_learning.py; \
	  else echo "learning.json is kept: it needs runs/traces, made by: make models"; fi
	@$(PY) scripts/make_manifest.py

models: setup  ## retrain the tiny models in data/models, stage by stage (two hours on two cores)
	@for stage in policy pick traces surprises base prm orm; do $(PY) scripts/make_models.py $$stage || exit 1; done
	@$(PY) scripts/make_manifest.py

clean:  ## remove what was built and cached here; .venv and data stay
	rm -rf build dist artefacts runs *.egg-info .pytest_cache .ruff_cache .hypothesis
	find prmlab scripts tests notebooks \( -name __pycache__ -o -name .ipynb_checkpoints \) \
	  -prune -exec rm -rf {} +

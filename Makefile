# SynGen's commands. `make demo`, `make test` and `make test-worker` make what they need themselves (tools/bootstrap.sh).
.PHONY: help demo test test-pure test-blender test-blender-all test-blender-5.0 test-blender-5.2 test-worker test-gui screenshots lint bench calibrate docs package repository venv venv-worker clean
SHELL := /bin/bash
PYTHON := .venv/bin/python

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 20

venv: ## .venv: Blender as a Python module and everything the other targets need
	@tools/bootstrap.sh .venv bpy-4.5 bpy-5.2

demo: venv ## the demo scene, aged, rendered and labelled: out/demo/overview.png
	$(PYTHON) examples/demo.py

test: lint test-pure test-blender ## every test, under .venv's Blender

test-pure: venv
	$(PYTHON) -m pytest tests/pure

test-blender: venv
	$(PYTHON) -m pytest tests/blender

test-blender-all: ## the tests marked `versions` under the other Blenders whose Python is on this machine
	@$(MAKE) --no-print-directory -k test-blender-5.0 test-blender-5.2

test-blender-5.0 test-blender-5.2: test-blender-%:
	@folder=.venv-bpy$(subst .,,$*); tools/bootstrap.sh --no-fetch $$folder bpy-$*; status=$$?; \
	if [ $$status = 3 ]; then echo "Blender $*: not tested, its Python is not on this machine"; exit 0; fi; \
	[ $$status = 0 ] && $$folder/bin/python -m pytest tests/blender -m versions

venv-worker: ## .venv-worker: the worker's Python with torch (gigabytes), and the weights of style transfer
	@tools/bootstrap.sh .venv-worker worker worker-3.13

test-worker: venv-worker ## the worker's tests, in that environment
	SYNGEN_TEST_WEIGHTS=$(CURDIR)/.venv-worker/weights/models .venv-worker/bin/python -m pytest tests/worker

test-gui: venv ## the walk through the window by clicks; BLENDER="command that starts Blender"
	@test -n "$(BLENDER)" || { echo 'Say which Blender: make test-gui BLENDER="blender"' >&2; exit 2; }
	$(PYTHON) tests/window/run.py $(BLENDER)

screenshots: venv ## the pictures of the window in docs/pictures; BLENDER as for test-gui, MODEL="a glTF", PHOTO="of rust"
	@test -n "$(BLENDER)" -a -n "$(MODEL)" -a -n "$(PHOTO)" || \
	    { echo 'make screenshots BLENDER="blender" MODEL=barrel.gltf PHOTO=rust.jpg' >&2; exit 2; }
	$(PYTHON) tests/window/screenshots.py --model $(MODEL) --photo $(PHOTO) $(BLENDER)

lint: venv ## ruff and mypy
	$(PYTHON) -m ruff check .
	@if $(PYTHON) -c 'import numpy, sys; sys.exit(numpy.__version__ >= "2")'; then $(PYTHON) -m mypy; \
	else echo "mypy: left out; the types are written against the stubs of numpy 1.26, so under Python 3.11"; fi

bench: venv ## the figures the project promises, one JSON line each; BENCH="names" for some of them
	@$(PYTHON) benchmarks/run.py $(BENCH)

calibrate: venv ## the filters' thresholds and their result, anew; SYNGEN_TEST_ASSETS names photographs and models
	$(PYTHON) benchmarks/calibrate.py

docs: venv ## docs/recipe.md and docs/errors.md, from the code
	$(PYTHON) -m syngen_addon.recipe > docs/recipe.md.part && mv docs/recipe.md.part docs/recipe.md
	$(PYTHON) tools/errors.py > docs/errors.md.part && mv docs/errors.md.part docs/errors.md

package: venv ## the extension's zips, one a platform, in dist/
	$(PYTHON) tools/package.py

repository: package ## dist/repository/: put it on any web server, and one address installs and updates the extension
	$(PYTHON) tools/repository.py

clean: ## what the targets made, but no environment
	rm -rf dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis

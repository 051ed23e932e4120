# Each target does its own set-up: an environment in .venv and a release build of the extension, both made once and made
# again only when their inputs change. All a machine needs is Python and Rust.

PYTHON ?= python3
DATA ?= digits

VENV := .venv
PY := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)/python
# maturin and PyO3 follow these: nobody else's activated environment may get the build.
export VIRTUAL_ENV := $(abspath $(VENV))
export PYO3_PYTHON := $(abspath $(PY))
export PIP_QUIET := 1
unexport CONDA_PREFIX PYTHONHOME PYTHONPATH

BUILD_INPUTS := Cargo.toml Cargo.lock pyproject.toml $(shell find rust -name '*.rs' -o -name Cargo.toml)
BUILT := $(VENV)/built.stamp
EXTENSION := $(MAKE) $(BUILT)
# The extension only links inside an interpreter, so it has no Rust tests of its own; the benches have none, and peers that
# take minutes to compile.
CRATES := --workspace --exclude rgrad-python --exclude rgrad-bench --locked
RUN := runs/$(basename $(notdir $(DATA)))

# Sanitizers and the fuzzer's coverage are options that a stable compiler takes only if it is told that it may. With an
# explicit target, build scripts and macros are built without them. Checks of addresses are calls, not code of their own at
# every access, which takes longer to compile than it saves.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
INSTRUMENTED = RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=address \
	-Cllvm-args=-asan-instrumentation-with-call-threshold=0 $(1)' cargo $(2) --locked --target $(HOST)
# What cargo-fuzz passes, but for the traces of comparisons: the data of these targets are drawn from, not parsed.
COVERAGE := -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
	-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing
FUZZ_SECONDS ?= 60

# How long, and from which seed on: another one every time.
SECONDS ?= 120
TESTS ?= tests
COUNT ?= 200
STEPS ?= 100000
START ?= $(shell date +%s)000

.PHONY: help demo test check lint format sanitize sanitize-python fuzz fuzz-programs fuzz-calls fuzz-files growth kills threads model miri stubs
.PHONY: bench wheel clean tools

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | awk -F '\t' '{printf "make %-13s %s\n", $$1, $$2}'

demo: $(BUILT) ## train softmax regression and an MLP on digits, with pictures (DATA=mnist, iris or a file for other data)
	$(PY) -m rgrad train $(DATA) --model softmax --out $(RUN)-softmax
	$(PY) -m rgrad train $(DATA) --model mlp --out $(RUN)-mlp

test: $(VENV)/checks.stamp ## run every test, and those that depend on the instruction set on each of this machine
	$(PY) scripts/suite.py --build '$(EXTENSION)'

check: test ## run every test on each instruction set of this machine, and the slow tests
	$(PY) scripts/suite.py --rest

sanitize: $(BUILT) ## run the kernels' tests with AddressSanitizer, once for each vector instruction set of this machine
	$(call INSTRUMENTED,,test --quiet --package rgrad-kernels --tests --target-dir target/sanitize --no-run)
	set -e; for isa in $$($(PY) -c 'from rgrad import _core; print(*_core.available_isas())'); do \
	[ $$isa = scalar ] || { echo "RGRAD_ISA=$$isa cargo test with AddressSanitizer"; RGRAD_ISA=$$isa \
	ASAN_OPTIONS=allocator_may_return_null=1 \
	$(call INSTRUMENTED,,test --quiet --package rgrad-kernels --tests --target-dir target/sanitize); }; done

growth: $(BUILT) $(VENV)/checks.stamp ## call each public thing STEPS=100000 times: memory must not grow
	RGRAD_GROWTH=$(STEPS) $(PY) -m pytest -q tests/test_growth.py

# The interpreter knows nothing of AddressSanitizer, so the compiler's runtime is loaded before it, as a library. The part that
# starts it earlier still is for programs. Leaks would be those of the interpreter.
sanitize-python: $(BUILT) $(VENV)/checks.stamp ## run the Python tests with AddressSanitizer in the extension (TESTS=tests)
	$(call INSTRUMENTED,,build --quiet --package rgrad-python --target-dir target/sanitize)
	rm -rf target/sanitize/runtime target/sanitize/python
	mkdir -p target/sanitize/runtime target/sanitize/python
	cd target/sanitize/runtime && ar x "$$(rustc --print target-libdir)"/librustc*_rt.asan.a && rm asan_preinit* && \
	$(CC) -shared -o libasan.so *.o -lpthread -ldl -lm -lrt -lstdc++
	cp -r python/rgrad target/sanitize/python
	rm -f target/sanitize/python/rgrad/_core*.so
	cp target/sanitize/$(HOST)/debug/librgrad_core.so target/sanitize/python/rgrad/_core.abi3.so
	LD_PRELOAD=$(CURDIR)/target/sanitize/runtime/libasan.so PYTHONMALLOC=malloc PYTHONPATH=target/sanitize/python \
	ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 $(PY) -m pytest -p no:cacheprovider $(TESTS)

threads: $(BUILT) ## let threads do different things at once and compare what they get (SECONDS=120)
	$(PY) tests/threads_at_work.py --seconds $(SECONDS) --seed $(START)

fuzz: | tools ## run the fuzz target of the matrix product (FUZZ_SECONDS=60)
	@:$(if $(shell $(CXX) --version 2>/dev/null),,$(error libFuzzer needs a C++ compiler, and $(CXX) is none: install g++ \
	or clang, or name one with CXX=...))
	CXX='$(CXX)' $(call INSTRUMENTED,$(COVERAGE),build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz)
	@mkdir -p fuzz/corpus/gemm fuzz/artifacts/gemm
	ASAN_OPTIONS=detect_odr_violation=0 target/fuzz/$(HOST)/release/gemm -max_total_time=$(FUZZ_SECONDS) \
	-len_control=0 -max_len=192 -timeout=60 -artifact_prefix=fuzz/artifacts/gemm/ fuzz/corpus/gemm

fuzz-programs: $(BUILT) ## run random programs eagerly, compiled and on each instruction set (SECONDS=120)
	PYTHONPATH=tests $(PY) -m programs --start $(START) --seconds $(SECONDS)

fuzz-calls: $(BUILT) ## call everything public with hostile arguments (SECONDS=120)
	$(PY) tests/hostile.py --count 100000000 --seconds $(SECONDS) --seed $(START)

kills: $(BUILT) ## end training and saving at random moments and look at what is left (COUNT=200)
	$(PY) tests/kills.py --count $(COUNT) --seed $(START)

fuzz-files: $(BUILT) ## draw files for every loader, sound and hostile, (SECONDS=120)
	$(PY) tests/fuzz_files.py --seconds $(SECONDS) --seed $(START)

# crossbeam, below rayon, keeps to tree borrows but not to stacked borrows; rayon's threads outlive the tests.
model: ## try the orders in which threads can run a region
	cargo test --release --locked --manifest-path model/Cargo.toml --target-dir target/model

miri: ## run the tests of kernels and engine in Miri (takes a nightly toolchain with the components miri and rust-src)
	MIRIFLAGS='-Zmiri-tree-borrows -Zmiri-permissive-provenance -Zmiri-ignore-leaks -Zmiri-num-cpus=2 \
	-Zmiri-deterministic-floats' cargo +nightly miri test $(CRATES) --tests

lint: $(BUILT) $(VENV)/checks.stamp ## check layout, lints, types, stubs and which room uses which
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --manifest-path fuzz/Cargo.toml --no-default-features --locked --target-dir target -- -D warnings
	cargo fmt --manifest-path model/Cargo.toml --check
	cargo clippy --manifest-path model/Cargo.toml --tests --locked --target-dir target/model -- -D warnings
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m mypy
	$(PY) scripts/rooms.py python/rgrad rust/engine/src rust/kernels/src
	$(PY) scripts/stubs.py --check
	$(PY) -m mypy.stubtest rgrad._core

format: $(VENV)/checks.stamp ## lay out all sources, and mend what ruff can mend
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml
	cargo fmt --manifest-path model/Cargo.toml
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

stubs: $(BUILT) $(VENV)/checks.stamp ## write the type stub of the extension from its sources
	$(PY) scripts/stubs.py

bench: $(BUILT) ## time kernels and training steps against the peers that are installed in .venv
	mkdir -p runs
	cargo bench -p rgrad-bench --locked --bench elementwise
	cargo bench -p rgrad-bench --locked --bench gemm -- --json $(CURDIR)/runs/gemm.json
	$(PY) benches/roofline.py runs/gemm.json runs/roofline.png
	$(PY) benches/imports.py
	$(PY) benches/dispatch.py
	$(PY) benches/kernels.py
	$(PY) benches/width_sweep.py
	$(PY) benches/compile.py
	$(PY) benches/train.py
	$(PY) benches/mnist.py

wheel: $(BUILT) ## build a wheel and an sdist into dist/
	$(PY) -m maturin build --release --locked --compression-level 9 --out dist
	$(PY) -m maturin sdist --out dist

clean: ## remove everything that the other targets made
	rm -rf fuzz/artifacts fuzz/corpus $(VENV) target dist runs .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -f python/rgrad/_core*.so python/rgrad/_core*.pyd

$(BUILT): $(BUILD_INPUTS) $(VENV)/demo.stamp | tools
	$(PY) -m maturin develop --release --locked
	@touch $@

# One file for each dependency group of pyproject.toml that is installed.
$(VENV)/%.stamp: pyproject.toml $(VENV)/pip.stamp | tools
	$(PY) -m pip install --group $*
	@touch $@

# pip installs groups from 25.1 on, and Python 3.11 comes with an older one.
$(VENV)/pip.stamp: | tools
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --upgrade 'pip>=25.1'
	@touch $@

# $(call newer,program,version): "yes" if the program runs and is at least that new. `Python 3.11.7` and
# `rustc 1.89.0 (…)` both have the version in their second word.
newer = $(shell $(1) --version 2>/dev/null | awk -v min=$(2) 'NR == 1 { split($$2, have, "."); split(min, need, "."); \
	if (have[1] > need[1] || have[1] == need[1] && have[2] + 0 >= need[2] + 0) print "yes" }')
# $(call need,program,version,advice): stops with one line unless the program is there and new enough.
need = $(if $(call newer,$(1),$(2)),,$(error rgrad needs $(1) $(2) or newer, and found $(or \
	$(shell $(1) --version 2>/dev/null | head -n 1),none): $(3)))

PYTHON_MIN := $(shell sed -n 's/^requires-python = ">=\([0-9.]*\)".*/\1/p' pyproject.toml)
RUST_MIN := $(shell sed -n 's/^rust-version = "\([0-9.]*\)".*/\1/p' Cargo.toml)
PYTHON_ADVICE := install it from https://www.python.org, or name another interpreter with PYTHON=...
RUST_ADVICE := install it from https://rustup.rs, or run `rustup update`

tools:
	@:$(call need,$(PYTHON),$(PYTHON_MIN),$(PYTHON_ADVICE))
	@:$(call need,rustc,$(RUST_MIN),$(RUST_ADVICE))
	@:$(call need,cargo,$(RUST_MIN),$(RUST_ADVICE))
	@:$(if $(shell $(PYTHON) -c 'import ensurepip, venv; print("yes")' 2>/dev/null),,$(error \
	rgrad needs the venv module of $(PYTHON): install your system's package for it, such as python3-venv))

# The everyday commands. Each is a line or two over CMake presets, which work by themselves too.
PREFIX ?= /usr/local
# A checkpoint of yours for `make run`; without one, a sample is made.
CHECKPOINT ?=
# How long each fuzzer runs.
FUZZ_SECONDS ?= 10
# Which benchmarks `make bench-one` runs: a name or a pattern.
NAME ?= *

build = cmake --preset $(1) >/dev/null && cmake --build --preset $(1)

.DEFAULT_GOAL := help

help:  ## Lists these commands.
	@awk -F ':.*## ' '/^[a-z ]+:.*## / {printf "make %-16s %s\n", $$1, $$2}' Makefile

dependencies:  ## Installs the Debian packages that are missing.
	@tools/install_dependencies $(packages)

run: dependencies  ## Builds and shows the tool on a sample, or on CHECKPOINT=path.
	$(call build,release)
	@tools/demo build/release/bin/tarn $(CHECKPOINT)

test: dependencies  ## Builds everything, checks the tree, fuzzes for a moment, runs all tests.
	@tools/check
ifneq ($(wildcard fuzz/*.cpp),)
	@$(MAKE) --no-print-directory fuzz
endif
	$(call build,dev)
	@tools/check build/dev
	ctest --preset dev

asan ubsan tsan: dependencies  ## Run all tests under a sanitizer.
	$(call build,$@)
	ctest --preset $@

fuzz: dependencies  ## Runs each fuzzer for FUZZ_SECONDS.
	$(call build,fuzz)
	TARN_FUZZ_SECONDS=$(FUZZ_SECONDS) ctest --preset fuzz

bench bench-one: export packages = python3-torch
bench: dependencies  ## Builds and runs all benchmarks; figures also go to build/bench/*.json.
	$(call build,bench)
	build/bench/bench/bin/figures
	build/bench/bench/bin/operations --json build/bench/operations.json

bench-one: dependencies  ## Runs the benchmarks of operations whose names match NAME.
	$(call build,bench)
	@build/bench/bench/bin/operations --only '$(NAME)'

install: dependencies  ## Installs headers, library and tool to PREFIX.
	$(call build,release)
	cmake --install build/release --prefix $(PREFIX)

format:  ## Formats all C++ files.
	git ls-files '*.h' '*.cpp' | xargs clang-format -i

tidy: dependencies  ## Looks for likely mistakes with clang-tidy.
	cmake --preset dev -B build/tidy -DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON >/dev/null
	run-clang-tidy -quiet -extra-arg=-Wno-unknown-warning-option -p build/tidy '/(src|cli|tests|bench)/'

clean:  ## Removes everything that was built.
	rm -rf build

.PHONY: help dependencies run test asan ubsan tsan fuzz bench bench-one install format tidy clean

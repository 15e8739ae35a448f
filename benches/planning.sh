#!/usr/bin/env bash
# Times of a second `run` of a finished experiment and of `plan`, for 1,000 cells, against a limit of 1 s.
# The fake worker runs the experiment, so that only the harness is measured. Writes results/bench/planning.csv.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
cargo build --quiet --release -p allround --bin allround --example fake_worker
target=${CARGO_TARGET_DIR:-target}
program=$(realpath "$target/release/allround")
ALLROUND_WORKER=$(realpath "$target/release/examples/fake_worker")
export ALLROUND_WORKER ALLROUND_STORE=.allround
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# 5 data sets x 4 scenarios x 5 models x 10 seeds = 1,000 cells.
{
    echo 'spec_version = 1'
    echo 'name = "thousand"'
    echo 'question = "How long does planning take?"'
    echo 'seeds = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]'
    for d in 1 2 3 4 5; do printf '[dataset.d%s.source.synthetic]\nusers = 100\nitems = 200\nworld_seed = %s\n' $d $d; done
    printf '[scenario.overall.overall]\n[scenario.cold.cold_items]\n[scenario.warm.warm_items]\n'
    printf '[scenario.few.few_shot]\nusers = 20\n'
    for m in sasrec gru4rec nextitnet ncf; do printf '[model.%s.%s]\ntrain.epochs = 1\ntrain.stop.fixed = {}\n' $m $m; done
    printf '[model.popularity.popularity]\n'
} > thousand.toml

# Median wall time of 11 runs of a command, in seconds.
median() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11; do
        local start end
        start=$(date +%s%N)
        "$@" > /dev/null 2>&1
        end=$(date +%s%N)
        echo $((end - start))
    done | sort -n | sed -n 6p | awk '{ printf "%.4f", $1 / 1e9 }'
}

"$program" check thousand.toml >&2
planned=$(median "$program" plan thousand.toml)
"$program" run --quiet thousand.toml > /dev/null
second=$(median "$program" run thousand.toml)
planned_after=$(median "$program" plan thousand.toml)
mkdir -p "$root/results/bench"
{
    echo 'what,cells,wall_s,target_s,target_over_wall'
    awk -v a="$planned" -v b="$second" -v c="$planned_after" 'BEGIN {
        printf "plan of an empty store,1000,%s,1,%.1f\n", a, 1 / a
        printf "plan of a finished experiment,1000,%s,1,%.1f\n", c, 1 / c
        printf "second run of a finished experiment,1000,%s,1,%.1f\n", b, 1 / b
    }'
} | tee "$root/results/bench/planning.csv"

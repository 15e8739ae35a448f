#!/usr/bin/env bash
# Tests on a real Slurm, which is started here and stopped afterwards. Without Slurm they are
# skipped, with a message.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! scripts/slurm-here.sh check; then
    echo "test-cluster: SKIPPED, no Slurm can be started here" >&2
    exit 0
fi
folder=$(mktemp -d /tmp/allround-slurm.XXXXXX)
trap 'scripts/slurm-here.sh stop "$folder"' EXIT
# Build first: jobs must not wait for the compiler.
cargo test -p allround --test cluster --no-run
scripts/slurm-here.sh start "$folder"
export SLURM_CONF=$folder/slurm.conf
# The controller is killed while no other test needs it.
cargo test -p allround --test cluster -- --test-threads=3 --skip a_killed_controller "$@"
cargo test -p allround --test cluster -- a_killed_controller

#!/usr/bin/env bash
# Checks and measures everything on a CUDA machine that has Python's torch 2.11 but no Rust and no network.
#
#   scripts/gpu-check.sh [DEVICE] [FOLDER]     DEVICE: cuda:0 (default) or cpu; FOLDER: results/gpu (default)
#
# Build with `make build examples` elsewhere (x86-64, Debian 12 or newer). Carry the clone along with target/release/allround,
# allround-worker, examples/parity and examples/lm_steps, and data/tokenizers/opt for the prompts of the experiment. PYTHON
# names the interpreter whose torch is used (python3); where it has transformers too, the speed is compared with it.
# SIZES names the OPT shapes (125m,1.3b,6.7b); less for a device with less memory.
# Leaves FOLDER/gpu.csv with every number, made from FOLDER/parity.csv, FOLDER/check.csv and FOLDER/gpu/ (the results of
# experiments/bench/gpu.toml), and FOLDER/device.txt.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

device=${1:-cuda:0}
out=${2:-results/gpu}
python=${PYTHON:-python3}
program=${PROGRAM:-target/release/allround}
worker=${WORKER:-target/release/allround-worker}
examples=${EXAMPLES:-target/release/examples}
sizes=${SIZES:-125m,1.3b,6.7b}
spec=experiments/bench/gpu.toml
say() { echo "gpu-check: $*" >&2; }

for needed in "$program" "$worker" "$examples/parity" "$examples/lm_steps"; do
  [ -x "$needed" ] || { say "no $needed: build it with \`make build examples\` and carry it here"; exit 2; }
done
if [ "$device" != cpu ]; then
  version=$("$python" -c 'import torch; print(torch.__version__)') || { say "$python has no torch; PYTHON names another interpreter"; exit 2; }
  case "$version" in
    2.11.*) ;;
    *) say "torch $version: the worker is built against LibTorch 2.11, and only that fits"; exit 2 ;;
  esac
  # LibTorch's own folder, and those of the CUDA libraries that its wheels bring.
  folders=$("$python" - <<'P'
import glob, os, torch
root = os.path.dirname(torch.__file__)
print(":".join([os.path.join(root, "lib"), *glob.glob(os.path.join(root, "..", "nvidia", "*", "lib"))]))
P
  )
  export LD_LIBRARY_PATH="$folders${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
fi
mkdir -p "$out"
{ uname -sr; nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv 2>/dev/null || true; } > "$out/device.txt"
name=$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -1 || true)

say "worker: $("$worker" --version)"
say "parity of every model, CPU against $device"
encoder=.assets/minilm
# Differences are reported at the end, after the measurements.
parity=0
if [ -d "$encoder" ]; then arguments=("$encoder"); else arguments=(); fi
timeout 120 "$examples/parity" "$device" "${arguments[@]}" | tee "$out/parity.csv" || parity=$?
"$python" - "$out/parity.csv" <<'P' || parity=1
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
bad = [row["model"] for row in rows if not float(row["largest_difference"]) <= float(row["allowed"]) * max(1, float(row["largest_value"]))]
sys.exit("gpu-check: no model was compared" if not rows else f"gpu-check: these differ from the CPU: {bad}" if bad else 0)
P

say "speed of OPT shapes $sizes at random weights"
dtype=bfloat16
timeout 200 "$python" benches/peers/stage2.py --program "$examples/lm_steps" --device "$device" --device-name "$name" \
  --shapes "opt-${sizes//,/,opt-}" --dtypes "$dtype" --rounds 1 --threads 8 --steps 6 --warm-up 2 --out "$out/check.csv" \
  || say "the measurement was cut off; $out/check.csv holds the rows that were measured before"

say "every backbone, both stages of A-LLMRec, LLM-Only and TALLRec"
# The models of gpu.toml are named after its sizes; those that are not asked for are left out.
exclude=
for pair in 125m:125m 1.3b:1b 6.7b:7b; do
  case ",$sizes," in *",${pair%:*},"*) continue ;; esac
  for method in allmrec llm-only tallrec; do exclude+="{ model = \"$method-${pair#*:}\" },"; done
done
set +e
timeout 200 "$program" run "$spec" --device "$device" --set name=gpu --worker "$worker" --out "$out" --store "$(mktemp -d)" ${exclude:+--set "matrix.exclude=[${exclude%,}]"} "${@:3}"
code=$?
"$python" benches/peers/gpu_summary.py "$out" --device-name "$name"
set -e
say "took $SECONDS s in all" | tee -a "$out/device.txt"
[ "$code" = 0 ] || say "the experiment ended with exit code $code; failures are rows of $out/gpu/cells.csv"
[ "$parity" = 0 ] || say "not every model equals the CPU's, or the comparison was cut off: $out/parity.csv"
exit $(( code != 0 ? code : parity ))

#!/usr/bin/env bash
# Checks and measures everything on a CUDA machine that has Python's torch 2.11 but no Rust and no network.
#
#   scripts/gpu-check.sh [--device cuda:0] [--out results/gpu] [--quick] [--steps LIST] [-- ARGUMENTS OF `allround run`]
#
# Steps, in order of worth, each with a time limit; together they take 10 minutes at most:
#   nets      outputs and gradients of every net, CPU against device: all CF models, language models with likelihoods, greedy
#             answers, bf16, fp16 and int8, the networks of A-LLMRec                             parity.csv
#   training  first losses of every method that is trained, CPU against device: BERT4Rec, HSTU, eSASRec, gBCE, MoRec, CTRL,
#             RECFORMER with its pre-training, both stages of A-LLMRec, LLM-SRec                 training.csv
#   race      CF training against padded PyTorch on the device, eager and compiled               race.csv
#   speed     language models against transformers                                               check.csv
#   stages    experiments/bench/gpu.toml: every stage, with its cost                             gpu/
# Every number is in FOLDER/gpu.csv after each step, so a run that is cut off leaves what it had.
#
# `--device cpu --quick` runs the same path on a machine without a GPU, with little of everything, in a minute; the stages
# are left out. Build with `make build examples` elsewhere (x86-64, Debian 12 or newer). Carry the clone along with
# target/release/allround, allround-worker, examples/parity (nets), examples/lm_steps (speed), and data/tokenizers/opt (stages);
# `--steps` splits the check where not all fit. PYTHON names the interpreter whose torch is used (python3); where it has
# transformers too, the speed is compared with it. SIZES names the OPT shapes (125m,1.3b,6.7b).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

device=cuda:0 out=results/gpu quick= steps=
say() { echo "gpu-check: $*" >&2; }
while [ $# -gt 0 ]; do
  case "$1" in
    --device) device=${2:?} && shift 2 ;;
    --out) out=${2:?} && shift 2 ;;
    --steps) steps=${2:?} && shift 2 ;;
    --quick) quick=--quick && shift ;;
    --) shift && break ;;
    *) say "\`$1\` is not an option; the head of this script lists them"; exit 2 ;;
  esac
done
if [ -z "$steps" ]; then
  steps=nets,training,race
  [ -n "$quick" ] || steps+=,speed,stages
fi
python=${PYTHON:-python3}
program=${PROGRAM:-target/release/allround}
worker=${WORKER:-target/release/allround-worker}
examples=${EXAMPLES:-target/release/examples}
sizes=${SIZES:-125m,1.3b,6.7b}
spec=experiments/bench/gpu.toml
wants() { case ",$steps," in *",$1,"*) return 0 ;; esac; return 1; }

for step in ${steps//,/ }; do
  case "$step" in
    nets) needed=$examples/parity ;;
    training | race | stages) needed=$program ;;
    speed) needed=$examples/lm_steps ;;
    *) say "there is no step \`$step\`: nets, training, race, speed, stages"; exit 2 ;;
  esac
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
# A step that fails or is cut off leaves its rows, and the next one begins.
failed=
summary() { "$python" benches/peers/gpu_summary.py "$out" --device-name "$name" >&2; }

if wants nets; then
  say "nets, CPU against $device"
  encoder=.assets/minilm
  arguments=()
  [ -d "$encoder" ] && arguments=("$encoder")
  timeout 100 "$examples/parity" "$device" "${arguments[@]}" > "$out/parity.csv" || failed+=" nets"
  "$python" - "$out/parity.csv" <<'P' || failed+=" nets"
import csv, sys
rows = list(csv.DictReader(open(sys.argv[1])))
bad = [row["model"] for row in rows if not float(row["largest_difference"]) <= float(row["allowed"]) * max(1, float(row["largest_value"]))]
sys.exit("gpu-check: no model was compared" if not rows else f"gpu-check: these differ from the CPU: {bad}" if bad else 0)
P
  summary
fi

if wants training; then
  say "training, CPU against $device"
  timeout 150 "$python" benches/peers/device_training.py --program "$program" --worker "$worker" --device "$device" $quick \
    --out "$out/training.csv" || failed+=" training"
  summary
fi

if wants race; then
  say "CF training against padded PyTorch"
  timeout 130 "$python" benches/peers/cf_race.py --program "$program" --worker "$worker" --python "$python" --device "$device" \
    $quick --out "$out/race.csv" || failed+=" race"
  summary
fi

if wants speed; then
  say "speed of OPT shapes $sizes at random weights"
  timeout 120 "$python" benches/peers/stage2.py --program "$examples/lm_steps" --device "$device" --device-name "$name" \
    --shapes "opt-${sizes//,/,opt-}" --dtypes bfloat16 --rounds 1 --threads 8 --steps 6 --warm-up 2 --out "$out/check.csv" \
    || failed+=" speed"
  summary
fi

if wants stages; then
  say "every backbone, both stages of A-LLMRec, LLM-Only and TALLRec"
  # The models of gpu.toml are named after its sizes; those that are not wanted are left out.
  exclude=
  for pair in 125m:125m 1.3b:1b 6.7b:7b; do
    case ",$sizes," in *",${pair%:*},"*) continue ;; esac
    for method in allmrec llm-only tallrec; do exclude+="{ model = \"$method-${pair#*:}\" },"; done
  done
  timeout 100 "$program" run "$spec" --device "$device" --set name=gpu --worker "$worker" --out "$out" --store "$(mktemp -d)" \
    ${exclude:+--set "matrix.exclude=[${exclude%,}]"} "$@" \
    || { say "failures are rows of $out/gpu/cells.csv"; failed+=" stages"; }
  summary
fi
echo "took $SECONDS s in all: $steps" >> "$out/device.txt"
say "took $SECONDS s in all"
[ -z "$failed" ] || { say "failed, cut off or different from the CPU:$failed; see $out"; exit 1; }

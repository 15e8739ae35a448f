#!/usr/bin/env bash
# Makes assets/small-lm anew by its experiment, experiments/assets/small-lm.toml. Some forty minutes on one core.
#
#   scripts/make-small-lm.sh [STORE]     STORE: where artefacts are kept (.allround)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=small-lm
store=${1:-.allround}
experiment=experiments/assets/$name.toml
[ -f "$experiment" ] || { echo "make-small-lm: no $experiment" >&2; exit 2; }
program=${PROGRAM:-target/release/allround}
[ -x "$program" ] || { echo "make-small-lm: no $program: build it with \`make build\`" >&2; exit 2; }
"$program" run "$experiment" --store "$store"
short=$("$program" plan "$experiment" --store "$store" | grep -o 'pretrain-lm  *[0-9a-f]*' | head -1 | grep -o '[0-9a-f]*$')
folder=$(echo "$store"/artefacts/pretrain-lm/"$short"*)
[ -f "$folder/model.safetensors" ] || { echo "make-small-lm: $folder holds no model" >&2; exit 1; }
mkdir -p "assets/$name"
for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
  cp "$folder/$file" "assets/$name/"
done
# What the copies are held against: the stage's key, and each file's digest.
cp "$folder/manifest.json" "assets/$name.json"
echo "make-small-lm: assets/$name ($(du -sh "assets/$name" | cut -f1)) is from $folder"

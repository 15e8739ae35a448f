#!/usr/bin/env bash
# Makes assets/small-lm anew by experiments/assets/small-lm.toml; the model that the quickstart reads. Minutes on two cores.
#
#   scripts/make-small-lm.sh [STORE]     STORE: where artefacts are kept (.allround)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

store=${1:-.allround}
program=${PROGRAM:-target/release/allround}
[ -x "$program" ] || { echo "make-small-lm: no $program: build it with \`make build\`" >&2; exit 2; }
"$program" run experiments/assets/small-lm.toml --store "$store"
short=$("$program" plan experiments/assets/small-lm.toml --store "$store" | grep -o 'pretrain-lm  *[0-9a-f]*' | head -1 | grep -o '[0-9a-f]*$')
folder=$(echo "$store"/artefacts/pretrain-lm/"$short"*)
[ -f "$folder/model.safetensors" ] || { echo "make-small-lm: $folder holds no model" >&2; exit 1; }
mkdir -p assets/small-lm
for file in config.json model.safetensors tokenizer.json tokenizer_config.json; do
  cp "$folder/$file" assets/small-lm/
done
# What the copies are held against: the stage's key, and each file's digest.
cp "$folder/manifest.json" assets/small-lm.json
echo "make-small-lm: assets/small-lm ($(du -sh assets/small-lm | cut -f1)) is from $folder"

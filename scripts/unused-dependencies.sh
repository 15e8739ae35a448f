#!/usr/bin/env bash
# Fails when a Cargo.toml declares a dependency that the package does not use.
#
# Builds cargo-machete into .tools/ the first time; skipped with a message where the registry cannot be reached.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

version=0.9.2
tool=.tools/bin/cargo-machete
say() { echo "unused-dependencies: $*" >&2; }

if [ "$("$tool" --version 2>/dev/null || true)" != "$version" ]; then
  say "installing cargo-machete $version into .tools/"
  if ! cargo install --quiet --locked --root .tools --target-dir target/tools "cargo-machete@$version"; then
    say "SKIPPED: cargo-machete could not be installed"
    exit 0
  fi
fi
"$tool" --skip-target-dir

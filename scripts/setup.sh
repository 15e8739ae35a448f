#!/usr/bin/env bash
# Makes `.libtorch/`: the LibTorch that the worker is built and run against.
#
#   scripts/setup.sh          the CPU set: three wheels, 0.6 GB to fetch
#   scripts/setup.sh --cuda   the whole set of wheels with CUDA 13.0, 4.7 GB
#
# Nothing is done when LIBTORCH already names a folder, or when `.libtorch/` is complete.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

torch=2.11.0
runtime=13.0.96
cupti=13.0.85
variant=cpu
for argument in "$@"; do
  case "$argument" in
    --cuda) variant=cuda ;;
    -h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup: unknown argument \`$argument\`; expected \`--cuda\`" >&2; exit 2 ;;
  esac
done
say() { echo "setup: $*"; }

# `.cargo/config.toml` sets LIBTORCH for cargo only, so a value seen here is the user's own.
if [ -n "${LIBTORCH:-}" ]; then
  [ -f "$LIBTORCH/lib/libtorch_cpu.so" ] || { echo "setup: LIBTORCH=$LIBTORCH has no lib/libtorch_cpu.so; unset it or correct it" >&2; exit 2; }
  say "LIBTORCH=$LIBTORCH is set; leaving it as it is"
  exit 0
fi

stamp="torch $torch $variant"
if [ "$(cat .libtorch/stamp 2>/dev/null || true)" = "$stamp" ]; then
  say ".libtorch/ holds $stamp already"
  exit 0
fi

# Debian packages are fetched only when the tool they bring is missing.
packages=()
command -v g++ >/dev/null || packages+=(g++)
command -v python3 >/dev/null || packages+=(python3)
command -v unzip >/dev/null || packages+=(unzip)
python3 -m pip --version >/dev/null 2>&1 || packages+=(python3-pip)
if [ "${#packages[@]}" -gt 0 ]; then
  say "installing ${packages[*]} with apt-get"
  if [ "$(id -u)" = 0 ]; then root=(); else root=(sudo); fi
  "${root[@]}" apt-get update -q
  "${root[@]}" apt-get install -y -q --no-install-recommends "${packages[@]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work" .libtorch.partial' EXIT
rm -rf .libtorch.partial
fetch() { python3 -m pip download -q --only-binary=:all: -d "$work/wheels" "$@"; }
if [ "$variant" = cuda ]; then
  say "fetching torch $torch with its CUDA libraries (4.7 GB)"
  fetch "torch==$torch"
else
  say "fetching torch $torch and two CUDA libraries that its CPU part refers to (0.6 GB)"
  fetch --no-deps "torch==$torch" "nvidia-cuda-runtime==$runtime" "nvidia-cuda-cupti==$cupti"
fi

say "unpacking"
mkdir -p "$work/site" .libtorch.partial/lib
for wheel in "$work"/wheels/*.whl; do
  case "$(basename "$wheel")" in
    torch-* | nvidia_* | nvidia-* | cuda_* | triton-*) unzip -q -o "$wheel" -d "$work/site" -x '*.pyc' ;;
  esac
done
mv "$work/site/torch/include" .libtorch.partial/include
if [ "$variant" = cuda ]; then
  mv "$work"/site/torch/lib/*.so* .libtorch.partial/lib/
else
  mv "$work"/site/torch/lib/{libtorch_cpu.so,libc10.so,libgomp.so.1} .libtorch.partial/lib/
  # torch-sys links `-ltorch`; without libtorch_cuda.so an empty library is all there is to link.
  echo 'void allround_empty_torch(void) {}' | gcc -shared -fPIC -x c - -o .libtorch.partial/lib/libtorch.so
fi
find "$work/site/nvidia" -name '*.so*' -type f -exec mv -t .libtorch.partial/lib {} + 2>/dev/null || true
echo "$stamp" > .libtorch.partial/stamp
rm -rf .libtorch
mv .libtorch.partial .libtorch
say ".libtorch/ holds $stamp ($(du -sh .libtorch | cut -f1))"

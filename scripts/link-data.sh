#!/usr/bin/env bash
# Links the data sets that the experiments name from a folder of your own into data/.
#
#   scripts/link-data.sh DIR
#
# DIR may hold any of the folders listed below, under these names. What is missing there is skipped, and what
# data/ holds already stays as it is.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case "${1:-}" in
  -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
  "") echo "link-data: name the folder that holds the data sets: scripts/link-data.sh DIR" >&2; exit 2 ;;
esac
[ -d "$1" ] || { echo "link-data: $1 is not a folder" >&2; exit 2; }
from=$(realpath "$1")

known=(amazon amazon2018 industrial lastfm luxury-beauty ml-100k ml-1m ml-latest-small scientific sequences tokenizers)
mkdir -p data
linked=0
for name in "${known[@]}"; do
  if [ -e "data/$name" ]; then
    echo "link-data: data/$name is already there"
  elif [ -e "$from/$name" ]; then
    # A broken link is replaced.
    ln -sfn "$from/$name" "data/$name"
    echo "link-data: data/$name -> $from/$name"
    linked=$((linked + 1))
  else
    echo "link-data: skipped $name: $from does not hold it"
  fi
done
echo "link-data: $linked new links"

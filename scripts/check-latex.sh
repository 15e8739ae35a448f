#!/usr/bin/env bash
# Compiles the LaTeX tables of experiments in one paper of two columns, and fails on any error, overfull box, undefined
# reference or label that two tables share.
#
#   scripts/check-latex.sh FOLDER...    results folders, such as results/quickstart results/industrial
#
# The tables are read as they are. The paper is left in target/latex. pdflatex is installed with apt-get if missing;
# LATEX=skip skips the check where that is not possible.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

say() { echo "check-latex: $*"; }
if [ $# = 0 ]; then
  say "expected results folders, such as results/quickstart" >&2
  exit 2
fi

if ! command -v pdflatex >/dev/null; then
  if [ "${LATEX:-}" = skip ]; then
    say "SKIPPED: pdflatex is missing" >&2
    exit 0
  fi
  say "installing texlive with apt-get"
  if [ "$(id -u)" = 0 ]; then root=(); else root=(sudo); fi
  "${root[@]}" apt-get update -q >/dev/null
  "${root[@]}" apt-get install -y -q --no-install-recommends texlive-latex-base texlive-latex-recommended >/dev/null
fi

paper=target/latex
rm -rf "$paper"
mkdir -p "$paper"
tables=0
{
  printf '%s\n' '\documentclass[10pt,twocolumn]{article}' '\usepackage[T1]{fontenc}' '\usepackage{booktabs}' \
    '\begin{document}' '\title{Tables}\author{allround}\maketitle'
  for folder in "$@"; do
    for table in "$folder"/tables/*.tex; do
      [ -e "$table" ] || { say "$folder has no tables" >&2; exit 2; }
      tables=$((tables + 1))
      cp "$table" "$paper/$tables.tex"
      label=$(sed -n 's/.*\\label{\(.*\)}.*/\1/p' "$table")
      [ -n "$label" ] || { say "$table has no label" >&2; exit 1; }
      printf '%s\n' "Table~\\ref{$label} has numbers of one experiment." "\\input{$tables}"
    done
    echo '\clearpage'
  done
  echo '\end{document}'
} > "$paper/paper.tex"

cd "$paper"
for _ in 1 2; do
  if ! pdflatex -interaction=nonstopmode -halt-on-error paper.tex >paper.out 2>fonts.out; then
    grep -A 6 '^!' paper.out >&2 || tail -20 paper.out >&2
    say "FAILED: pdflatex stopped" >&2
    exit 1
  fi
done
if grep -E -A 3 'Overfull \\[hv]box|undefined|multiply defined|Missing character|Float too large' paper.log >&2; then
  say "FAILED: see $paper/paper.log" >&2
  exit 1
fi
say "paper.pdf has $(grep -c '\\input' paper.tex) tables of $# experiments, without an overfull box"

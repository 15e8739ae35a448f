#!/usr/bin/env python3
"""Runs every comparison whose peer is installed, and prints one table of ratios: ours over the peer's, higher is better.

    benches/peers/run.py --python PYTHON [--rounds N] [--threads N] [--clock cpu] [NAME ...]

PYTHON is the interpreter with the peers' packages (torch, transformers, sentence-transformers, recbole). What is missing
is skipped with its reason, and the table shows the numbers of this run only. Each comparison writes results/bench/NAME.csv.
`make bench` builds the programs and runs this.
"""
import pathlib, subprocess, sys

from common import RESULTS, ROOT, parser, rows

FOLDER = pathlib.Path(__file__).resolve().parent
# Packages that the peer needs.
NEEDS = {
    "preparation": [],
    "sasrec": ["torch", "numpy"],
    "sequence_models": ["torch", "recbole"],
    "encoder": ["torch", "sentence_transformers"],
    "stage2": ["torch", "transformers"],
}
FILES = {"encoder": ROOT / ".assets/minilm"}


def missing(python, name):
    """Why a comparison cannot run; empty where it can."""
    check = "import importlib.util, sys; print(*[m for m in sys.argv[1:] if importlib.util.find_spec(m) is None])"
    run = subprocess.run([python, "-c", check, *NEEDS[name]], capture_output=True, text=True)
    if run.returncode:
        return f"{python} does not run"
    if run.stdout.strip():
        return f"{python} has no {', '.join(run.stdout.split())}"
    file = FILES.get(name)
    return "" if file is None or file.exists() else f"no {file.relative_to(ROOT)} (scripts/setup-minilm.sh)"


def table(found):
    lines = [["comparison", "what", "ours", "peer", "ratio"]]
    for name, row in found:
        what = " ".join([row["what"], row.get("shape", ""), row.get("dtype", "")]).strip()
        lines.append([name, what, row["ours"], row["peer"], row["ratio"]])
    widths = [max(map(len, column)) for column in zip(*lines)]
    for line in lines:
        text = [cell.ljust(width) for cell, width in zip(line[:2], widths)]
        number = [cell.rjust(width) for cell, width in zip(line[2:], widths[2:])]
        print("  ".join(text + number))


def main():
    cli = parser(__doc__)
    cli.add_argument("names", nargs="*", choices=[[], *NEEDS], help="comparisons to run; all by default")
    args = cli.parse_args()
    found, skipped = [], []
    for name in args.names or NEEDS:
        reason = missing(args.python, name)
        if not reason:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            command = [sys.executable, FOLDER / f"{name}.py", "--python", args.python, "--rounds", args.rounds,
                       "--threads", args.threads, "--clock", args.clock]
            run = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL)
            reason = f"failed with exit code {run.returncode}" if run.returncode else ""
        if reason:
            skipped.append(f"SKIPPED {name}: {reason}")
        else:
            found += [(name, row) for row in rows(RESULTS / f"{name}.csv")]
    if found:
        table(found)
    print(*skipped, sep="\n")
    sys.exit(any("failed" in line for line in skipped))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Runs the experiments that are held against published numbers, and prints published, measured and difference.

    scripts/published-numbers.py [EXPERIMENT.toml ...] [--dry-run]

Without arguments: experiments/published/*.toml and experiments/video-games.toml. An experiment whose data files are absent is
skipped by name. Exit code 1 when a number is missing or farther from the published one than its tolerance, and when none was compared. `--dry-run` reads results that
are there and runs nothing. Needs Python 3.11.
"""
import argparse, csv, pathlib, statistics, subprocess, sys, tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def files(value):
    """Every text in a data set's table that looks like a path."""
    if isinstance(value, dict):
        return [path for inner in value.values() for path in files(inner)]
    if isinstance(value, list):
        return [path for inner in value for path in files(inner)]
    return [value] if isinstance(value, str) and "/" in value else []


def measured(rows, expected):
    """Values over seeds of an expected value's cell; protocols in metrics.csv carry a fingerprint after a colon."""
    wanted = (expected["dataset"], expected.get("scenario", "overall"), expected["model"], expected["metric"], "test", "ok")
    return [
        float(row["value"])
        for row in rows
        if (row["dataset"], row["scenario"], row["name"], metric(row), row["split"], row["status"]) == wanted
        and row["protocol"].split(":")[0] == expected["protocol"]
    ]


def metric(row):
    return f"{row['metric']}@{row['k']}" if row.get("k") else row["metric"]


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("experiments", nargs="*", type=pathlib.Path)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--dry-run", action="store_true")
    args = cli.parse_args()
    defaults = [*sorted((ROOT / "experiments/published").glob("*.toml")), ROOT / "experiments/video-games.toml"]
    is_outside, compared = False, 0
    for path in args.experiments or defaults:
        spec = tomllib.loads(path.read_text())
        absent = [name for name in files(spec["dataset"]) if not (path.parent / name).exists()]
        if absent:
            print(f"SKIPPED {spec['name']}: no {absent[0]}; the head of {path.name} says where it comes from")
            continue
        if not args.dry_run:
            subprocess.run([args.program, "run", path], cwd=ROOT, check=True)
        place = path.resolve().relative_to(ROOT / "experiments").with_suffix("")
        results = ROOT / "results" / place / "metrics.csv"
        rows = list(csv.DictReader(results.open())) if results.exists() else []
        for expected in spec.get("expected", []):
            values = measured(rows, expected)
            name = f"{spec['name']} {expected.get('scenario', 'overall')} {expected['model']} {expected['protocol']} {expected['metric']}"
            seeds = len(spec["seeds"])
            if len(values) != seeds:
                print(f"MISSING  {name}: {len(values)} of {seeds} seeds in {results.relative_to(ROOT)}")
                is_outside = True
                continue
            compared += 1
            mean = statistics.fmean(values)
            difference = mean - expected["value"]
            is_within = abs(difference) <= expected["tolerance"]
            is_outside |= not is_within
            word = "within " if is_within else "OUTSIDE"
            print(
                f"{word}  {name}: {mean:.4f}, published {expected['value']:.4f}, "
                f"difference {difference:+.4f}, tolerance {expected['tolerance']}, {expected['source']}"
            )
    if compared == 0:
        print("nothing was compared")
    sys.exit(is_outside or compared == 0)


if __name__ == "__main__":
    main()

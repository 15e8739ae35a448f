#!/usr/bin/env python3
"""Everything that scripts/gpu-check.sh has measured in one file: FOLDER/gpu.csv from parity.csv, training.csv, race.csv, check.csv and gpu/.

    benches/peers/gpu_summary.py results/gpu --device-name "NVIDIA H200"

One row a number: `part` (parity, race, speed or stage), `subject` (a model, a shape or a cell), `what`, `value`, `unit`. What was
not measured has no row; a failure has a row with an empty value and its reason in `error`.
"""
import argparse, csv, pathlib


def read(path):
    """The rows of a CSV file; none where it is missing, since a run that was cut off leaves what it had."""
    if not path.exists():
        return []
    with path.open(newline="") as source:
        return list(csv.DictReader(source))


def parity(rows):
    for row in rows:
        yield ["parity", row["model"], "largest value", row["largest_value"], "", ""]
        yield ["parity", row["model"], "largest difference from the CPU", row["largest_difference"], "", ""]


def race(rows):
    for row in rows:
        yield ["race", row["model"], f"training: {row['side']}", row["sequences_per_s"], "sequences/s", row["error"]]


def speed(rows):
    units = [("ours", "ours", "1/s"), ("peer", "transformers", "1/s"), ("ratio", "ours over transformers", ""),
             ("peer_without_cudnn", "transformers without cuDNN's attention", "1/s"),
             ("ratio_without_cudnn", "ours over transformers without cuDNN's attention", ""),
             ("tokens_per_s", "tokens", "1/s"), ("share_of_peak", "share of the device's peak", "")]
    for row in rows:
        for column, name, unit in units:
            if row[column]:
                yield ["speed", row["shape"], f"{row['what']}: {name}", row[column], unit, row["error"]]
        if not row["ours"]:
            yield ["speed", row["shape"], f"{row['what']}: ours", "", "1/s", row["error"]]


def stages(rows, used):
    """The phases of all stages; a stage is named after the first cell that uses it."""
    cells = {}
    for row in used:
        cells.setdefault((row["kind"], row["key"]), row["cell"])
    units = [("wall_s", "s"), ("device_s", "s"), ("examples_per_s", "1/s"), ("peak_device_bytes", "bytes"), ("energy_j", "J"), ("params", ""),
             ("trained_params", "")]
    for row in rows:
        for column, unit in units:
            if row[column]:
                subject = cells[row["kind"], row["key"]]
                yield ["stage", subject, f"{row['kind']}, {row['phase']}: {column}", row[column], unit, ""]


def failures(rows):
    failed = {(row["cell"], row["error"]) for row in rows if row["status"] != "ok"}
    for cell, error in sorted(failed):
        yield ["stage", cell, "failed", "", "", error]


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("folder", type=pathlib.Path)
    cli.add_argument("--device-name", default="")
    args = cli.parse_args()
    rows = [*parity(read(args.folder / "parity.csv")), *parity(read(args.folder / "training.csv")),
            *race(read(args.folder / "race.csv")), *speed(read(args.folder / "check.csv")),
            *stages(read(args.folder / "gpu/stages.csv"), read(args.folder / "gpu/cell_stages.csv")),
            *failures(read(args.folder / "gpu/cells.csv"))]
    with (args.folder / "gpu.csv").open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["device_name", "part", "subject", "what", "value", "unit", "error"])
        writer.writerows([args.device_name, *row] for row in rows)
    print(f"{args.folder / 'gpu.csv'}: {len(rows)} numbers")


if __name__ == "__main__":
    main()

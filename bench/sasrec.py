#!/usr/bin/env python3
"""SASRec's training and evaluation speed against a padded PyTorch SASRec, one after the other on this machine.

    bench/sasrec.py                      both sides with 2 threads; writes results/bench/sasrec.csv
    bench/sasrec.py --peer PATH          the padded script; default: $ALLROUND_PEER_SASREC or ../shared/bench/torch_sasrec.py
    bench/sasrec.py --data FILE          `user item` lines; default: ../shared/data/sequences/video-games-2014.txt.gz

Both sides train with the paper's settings (width 50, two blocks, one head, 50 slots, dropout 0.5, batch 128, Adam,
one negative per position) and rank one target among 20. The rate of training is that of the best epoch on both sides,
so that the first one, which warms up, does not count; rounds alternate, and the median of each side is compared. Run it
on an idle machine. PyTorch is installed into a virtual environment in the user's cache, or taken from $PEER_PYTHON.
"""
import argparse
import csv
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Users that the padded script evaluates, which it does not print.
PEER_USERS = 10_000
# Least and desired ratio, ours over the peer's.
TARGETS = {"training": (6, 10), "evaluation": (20, 100)}
SPEC = """spec_version = 1
name = "sasrec-speed"
seeds = [1]
run.threads = {threads}
run.alone = true

[dataset.games.source.sequences]
path = "{data}"
form = "pairs"

[model.sasrec.sasrec]
preset = "paper"
train.epochs = {epochs}
train.stop.fixed = {{ validate_every = 0 }}

[protocol.speed]
candidates.uniform = {{ n = 19 }}
metrics = ["hit@1"]
max_users = {users}
"""


def peer_python():
    """An interpreter with torch and numpy, made once."""
    if given := os.environ.get("PEER_PYTHON"):
        return given
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    environment = cache / "allround-bench" / "torch-2.11.0"
    python = environment / "bin" / "python"
    if not (environment / "complete").exists():
        print(f"installing torch into {environment}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "torch==2.11.0", "numpy"], check=True)
        (environment / "complete").touch()
    return str(python)


def peer_rates(python, arguments):
    """Training sequences and evaluated users a second, and Hit@1, of the padded script."""
    command = [python, arguments.peer, str(arguments.data), "--epochs", str(arguments.peer_epochs)]
    command += ["--threads", str(arguments.threads), "--eval"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    out = json.loads(done.stdout)
    return {
        "training": out["sequences_per_s"],
        "evaluation": PEER_USERS / out["eval_s"],
        "hit@1": out["hit@1"],
    }


def our_rates(arguments):
    """The same of one run of the harness with an empty store."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        spec = folder / "sasrec-speed.toml"
        settings = {"threads": arguments.threads, "data": arguments.data}
        spec.write_text(SPEC.format(**settings, epochs=arguments.epochs, users=PEER_USERS))
        program = ROOT / os.environ.get("CARGO_TARGET_DIR", "target") / "release" / "allround"
        command = [program, "run", spec, "--quiet", "--store", folder / "store", "--out", folder / "out"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return read_rates(folder / "out")


def read_rates(out):
    """Rates from the CSV files below `out`."""
    epochs = [row for row in rows(out, "epochs.csv") if row["examples"]]
    timing = {row["phase"]: row for row in rows(out, "timing.csv")}
    hits = [row for row in rows(out, "metrics.csv") if row["metric"] == "hit" and row["split"] == "test"]
    return {
        "training": max(float(row["examples"]) / float(row["wall_s"]) for row in epochs),
        "evaluation": float(timing["evaluate"]["examples_per_s"]),
        "hit@1": float(hits[0]["value"]),
    }


def rows(out, name):
    """Rows of the one file called `name` below `out`."""
    (path,) = out.rglob(name)
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = ROOT.parent / "shared"
    peer = os.environ.get("ALLROUND_PEER_SASREC", shared / "bench" / "torch_sasrec.py")
    cli.add_argument("--peer", default=peer, type=pathlib.Path)
    cli.add_argument("--data", default=shared / "data/sequences/video-games-2014.txt.gz", type=pathlib.Path)
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--epochs", type=int, default=6, help="of ours in a round")
    cli.add_argument("--peer-epochs", type=int, default=2, help="of the padded script in a round")
    arguments = cli.parse_args()
    arguments.peer, arguments.data = arguments.peer.resolve(), arguments.data.resolve()
    for path in (arguments.peer, arguments.data):
        if not path.is_file():
            cli.error(f"`{path}` is not there")
    python = peer_python()
    subprocess.run(["cargo", "build", "--quiet", "--release"], cwd=ROOT, check=True)
    rounds = [(peer_rates(python, arguments), our_rates(arguments)) for _ in range(arguments.rounds)]
    path = ROOT / "results" / "bench" / "sasrec.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow("what,unit,threads,rounds,peer,ours,ratio,least,aim,peer_hit@1,ours_hit@1".split(","))
        for what, unit in (("training", "sequences/s"), ("evaluation", "users/s")):
            theirs, ours = (statistics.median(side[what] for side in sides) for sides in zip(*rounds))
            hits = [statistics.median(side["hit@1"] for side in sides) for sides in zip(*rounds)]
            ratio = round(ours / theirs, 2)
            line = [what, unit, arguments.threads, arguments.rounds, round(theirs, 1), round(ours, 1), ratio]
            writer.writerow([*line, *TARGETS[what], *hits])
    print(path.read_text(), end="")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""SASRec training and evaluation against padded PyTorch, one after the other on this machine, as ratios.

    python3 bench/sasrec.py --peer-python peer-env/bin/python

The peer is a padded SASRec in PyTorch that prints one JSON line (`--peer`); its interpreter needs torch and numpy.
Ours is the normal command on a spec that this script writes: the A-LLMRec paper's settings, Video Games, two threads.
On a machine that is busy with other work, `--processor-time` compares processor seconds of one thread instead: ours from
runs of one and of three epochs, whose difference is two epochs without start and evaluation.
"""
import argparse, csv, json, pathlib, resource, statistics, subprocess, tempfile

# Users of Video Games with at least two training items.
SEQUENCES = 30_711
SPEC = """
spec_version = 1
name = "sasrec-speed"
seeds = [1]
run = {{ threads = {threads}, cf_threads = {threads}, alone = true }}
[dataset.games]
source.sequences = {{ path = "{data}", form = "pairs" }}
[model.sasrec.sasrec]
preset = "paper"
train.epochs = {epochs}
[protocol.sampled]
candidates.uniform = {{ n = 19 }}
rules = "strict"
metrics = ["hit@1"]
"""


def ours(program, data, epochs, threads):
    with tempfile.TemporaryDirectory() as folder:
        spec = pathlib.Path(folder) / "speed.toml"
        spec.write_text(SPEC.format(data=data, epochs=epochs, threads=threads))
        command = [program, "run", str(spec), "--quiet", "--store", f"{folder}/store", "--out", f"{folder}/results"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        results = pathlib.Path(folder) / "results/sasrec-speed"
        rows = list(csv.DictReader((results / "timing.csv").open()))
        epoch_rows = list(csv.DictReader((results / "epochs.csv").open()))
        metrics = list(csv.DictReader((results / "metrics.csv").open()))
    best = max(float(row["examples"]) / float(row["wall_s"]) for row in epoch_rows if row["quantity"] == "loss")
    evaluate = next(row for row in rows if row["stage"] == "evaluate" and row["phase"] == "evaluate")
    return best, float(evaluate["examples_per_s"]), float(metrics[0]["value"])


def processor_seconds(program, data, epochs):
    """User and system seconds of a whole run, workers included."""
    def used():
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = used()
    ours(program, data, epochs, 1)
    return used() - before


def by_processor_time(args, data, root):
    """One row for results/bench/sasrec_processor.csv, medians of --rounds in turn."""
    clocked = "import time, runpy, sys; time.perf_counter = time.process_time; sys.argv = sys.argv[1:]; "
    clocked += "runpy.run_path(sys.argv[0], run_name='__main__')"
    mine, theirs = [], []
    for _ in range(args.rounds):
        spent = processor_seconds(str(args.program), data, 3) - processor_seconds(str(args.program), data, 1)
        mine.append(2 * SEQUENCES / spent)
        peer = [args.peer_python, "-c", clocked, str(args.peer), data, "--epochs", "1", "--threads", "1"]
        out = subprocess.run(peer, check=True, capture_output=True, text=True).stdout
        theirs.append(json.loads(out.splitlines()[-1])["sequences_per_s"])
    ratios = sorted(a / b for a, b in zip(mine, theirs))
    a, b, ratio = map(statistics.median, (mine, theirs, ratios))
    with (root / "results/bench/sasrec_processor.csv").open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["what", "ours", "peer", "ratio", "lowest_ratio", "highest_ratio", "threads"])
        what = "training sequences per processor second"
        writer.writerow([what, f"{a:.1f}", f"{b:.1f}", f"{ratio:.2f}", f"{ratios[0]:.2f}", f"{ratios[-1]:.2f}", 1])
    print(f"{what}: {a:.0f} against {b:.0f}, ratio {ratio:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--peer", default=root / "../shared/bench/torch_sasrec.py")
    cli.add_argument("--peer-python", default="python3")
    cli.add_argument("--data", default=root / "../shared/data/sequences/video-games-2014.txt.gz")
    cli.add_argument("--program", default=root / "target/release/allround")
    cli.add_argument("--epochs", type=int, default=3)
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--rounds", type=int, default=3, help="times that both sides are measured, in turn; medians are told")
    cli.add_argument("--processor-time", action="store_true", help="processor seconds of one thread")
    args = cli.parse_args()
    data = str(pathlib.Path(args.data).resolve())
    if args.processor_time:
        return by_processor_time(args, data, root)
    peer = [args.peer_python, str(args.peer), data, "--epochs", str(args.epochs), "--threads", str(args.threads), "--eval"]
    measured = {"training sequences/s": [], "evaluation users/s, 1 + 19 candidates": []}
    for _ in range(args.rounds):
        # Both sides tell the fastest of as many epochs.
        theirs = json.loads(subprocess.run(peer, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
        train, evaluate, _ = ours(str(args.program), data, args.epochs, args.threads)
        # The peer's evaluation measures its first 10,000 users.
        pairs = [(train, theirs["sequences_per_s"]), (evaluate, 10_000 / theirs["eval_s"])]
        for rows, pair in zip(measured.values(), pairs):
            rows.append(pair)
    out = root / "results/bench/sasrec.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["what", "ours", "peer", "ratio", "lowest_ratio", "highest_ratio", "threads", "rounds"])
        for what, pairs in measured.items():
            mine, other = (statistics.median(side) for side in zip(*pairs))
            ratios = sorted(a / b for a, b in pairs)
            told = [statistics.median(ratios), ratios[0], ratios[-1]]
            writer.writerow([what, f"{mine:.1f}", f"{other:.1f}", *(f"{ratio:.2f}" for ratio in told), args.threads, args.rounds])
            print(f"{what}: {mine:.1f} against {other:.1f}, ratio {told[0]:.2f} ({told[1]:.2f} to {told[2]:.2f})")


if __name__ == "__main__":
    main()

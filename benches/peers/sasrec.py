#!/usr/bin/env python3
"""SASRec: training and ranking against padded PyTorch (torch_sasrec.py), in turn on this machine.

    benches/peers/sasrec.py --python PYTHON_WITH_TORCH --seeds 4

Both sides read the same file of sequences, made on the spot with the counts of Amazon Video Games 2014 (31,013 users,
23,715 items, 9.3 items a user); `--data` names another. Ours is the normal command with the A-LLMRec paper's settings and
its usual one thread a CF model; the peer has `--threads`. `--seeds` also measures a matrix of seeds, as many at once as
there are threads: its speed is the sequences of six epochs by the wall seconds that these add to a run of one epoch.
Of the epochs the fastest counts, on both sides. With `--clock cpu`, ours is the difference between runs of three epochs
and of one. Writes results/bench/sasrec.csv.
"""
import pathlib, tempfile, time

from common import ROOT, Ratio, last_json, parser, report, rows, run_experiment, stage_phase, write_sequences

PEER = pathlib.Path(__file__).with_name("torch_sasrec.py")
SPEC = """
spec_version = 1
name = "speed"
seeds = {seeds}
run = {{ alone = {alone} }}
[dataset.games]
source.sequences = {{ path = "{data}", form = "pairs" }}
[model.sasrec.sasrec]
preset = "paper"
train.epochs = {epochs}
[protocol.sampled]
candidates.uniform = {{ n = 19 }}
metrics = ["hit@1"]
"""


def ours(args, data, epochs):
    """Training sequences of an epoch, seconds of the fastest one, users ranked a second, processor seconds of the run."""
    with tempfile.TemporaryDirectory() as folder:
        text = SPEC.format(seeds=[1], alone="true", data=data, epochs=epochs)
        results, processor = run_experiment(args.program, text, folder)
        losses = [row for row in rows(results / "epochs.csv") if row["quantity"] == "loss"]
        evaluation = stage_phase(results, "evaluate", "evaluate")
    seconds = min(float(row["wall_s"]) for row in losses)
    return float(losses[0]["examples"]), seconds, float(evaluation["examples_per_s"]), processor


def matrix_seconds(args, data, epochs):
    """Wall seconds of a run with all seeds, as many at once as there are threads."""
    with tempfile.TemporaryDirectory() as folder:
        text = SPEC.format(seeds=list(range(1, args.seeds + 1)), alone="false", data=data, epochs=epochs)
        start = time.monotonic()
        run_experiment(args.program, text, folder, jobs=args.threads)
        return time.monotonic() - start


def measure(args, data):
    """One round: pairs of speeds, ours and the peer's, of each quantity."""
    command = [args.python, PEER, data, "--epochs", 3, "--threads", args.threads, "--clock", args.clock]
    theirs = last_json(command, args.threads)
    peer_train = theirs["sequences"] / min(theirs["epoch_seconds"])
    sequences, seconds, ranked, processor = ours(args, data, 3)
    if args.clock == "cpu":
        seconds = (processor - ours(args, data, 1)[3]) / 2
        return {"training, sequences/processor second": (sequences / seconds, peer_train)}
    found = {
        "training, one cell, sequences/s": (sequences / seconds, peer_train),
        "ranking among 1 + 19, users/s": (ranked, theirs["users"] / theirs["evaluation_seconds"]),
    }
    if args.seeds:
        seconds = (matrix_seconds(args, data, 7) - matrix_seconds(args, data, 1)) / 6
        found[f"training, {args.seeds} seeds on {args.threads} cores, sequences/s"] = (args.seeds * sequences / seconds, peer_train)
    return found


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--seeds", type=int, default=0, help="seeds of a matrix that is measured too; 0: none")
    cli.add_argument("--data", type=pathlib.Path, help="lines of `user item` in time order")
    args = cli.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data
        if data is None:
            data = pathlib.Path(folder) / "sequences.txt"
            write_sequences(data, users=31_013, items=23_715, mean_length=9.26)
        rounds = [measure(args, data.resolve()) for _ in range(args.rounds)]
    ratios = [Ratio.of(f"SASRec {what}", [found[what] for found in rounds]) for what in rounds[0]]
    report("sasrec", ratios, args)


if __name__ == "__main__":
    main()

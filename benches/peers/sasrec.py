#!/usr/bin/env python3
"""SASRec: training and ranking against padded PyTorch (torch_sasrec.py), in turn on this machine.

    benches/peers/sasrec.py --python PYTHON_WITH_TORCH

Both sides read the same file of sequences, made on the spot with the counts of Amazon Video Games 2014 (31,013 users,
23,715 items, 9.3 items a user); `--data` names another. Ours is the normal command with the A-LLMRec paper's settings.
Of the epochs the fastest counts, on both sides. With `--clock cpu`, ours is the difference between runs of three epochs
and of one. Writes results/bench/sasrec.csv.
"""
import pathlib, tempfile

from common import ROOT, Ratio, last_json, parser, report, rows, run_experiment, stage_phase, write_sequences

PEER = pathlib.Path(__file__).with_name("torch_sasrec.py")
SPEC = """
spec_version = 1
name = "speed"
seeds = [1]
run = {{ threads = {threads}, cf_threads = {threads}, alone = true }}
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
        text = SPEC.format(threads=args.threads, data=data, epochs=epochs)
        results, processor = run_experiment(args.program, text, folder)
        losses = [row for row in rows(results / "epochs.csv") if row["quantity"] == "loss"]
        evaluation = stage_phase(results, "evaluate", "evaluate")
    seconds = min(float(row["wall_s"]) for row in losses)
    return float(losses[0]["examples"]), seconds, float(evaluation["examples_per_s"]), processor


def measure(args, data):
    """One round: pairs of speeds, ours and the peer's, for training and for ranking."""
    command = [args.python, PEER, data, "--epochs", 3, "--threads", args.threads, "--clock", args.clock]
    theirs = last_json(command, args.threads)
    peer_train = theirs["sequences"] / min(theirs["epoch_seconds"])
    sequences, seconds, ranked, processor = ours(args, data, 3)
    if args.clock == "cpu":
        seconds = (processor - ours(args, data, 1)[3]) / 2
        return (sequences / seconds, peer_train), None
    return (sequences / seconds, peer_train), (ranked, theirs["users"] / theirs["evaluation_seconds"])


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--data", type=pathlib.Path, help="lines of `user item` in time order")
    args = cli.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = args.data
        if data is None:
            data = pathlib.Path(folder) / "sequences.txt"
            write_sequences(data, users=31_013, items=23_715, mean_length=9.26)
        rounds = [measure(args, data.resolve()) for _ in range(args.rounds)]
    second = "processor second" if args.clock == "cpu" else "s"
    ratios = [Ratio.of(f"SASRec training, sequences/{second}", [train for train, _ in rounds])]
    if args.clock == "wall":
        ratios.append(Ratio.of("SASRec ranking among 1 + 19, users/s", [rank for _, rank in rounds]))
    report("sasrec", ratios, args)


if __name__ == "__main__":
    main()

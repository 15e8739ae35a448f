#!/usr/bin/env python3
"""BERT4Rec, HSTU and eSASRec against RecTools: sequences trained a second, in turn.

    python3 -m venv rectools-env
    rectools-env/bin/pip install 'rectools[torch]'
    benches/peers/sequence_transformers.py --python rectools-env/bin/python

Both sides read the same sequences, made on the spot with the counts of MovieLens 100K (943 users, 1,682 items, 106 items a
user): the last 50 items of each user are one example. Two blocks of width 64 with two heads, batches of 128, Adam with 1e-3.
BERT4Rec and HSTU (without times) have a full softmax, eSASRec has LiGR layers and 256 sampled negatives. RecTools trains whole
sequences too, so that both sides do the same work. Each side's time is that of its later epochs: a run of many minus a run of
few, so that reading data and starting do not count. Writes results/bench/sequence_transformers.csv.
"""
import json, pathlib, sys, tempfile, time

from common import ROOT, Ratio, last_json, parser, report, rows, run_experiment, write_sequences

SPEC = """
spec_version = 1
name = "speed"
seeds = [1]
run = {{ threads = {threads}, cf_threads = {threads}, alone = true }}
[dataset.movies]
source.sequences = {{ path = "{data}", form = "pairs" }}
{model}
hidden_units = 64
num_blocks = 2
num_heads = 2
maxlen = 50
dropout = 0.2
train = {{ epochs = {epochs}, batch_size = 128, lr = 1e-3, optimizer = {{ adam = {{ betas = [0.9, 0.98] }} }}, stop = {{ fixed = {{}} }} }}
[protocol.sampled]
candidates.uniform = {{ n = 19 }}
metrics = ["hit@1"]
"""
MODELS = {
    "BERT4Rec": "[model.m.bert4rec]\npreset = \"upstream\"\nmask_prob = 0.15\nkeep_prob = 0.1\nrandom_prob = 0.1\nlast_prob = 0.0\nsequences.whole = {}",
    "HSTU": "[model.m.hstu]\npreset = \"upstream\"",
    "eSASRec": "[model.m.sasrec]\npreset = \"esasrec\"",
}
USERS, FEW = 943, 2


def peer(args):
    """Runs in RecTools' interpreter: sequences a second of training, as one line of JSON."""
    import logging, warnings
    import pandas, torch
    from pytorch_lightning import Trainer
    from rectools.dataset import Dataset
    from rectools.models import BERT4RecModel, HSTUModel, SASRecModel
    from rectools.models.nn.transformers.ligr import LiGRLayers

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    torch.set_num_threads(args.threads)
    table = pandas.read_csv(args.data, sep=" ", names=["user_id", "item_id"])
    table["datetime"] = pandas.to_datetime(table.index, unit="s")
    table["weight"] = 1.0
    dataset = Dataset.construct(table)
    common = dict(n_blocks=2, n_heads=2, n_factors=64, dropout_rate=0.2, session_max_len=50, batch_size=128, lr=1e-3)

    def seconds(epochs):
        trainer = lambda: Trainer(max_epochs=epochs, min_epochs=epochs, accelerator="cpu", logger=False,
                                  enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False)
        settings = common | dict(get_trainer_func=trainer)
        model = {
            "BERT4Rec": lambda: BERT4RecModel(loss="softmax", mask_prob=0.15, **settings),
            "HSTU": lambda: HSTUModel(loss="softmax", relative_time_attention=False, **settings),
            "eSASRec": lambda: SASRecModel(loss="sampled_softmax", n_negatives=256, transformer_layers_type=LiGRLayers, **settings),
        }[args.peer]()
        start = clock()
        model.fit(dataset)
        return clock() - start

    many = FEW + args.peer_epochs
    print(json.dumps({"sequences_per_s": USERS * args.peer_epochs / (seconds(many) - seconds(FEW))}))


def ours(args, data, model, epochs):
    """Seconds of the epochs after the first, and processor seconds of the run."""
    with tempfile.TemporaryDirectory() as folder:
        text = SPEC.format(data=data, threads=args.threads, model=MODELS[model], epochs=epochs)
        results, processor = run_experiment(args.program, text, folder)
        seconds = [float(row["wall_s"]) for row in rows(results / "epochs.csv") if row["quantity"] == "loss"]
    return sum(seconds[1:]), processor


def our_speed(args, data, model):
    """Sequences a second."""
    many = FEW + args.epochs
    wall, processor = ours(args, data, model, many)
    if args.clock == "cpu":
        return USERS * args.epochs / (processor - ours(args, data, model, FEW)[1])
    return USERS * (many - 1) / wall


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--data", type=pathlib.Path, help="lines of `user item` in time order")
    cli.add_argument("--epochs", type=int, default=40, help="epochs that are measured here")
    cli.add_argument("--peer-epochs", type=int, default=6, help="epochs of the peer that are measured")
    cli.add_argument("--peer", choices=MODELS, help="be the peer for this model")
    args = cli.parse_args()
    if args.peer:
        return peer(args)
    pairs = {model: [] for model in MODELS}
    with tempfile.TemporaryDirectory() as folder:
        data = args.data
        if data is None:
            data = pathlib.Path(folder) / "sequences.txt"
            write_sequences(data, users=USERS, items=1682, mean_length=106)
        for _ in range(args.rounds):
            for model in MODELS:
                command = [args.python, __file__, "--peer", model, "--data", data.resolve(), "--threads", args.threads,
                           "--clock", args.clock, "--peer-epochs", args.peer_epochs]
                theirs = last_json(command, args.threads)["sequences_per_s"]
                pairs[model].append((our_speed(args, data.resolve(), model), theirs))
    second = "processor second" if args.clock == "cpu" else "s"
    ratios = [Ratio.of(f"{model} training, sequences/{second}", pairs[model]) for model in MODELS]
    report("sequence_transformers", ratios, args)


if __name__ == "__main__":
    main()

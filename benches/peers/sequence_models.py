#!/usr/bin/env python3
"""GRU4Rec and NextItNet against RecBole: next-item targets trained a second, in turn.

    python3 -m venv recbole-env
    recbole-env/bin/pip install torch==2.5.1 'numpy<2' 'pandas<2.2' 'setuptools<80' recbole==1.2.1
    benches/peers/sequence_models.py --python recbole-env/bin/python

Both sides read the same sequences, made on the spot with the counts of MovieLens 100K (943 users, 1,682 items, 106 items
a user). Width 50, full softmax, batches of 128, Adam with 1e-3, 50 last items. RecBole copies a history for every prefix
and trains one target a row; ours trains every prefix of a row in one pass. A target is a target on both sides. RecBole's
NextItNet has five times the dilations 1 and 4; ours has the same ten blocks. The peer trains as many batches as fit into
--peer-seconds after ten batches. With `--clock cpu`, ours is the difference between runs of three epochs and of one.
Writes results/bench/sequence_models.csv.
"""
import json, pathlib, sys, tempfile

from common import ROOT, Ratio, last_json, parser, report, rows, run_experiment, stage_phase, write_sequences

SPEC = """
spec_version = 1
name = "speed"
seeds = [1]
run = {{ threads = {threads}, cf_threads = {threads}, alone = true }}
[dataset.movies]
source.sequences = {{ path = "{data}", form = "pairs" }}
{model}
train.epochs = {epochs}
train.stop.fixed = {{}}
[protocol.sampled]
candidates.uniform = {{ n = 19 }}
metrics = ["hit@1"]
"""
MODELS = {
    "GRU4Rec": "[model.gru4rec.gru4rec]\ndropout = 0.0\nembedding_dropout = 0.3",
    "NextItNet": "[model.nextitnet.nextitnet]\ndilations = [1, 4, 1, 4, 1, 4, 1, 4, 1, 4]",
}
WARM_UP = 10


def recbole_settings(folder):
    return {
        "data_path": folder, "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "embedding_size": 50, "hidden_size": 50, "num_layers": 1, "dropout_prob": 0.3, "loss_type": "CE",
        "block_num": 5, "dilations": [1, 4], "kernel_size": 3, "reg_weight": 0.0,
        "train_batch_size": 128, "learning_rate": 1e-3, "MAX_ITEM_LIST_LENGTH": 50, "train_neg_sample_args": None,
        "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
        "use_gpu": False, "device": "cpu", "show_progress": False, "reproducibility": False,
        "checkpoint_dir": folder, "worker": 0,
    }


def write_inter(data, path):
    """RecBole's form of the sequences; the time is the line's number."""
    path.parent.mkdir(parents=True)
    with data.open() as source, path.open("w") as sink:
        sink.write("user_id:token\titem_id:token\ttimestamp:float\n")
        for number, line in enumerate(source):
            user, item = line.split()
            sink.write(f"{user}\t{item}\t{number}\n")


def peer(args):
    """Runs in RecBole's interpreter: targets a second of training, as one line of JSON."""
    import logging, os, time
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, init_seed

    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        write_inter(args.data, pathlib.Path(folder) / "movies/movies.inter")
        sys.argv = sys.argv[:1]
        os.chdir(folder)
        config = Config(model=args.peer, dataset="movies", config_dict=recbole_settings(folder))
        logging.disable(logging.CRITICAL)
        init_seed(1, False)
        dataset = create_dataset(config)
        train = data_preparation(config, dataset)[0]
        model = get_model(config["model"])(config, train.dataset)
        optimizer = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
        model.train()
        seen, batches, start = 0, 0, clock()
        while batches <= WARM_UP or clock() - start < args.peer_seconds:
            for interaction in train:
                optimizer.zero_grad()
                model.calculate_loss(interaction).backward()
                optimizer.step()
                batches += 1
                if batches == WARM_UP:
                    seen, start = 0, clock()
                seen += len(interaction)
                if batches > WARM_UP and clock() - start >= args.peer_seconds:
                    break
        print(json.dumps({"targets_per_s": seen / (clock() - start)}))


def ours(args, data, model, epochs):
    """Targets of an epoch, mean seconds of the epochs after the first, and processor seconds of the run."""
    with tempfile.TemporaryDirectory() as folder:
        text = SPEC.format(data=data, threads=args.threads, model=MODELS[model], epochs=epochs)
        results, processor = run_experiment(args.program, text, folder)
        tokens = float(stage_phase(results, "backbone", "train")["tokens"])
        seconds = [float(row["wall_s"]) for row in rows(results / "epochs.csv") if row["quantity"] == "loss"]
    warm = seconds[1:] or seconds
    return tokens / len(seconds), sum(warm) / len(warm), processor


def our_speed(args, data, model):
    """Targets a second."""
    targets, wall, processor = ours(args, data, model, 3)
    if args.clock == "cpu":
        return 2 * targets / (processor - ours(args, data, model, 1)[2])
    return targets / wall


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--data", type=pathlib.Path, help="lines of `user item` in time order")
    cli.add_argument("--peer-seconds", type=float, default=20)
    cli.add_argument("--peer", choices=MODELS, help="be the peer for this model")
    args = cli.parse_args()
    if args.peer:
        return peer(args)
    pairs = {model: [] for model in MODELS}
    with tempfile.TemporaryDirectory() as folder:
        data = args.data
        if data is None:
            data = pathlib.Path(folder) / "sequences.txt"
            write_sequences(data, users=943, items=1682, mean_length=106)
        for _ in range(args.rounds):
            for model in MODELS:
                command = [args.python, __file__, "--peer", model, "--data", data.resolve(), "--threads", args.threads,
                           "--clock", args.clock, "--peer-seconds", args.peer_seconds]
                theirs = last_json(command, args.threads)["targets_per_s"]
                pairs[model].append((our_speed(args, data.resolve(), model), theirs))
    second = "processor second" if args.clock == "cpu" else "s"
    ratios = [Ratio.of(f"{model} training, targets/{second}", pairs[model]) for model in MODELS]
    report("sequence_models", ratios, args)


if __name__ == "__main__":
    main()

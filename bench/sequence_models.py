#!/usr/bin/env python3
"""GRU4Rec and NextItNet against RecBole on MovieLens 100K: next-item targets trained a second, side by side.

    python3 -m venv recbole-env
    recbole-env/bin/pip install torch==2.5.1 'numpy<2' 'pandas<2.2' 'setuptools<80' recbole==1.2.1
    python3 bench/sequence_models.py --peer-python recbole-env/bin/python

Both sides: width 50, full softmax over all items, batch 128, Adam 1e-3, 50 last items, leave-one-out, the same number
of threads, ours and theirs in turn. RecBole trains one target a row: it copies a user's history once for every prefix.
Ours trains every prefix of a row in one pass. A target is a target on both sides, so that targets a second compare.
RecBole's NextItNet has five times the dilations 1 and 4; ours gets the same ten blocks. Its epoch of NextItNet takes
minutes: the peer trains as many batches as fit into --peer-seconds after a warm-up of ten batches. On a machine that is
busy with other work, `--processor-time` with `--threads 1` compares processor seconds: ours of a run of three epochs less
one of one epoch.
"""
import argparse, csv, json, pathlib, resource, statistics, subprocess, sys, tempfile

SPEC = """
spec_version = 1
name = "sequence-speed"
seeds = [1]
run = {{ threads = {threads}, cf_threads = {threads}, alone = true }}
[dataset.movies]
source.movielens = {{ folder = "{data}" }}
{models}
[protocol.sampled]
candidates.uniform = {{ n = 19 }}
metrics = ["hit@1"]
"""
BLOCKS = {
    "gru4rec": """
[model.gru4rec.gru4rec]
dropout = 0.0
embedding_dropout = 0.3
train.epochs = {epochs}
train.stop.fixed = {{}}
""",
    "nextitnet": """
[model.nextitnet.nextitnet]
dilations = [1, 4, 1, 4, 1, 4, 1, 4, 1, 4]
train.epochs = {epochs}
train.stop.fixed = {{}}
""",
}
MODELS = {"gru4rec": "GRU4Rec", "nextitnet": "NextItNet"}


def peer(name, data, threads, seconds, processor):
    """Runs in RecBole's interpreter: targets a second of training, as one JSON line."""
    import logging, os, time
    import torch
    from recbole.config import Config
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, init_seed

    clock = time.process_time if processor else time.perf_counter
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory() as folder:
        os.makedirs(f"{folder}/movies")
        with open(f"{data}/u.data") as source, open(f"{folder}/movies/movies.inter", "w") as sink:
            sink.write("user_id:token\titem_id:token\trating:float\ttimestamp:float\n")
            sink.writelines(source)
        settings = {
            "data_path": folder, "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "embedding_size": 50, "hidden_size": 50, "num_layers": 1, "dropout_prob": 0.3, "loss_type": "CE",
            "block_num": 5, "dilations": [1, 4], "kernel_size": 3, "reg_weight": 0.0,
            "train_batch_size": 128, "learning_rate": 1e-3, "MAX_ITEM_LIST_LENGTH": 50, "train_neg_sample_args": None,
            "eval_args": {"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "full", "group_by": "user"},
            "use_gpu": False, "device": "cpu", "show_progress": False, "reproducibility": False,
            "checkpoint_dir": folder, "worker": 0,
        }
        sys.argv = sys.argv[:1]
        os.chdir(folder)
        config = Config(model=MODELS[name], dataset="movies", config_dict=settings)
        logging.disable(logging.CRITICAL)
        init_seed(1, False)
        dataset = create_dataset(config)
        train = data_preparation(config, dataset)[0]
        model = get_model(config["model"])(config, train.dataset)
        adam = torch.optim.Adam(model.parameters(), lr=config["learning_rate"])
        model.train()
        seen, start = 0, None
        while True:
            for batch, interaction in enumerate(train):
                if start is None and batch == 10:
                    start = clock()
                adam.zero_grad()
                model.calculate_loss(interaction).backward()
                adam.step()
                if start is not None:
                    seen += len(interaction)
                    spent = clock() - start
                    if spent > seconds:
                        print(json.dumps({"targets_per_s": seen / spent, "targets": len(train.dataset)}))
                        return


def ours(program, data, name, epochs, threads):
    """Targets of an epoch, mean seconds of the epochs after the first, which warms up, and processor seconds of the run."""
    with tempfile.TemporaryDirectory() as folder:
        spec = pathlib.Path(folder) / "speed.toml"
        spec.write_text(SPEC.format(data=data, threads=threads, models=BLOCKS[name].format(epochs=epochs)))
        command = [program, "run", str(spec), "--quiet", "--store", f"{folder}/store", "--out", f"{folder}/results"]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        results = pathlib.Path(folder) / "results/sequence-speed"
        timing = list(csv.DictReader((results / "timing.csv").open()))
        epoch_rows = list(csv.DictReader((results / "epochs.csv").open()))
    tokens = float(next(row for row in timing if row["phase"] == "train")["tokens"])
    walls = [float(row["wall_s"]) for row in epoch_rows if row["quantity"] == "loss"]
    warm = statistics.mean(walls[1:] or walls)
    return tokens / len(walls), warm, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def our_rate(args, data, name):
    """Targets a second."""
    targets, wall, spent = ours(str(args.program), data, name, 3, args.threads)
    if args.processor_time:
        return 2 * targets / (spent - ours(str(args.program), data, name, 1, args.threads)[2])
    return targets / wall


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--peer-python", default="python3", help="interpreter with RecBole 1.2.1")
    cli.add_argument("--data", default=root / "../shared/data/ml-100k", help="folder of MovieLens 100K")
    cli.add_argument("--program", default=root / "target/release/allround")
    cli.add_argument("--rounds", type=int, default=3, help="times that both sides are measured; medians are reported")
    cli.add_argument("--peer-seconds", type=float, default=20)
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--processor-time", action="store_true", help="processor seconds instead of wall seconds")
    cli.add_argument("--peer", choices=MODELS, help=argparse.SUPPRESS)
    args = cli.parse_args()
    data = str(pathlib.Path(args.data).resolve())
    if args.peer:
        return peer(args.peer, data, args.threads, args.peer_seconds, args.processor_time)
    mine, theirs = {name: [] for name in MODELS}, {name: [] for name in MODELS}
    for _ in range(args.rounds):
        for name in MODELS:
            mine[name].append(our_rate(args, data, name))
            command = [args.peer_python, __file__, "--peer", name, "--data", data, "--threads", str(args.threads)]
            command += ["--peer-seconds", str(args.peer_seconds)] + ["--processor-time"] * args.processor_time
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            theirs[name].append(json.loads(out.splitlines()[-1])["targets_per_s"])
    out = root / "results/bench/sequence_models.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["what", "ours", "peer", "ratio", "threads", "rounds"])
        second = "processor second" if args.processor_time else "s"
        for name in MODELS:
            a, b = statistics.median(mine[name]), statistics.median(theirs[name])
            ratio = statistics.median(x / y for x, y in zip(mine[name], theirs[name]))
            writer.writerow([f"{name} training targets/{second}", f"{a:.1f}", f"{b:.1f}", f"{ratio:.2f}", args.threads, args.rounds])
            print(f"{name}: {a:.0f} against {b:.0f} targets/s, ratio {ratio:.1f}")


if __name__ == "__main__":
    main()

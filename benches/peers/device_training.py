#!/usr/bin/env python3
"""Every model trained for a few steps on the CPU and on a device: where their losses differ, the device computes otherwise.

    benches/peers/device_training.py --device cuda:0 --out results/gpu/training.csv

The data are built in, and nothing is dropped out, so both sides compute the same numbers up to the order of sums. It covers
what no net alone shows: losses, optimizers, pre-training, alignment, projections, and a small language model. A device's
rounding grows with each step, so the first epoch of each loss counts. Has the columns of parity.csv, and is written as a
whole after each model.
"""
import argparse, csv, math, pathlib, subprocess, sys, tempfile

from common import ROOT, rows

# Share of a loss by which a device may differ after one epoch of about ten steps.
ALLOWED = 2e-3
HEAD = """
spec_version = 1
name = "training"
seeds = [1]
[dataset.synthetic.source.synthetic]
users = {users}
items = 60
[encoder.hashed.hashed]
[llm.small.pretrained]
folder = "{root}/assets/small-lm"
[protocol.list]
candidates.uniform = {{ n = 9 }}
metrics = ["hit@1"]
max_users = 20
"""
SASREC = "[model.sasrec.sasrec]\ndropout = 0.0\nhidden_units = 16\nmaxlen = 20\ntrain = { epochs = 1, batch_size = 32, stop.fixed = {} }\n"
SMALL = "hidden_units = 16\nmaxlen = 20\ntrain = { epochs = 1, batch_size = 32, stop.fixed = {} }\n"
# In order of worth: what no device has computed so far comes first.
MODELS = {
    "llm-srec": SASREC + '[model.llm-srec.llm_srec]\nbackbone = "sasrec"\nllm = "small"\nrepresent.hidden_units = 32\n'
                         "represent.width = 16\nrepresent.train = { epochs = 1, batch_size = 10 }\n",
    "recformer": '[model.recformer.recformer]\nattributes = ["title"]\nhidden_units = 16\nnum_heads = 2\nvocab_size = 300\n'
                 "max_tokens = 100\ndropout = 0.0\npretrain.train.epochs = 1\nfinetune.train = { epochs = 1, batch_size = 32, stop.fixed = {} }\n",
    "bert4rec": "[model.bert4rec.bert4rec]\ndropout = 0.0\ninner_units = 32\n" + SMALL,
    "hstu": "[model.hstu.hstu]\ndropout = 0.0\nloss.sampled_softmax = { negatives = 8, per_target = true }\n" + SMALL,
    "esasrec": '[model.esasrec.sasrec]\npreset = "esasrec"\ndropout = 0.0\n'
               "loss.sampled_softmax = { negatives = 8, per_target = true }\n" + SMALL,
    "sasrec-gbce": "[model.sasrec.sasrec]\ndropout = 0.0\nloss.gbce = { negatives = 8, t = 0.75 }\n" + SMALL,
    "morec": '[model.morec.morec]\nencoder = "hashed"\nnum_heads = 2\ndropout = 0.0\n' + SMALL,
    "ctrl": '[model.ctrl.ctrl]\nencoder = "hashed"\ncontrast.train_encoder = false\ncontrast.train.epochs = 1\ndropout = 0.0\n' + SMALL,
    "allmrec": SASREC + '[model.allmrec.allmrec]\nbackbone = "sasrec"\nencoder = "hashed"\nllm = "small"\n'
                        "align = { train_encoder = false, train.epochs = 1 }\nproject.train = { epochs = 1, batch_size = 10 }\n",
    "gru4rec": "[model.gru4rec.gru4rec]\ndropout = 0.0\nembedding_dropout = 0.0\n" + SMALL,
    "nextitnet": "[model.nextitnet.nextitnet]\ndropout = 0.0\ntrain = { epochs = 1, batch_size = 32, stop.fixed = {} }\n",
    "ncf": "[model.ncf.ncf]\ndropout = 0.0\ntrain = { epochs = 1, batch_size = 32, stop.fixed = {} }\n",
}
QUICK = ["bert4rec", "allmrec"]


def losses(args, model, device, folder):
    """The first epoch's losses of all stages of a model, by stage kind and name."""
    spec = folder / "training.toml"
    spec.write_text(HEAD.format(users=60 if args.quick else 300, root=ROOT) + MODELS[model])
    out = folder / device.replace(":", "-")
    command = [args.program, "run", spec, "--quiet", "--device", device, "--store", out / "store", "--out", out]
    if args.worker:
        command += ["--worker", args.worker]
    run = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    path = out / "training/epochs.csv"
    if not path.exists():
        raise RuntimeError((run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1])
    first = [row for row in rows(path) if row["epoch"] == "1" and "loss" in row["quantity"]]
    if run.returncode or not first:
        raise RuntimeError(f"exit code {run.returncode} on {device}, {len(first)} losses")
    return {f"{row['kind']}, {row['quantity']}": float(row["value"]) for row in first}


def compare(args, model):
    """Lines of CSV: the largest number is the CPU's loss."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            cpu, there = (losses(args, model, device, pathlib.Path(folder)) for device in ["cpu", args.device])
        except RuntimeError as error:
            print(f"device_training: {model}: {error}", file=sys.stderr)
            return [[f"training {model}", math.nan, math.nan, ALLOWED]]
    return [[f"training {model}: {what}", abs(loss), abs(loss - there.get(what, math.nan)), ALLOWED] for what, loss in cpu.items()]


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--worker")
    cli.add_argument("--device", default="cuda:0")
    cli.add_argument("--quick", action="store_true", help="two models, little data")
    cli.add_argument("--out", type=pathlib.Path, required=True)
    args = cli.parse_args()
    args.program = pathlib.Path(args.program).resolve()
    differs = []
    with args.out.open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["model", "largest_value", "largest_difference", "allowed"])
        for model in QUICK if args.quick else MODELS:
            for row in compare(args, model):
                writer.writerow(row)
                # A NaN is larger than nothing, and counts as a difference.
                if not row[2] <= row[3] * max(1, row[1]):
                    differs.append(row[0])
            sink.flush()
    sys.exit(f"device_training: these differ from the CPU: {differs}" if differs else 0)


if __name__ == "__main__":
    main()

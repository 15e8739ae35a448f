#!/usr/bin/env python3
"""CF models in training on a device against padded PyTorch there (torch_sasrec.py), eager and with torch.compile.

    benches/peers/cf_race.py --device cuda:0 --out results/gpu/race.csv

Both sides read the sequences of sasrec.py, made on the spot with the counts of Amazon Video Games 2014. Of three epochs the
fastest counts, on both sides, so compilation does not. Ours also runs as four seeds side by side on the device. Rows are
written as they are measured, in order of worth; what cannot be measured has a row with its reason.
"""
import argparse, csv, pathlib, subprocess, sys, tempfile, time

from common import ROOT, last_json, rows, write_sequences

PEER = pathlib.Path(__file__).with_name("torch_sasrec.py")
SPEC = """
spec_version = 1
name = "race"
seeds = [{seeds}]
run.cf_threads = {threads}
[dataset.games]
source.sequences = {{ path = "{data}", form = "pairs" }}
{model}
[protocol.sampled]
candidates.uniform = {{ n = 19 }}
metrics = ["hit@1"]
max_users = 100
"""
# The peer has the same widths; NextItNet and NCF have no padding to save.
MODELS = {
    "sasrec": '[model.sasrec.sasrec]\npreset = "paper"\ntrain.epochs = {epochs}\n',
    "gru4rec": "[model.gru4rec.gru4rec]\nembedding_dim = 50\nhidden_units = 50\nmaxlen = 50\nloss.bce = {{ negatives = 1 }}\n"
               "train = {{ epochs = {epochs}, batch_size = 128, stop.fixed = {{}} }}\n",
}
COLUMNS = ["model", "side", "device", "sequences_per_s", "loss", "threads", "error"]


def ours(args, model, data, folder, seeds=1):
    """Training sequences a second, of the fastest epoch; of several seeds together, over the stages' wall time."""
    spec = folder / f"race-{seeds}.toml"
    listed = ", ".join(map(str, range(1, seeds + 1)))
    spec.write_text(SPEC.format(seeds=listed, threads=args.threads, data=data, model=MODELS[model].format(epochs=args.epochs)))
    out = folder / f"{model}-{seeds}"
    command = [args.program, "run", spec, "--quiet", "--store", out / "store", "--out", out]
    # Slots of one device take several stages at once.
    command += ["--devices", args.device] if seeds > 1 and args.device != "cpu" else ["--device", args.device]
    if args.worker:
        command += ["--worker", args.worker]
    start = time.perf_counter()
    run = subprocess.run(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wall = time.perf_counter() - start
    if run.returncode:
        raise RuntimeError((run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1])
    losses = [row for row in rows(out / "race/epochs.csv") if row["quantity"] == "loss"]
    if seeds > 1:
        return sum(float(row["examples"]) for row in losses) / wall, None
    fastest = min(losses, key=lambda row: float(row["wall_s"]))
    return float(fastest["examples"]) / float(fastest["wall_s"]), float(losses[-1]["value"])


def theirs(args, model, data, compiled):
    command = [args.python, PEER, data, "--epochs", args.epochs, "--threads", args.threads, "--device", args.device,
               "--model", model, "--training-only", *(["--compile"] if compiled else [])]
    measured = last_json(command, args.threads)
    return measured["sequences"] / min(measured["epoch_seconds"]), measured["loss"]


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--worker")
    cli.add_argument("--python", default=sys.executable)
    cli.add_argument("--device", default="cuda:0")
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--epochs", type=int, default=3)
    cli.add_argument("--quick", action="store_true", help="little data, no compilation")
    cli.add_argument("--out", type=pathlib.Path, required=True)
    args = cli.parse_args()
    args.program = pathlib.Path(args.program).resolve()
    with tempfile.TemporaryDirectory() as folder, args.out.open("w", newline="") as sink:
        folder = pathlib.Path(folder)
        data = folder / "sequences.txt"
        users, items = (300, 500) if args.quick else (31_013, 23_715)
        write_sequences(data, users=users, items=items, mean_length=9.26)
        sides = [("ours", lambda model: ours(args, model, data, folder)),
                 ("PyTorch, eager", lambda model: theirs(args, model, data, False)),
                 ("PyTorch, compiled", lambda model: theirs(args, model, data, True)),
                 ("ours, four seeds at once", lambda model: ours(args, model, data, folder, seeds=4))]
        if args.quick:
            sides = sides[:2]
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(COLUMNS)
        for model in ["sasrec"] if args.quick else MODELS:
            for side, measure in sides:
                speed, loss, error = "", "", ""
                try:
                    speed, loss = measure(model)
                    speed, loss = f"{speed:.1f}", "" if loss is None else f"{loss:.4f}"
                except RuntimeError as failure:
                    error = str(failure)
                writer.writerow([model, side, args.device, speed, loss, args.threads, error])
                sink.flush()
                print(f"{model}, {side}: {speed or error}", file=sys.stderr)


if __name__ == "__main__":
    main()

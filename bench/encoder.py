#!/usr/bin/env python3
"""Stage 1 of A-LLMRec with its sentence encoder trained: samples/s against a plain sentence-transformers loop.

    python3 bench/encoder.py --peer-python peer-env/bin/python

A sample is a user's last item and a random other one, both texts `"title, description"` of ../shared/data/industrial;
a step encodes 32 samples with all-MiniLM-L6-v2 (scripts/setup-minilm.sh) in training mode, sends the vectors through the
text auto-encoder and back, and lets Adam move everything. Single precision. Both sides get the same batches in turn. Samples per
processor second is what remains comparable while other programs use the machine.
"""
import argparse, csv, json, os, pathlib, random, statistics, subprocess, tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WARM_UP = 1


def batches(data, samples, count):
    with (data / "items.csv").open() as source:
        texts = {row["item"]: f'{row["title"]}, {row["description"]}' for row in csv.DictReader(source)}
    last = {}
    with (data / "interactions.csv").open() as source:
        for row in csv.DictReader(source):
            last[row["user"]] = max(last.get(row["user"], (-1, "")), (int(row["timestamp"]), row["item"]))
    draw, users, items = random.Random(5), sorted(last), sorted(texts)
    for _ in range(count):
        positives = [texts[last[user][1]] for user in draw.sample(users, samples)]
        yield positives + [texts[item] for item in draw.sample(items, samples)]


def peer(work):
    """The plain loop, as the paper's code has it: positives and negatives in a call each."""
    import time, torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(work["threads"])
    torch.manual_seed(1)
    model = SentenceTransformer(work["folder"], device="cpu").train()
    width = model.get_sentence_embedding_dimension()
    down, up = torch.nn.Linear(width, work["hidden"], bias=False), torch.nn.Linear(work["hidden"], width, bias=False)
    optimizer = torch.optim.Adam([*model.parameters(), *down.parameters(), *up.parameters()], lr=1e-4)
    seconds, processor = [], []
    for texts in work["batches"]:
        started, before = time.perf_counter(), time.process_time()
        loss = 0
        half = len(texts) // 2
        for part in (texts[:half], texts[half:]):
            vectors = model(model.tokenize(part))["sentence_embedding"]
            middle = down(vectors)
            loss = loss + torch.nn.functional.mse_loss(middle, torch.randn_like(middle))
            loss = loss + torch.nn.functional.mse_loss(up(middle), vectors)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - started)
        processor.append(time.process_time() - before)
    print(json.dumps({"seconds": seconds[WARM_UP:], "cpu_seconds": processor[WARM_UP:]}))


def last_json(text):
    return json.loads([line for line in text.splitlines() if line.startswith("{")][-1])


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--peer-python", default="python3")
    cli.add_argument("--data", default=ROOT / "../shared/data/industrial", type=pathlib.Path)
    cli.add_argument("--folder", default=ROOT / ".assets/minilm", type=pathlib.Path)
    cli.add_argument("--samples", type=int, default=32)
    cli.add_argument("--steps", type=int, default=4, help="measured steps a round")
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--peer", help=argparse.SUPPRESS)
    args = cli.parse_args()
    if args.peer:
        return peer(json.loads(pathlib.Path(args.peer).read_text()))
    test = ["cargo", "test", "--release", "--workspace", "--bin", "allround-worker"]
    subprocess.run([*test, "--no-run"], check=True, cwd=ROOT)
    measured = {(who, what): [] for who in ("ours", "peer") for what in ("seconds", "cpu_seconds")}
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "work.json"
        count = args.rounds * args.steps
        drawn = list(batches(args.data, args.samples, count + WARM_UP))
        for start in range(0, count, args.steps):
            work = {"folder": str(args.folder.resolve()), "threads": args.threads, "hidden": 128, "warm_up": WARM_UP,
                    "batches": drawn[start : start + args.steps + WARM_UP]}
            path.write_text(json.dumps(work))
            environment = os.environ | {"ALLROUND_BENCH_WORK": str(path), "OMP_NUM_THREADS": str(args.threads)}
            ours = [*test, "--", "--ignored", "--exact", "train::encoder_speed::measure", "--nocapture"]
            for name, command in [("ours", ours), ("peer", [args.peer_python, __file__, "--peer", str(path)])]:
                run = subprocess.run(command, check=True, capture_output=True, text=True, env=environment, cwd=ROOT)
                for what, values in last_json(run.stdout).items():
                    measured[name, what] += values
    out = ROOT / "results/bench/encoder.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["what", "ours", "peer", "ratio", "threads"])
        for quantity, name in [("seconds", "samples/s"), ("cpu_seconds", "samples per processor second")]:
            what = f"stage 1 with MiniLM trained, batch {args.samples}, single precision, {name}"
            # The median step: other programs may use the machine.
            mine, other = (args.samples / statistics.median(measured[who, quantity]) for who in ("ours", "peer"))
            writer.writerow([what, f"{mine:.2f}", f"{other:.2f}", f"{mine / other:.2f}", args.threads])
            print(f"{what}: {mine:.2f} against {other:.2f}, ratio {mine / other:.2f}")


if __name__ == "__main__":
    main()

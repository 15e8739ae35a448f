#!/usr/bin/env python3
"""Language-model speed on one device: stage 2, greedy answers and likelihoods at random weights, as one CSV.

    python3 bench/gpu.py --program target/release/allround-worker --device cuda:0 --out results/gpu/check.csv

Ours is `allround-worker --bench` on prompts of the paper's length (10 titles of the history, 20 candidates, about 865
tokens, each prompt another length) whose token ids are random. The share of the peak counts 2 operations a parameter and
token forward and, in training, as many backward: the weights are frozen. Where transformers is installed, `--peer`
(hf_stage2.py) does the same work on the same device, and the ratio is told; elsewhere those cells are empty, and the last
column says why. On a CUDA device the peer is measured twice: as it comes, and with PyTorch's attention kept from cuDNN,
which on Hopper plans anew for each length of a batch; a user who knows of that turns it off.
"""
import argparse, csv, importlib.util, json, pathlib, random, statistics, subprocess, sys, tempfile

PARAMETERS = {"125m": 85e6, "1.3b": 1.208e9, "6.7b": 6.44e9}  # of the blocks
# Dense bf16 peaks in operations per second, by a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "A6000": 155e12, "4090": 165e12}
LENGTH, ANSWER, ITEMS = 850, 15, 30
SPREAD = 40  # Prompts have LENGTH tokens give or take as many.
# Runs the peer's script, named first, without cuDNN's attention.
WITHOUT_CUDNN = """
import runpy, sys, torch
torch.backends.cuda.enable_cudnn_sdp(False)
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def prompts(rng, batch, titles):
    drawn = []
    for _ in range(batch):
        length = LENGTH + rng.randint(-SPREAD, SPREAD)
        ids = [rng.randrange(4, 50000) for _ in range(length - 1)]
        for slot in rng.sample(range(10, length - 1), ITEMS):
            ids[slot] = -1
        text = lambda: [rng.randrange(4, 50000) for _ in range(ANSWER)]
        drawn.append({"ids": ids, "answer": text(), "continuations": [text() for _ in range(titles)]})
    return drawn


def ours(args, size, task, batch, steps):
    rng = random.Random(1)
    work = {"shape": f"opt-{size}", "dtype": args.dtype, "int8": False, "device": args.device, "threads": args.threads,
            "task": task, "steps": [prompts(rng, batch, 20 if task == "score" else 0) for _ in range(steps)]}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(work, file)
        file.flush()
        out = subprocess.run([args.program, "--bench", file.name], capture_output=True, text=True)
    if out.returncode:
        said = out.stderr.strip().splitlines() or [f"ended with {out.returncode} and said nothing"]
        return None, said[-1][:200]
    measured = json.loads(out.stdout)
    seconds = statistics.median(measured["seconds"][2:])
    print(f"seconds of the steps: {[round(step, 4) for step in measured['seconds']]}", file=sys.stderr)
    return seconds, ""


def theirs(args, size, cudnn):
    """The peer's speeds, and why there are none."""
    if importlib.util.find_spec("transformers") is None:
        return {}, "no peer: transformers is not installed"
    if not pathlib.Path(args.peer).exists():
        return {}, f"no peer: no {args.peer}"
    script = [args.peer] if cudnn else ["-c", WITHOUT_CUDNN, args.peer]
    command = [sys.executable, *script, "--size", size, "--steps", "8", "--dtype", args.dtype, "--device", args.device, "--infer"]
    out = subprocess.run(command, capture_output=True, text=True)
    if out.returncode == 0:
        return json.loads(out.stdout.splitlines()[-1]), ""
    said = out.stderr.strip().splitlines() or [f"ended with {out.returncode}"]
    return {}, f"no peer: {said[-1][:200]}"


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--program", required=True)
    cli.add_argument("--peer", default="../shared/bench/hf_stage2.py")
    cli.add_argument("--device", default="cuda:0")
    cli.add_argument("--device-name", default="")
    cli.add_argument("--dtype", default="bfloat16")
    cli.add_argument("--threads", type=int, default=8)
    cli.add_argument("--sizes", default="125m,1.3b,6.7b")
    cli.add_argument("--out", required=True)
    args = cli.parse_args()
    peak = next((value for part, value in PEAKS.items() if part in args.device_name), None)
    out = pathlib.Path(args.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["what", "shape", "dtype", "device", "device_name", "per_s", "peer_per_s", "ratio",
                         "peer_without_cudnn_per_s", "ratio_without_cudnn", "tokens_per_s", "share_of_peak", "error"])
        for row in rows(args, peak):
            # Row by row: what is measured stays when time runs out.
            writer.writerow(row)
            sink.flush()
            print(*row, sep=", ", flush=True)


def rows(args, peak):
    for size in args.sizes.split(","):
        peer, absent = theirs(args, size, True)
        plain = theirs(args, size, False)[0] if args.device != "cpu" else {}
        for task, what, key in [("train", "stage-2 training, batch 4", "train_samples_per_s"),
                                ("generate", "greedy answers of 32 tokens, batch 4", "infer_users_per_s"),
                                ("score", "likelihoods of 20 titles, batch 4", None)]:
            seconds, error = ours(args, size, task, 4, 8)
            others = [found.get(key) if key else None for found in (peer, plain)]
            speed = 4 / seconds if seconds else None
            tokens = 4 * (LENGTH + ANSWER) / seconds if seconds and task == "train" else None
            share = tokens * PARAMETERS[size] * 4 / peak if tokens and peak else None
            compared = [cell for other in others for cell in (other, speed / other if speed and other else None)]
            cells = [speed, *compared, tokens, share]
            said = error or (absent if key else "")
            yield [what, f"opt-{size}", args.dtype, args.device, args.device_name,
                   *("" if cell is None else f"{cell:.4g}" for cell in cells), said]


if __name__ == "__main__":
    main()

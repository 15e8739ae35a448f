#!/usr/bin/env python3
"""What threads gain and what a busy neighbour costs, by stage kind.

    benches/threads.py --data VIDEO_GAMES.txt.gz --tokenizer TOKENIZERS/opt

Trains SASRec on Video Games and stage 2 of MLP-LLM with the shape of OPT-125M. Each runs on one and two threads, with OpenMP
threads that sleep (`passive`) and that spin, on a quiet machine and with one busy process next to it. A run that takes longer
than --limit seconds is stopped and has no speed. Writes results/bench/threads.csv.
"""
import argparse, csv, itertools, multiprocessing, os, pathlib, subprocess, sys, tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent / "peers"))
from common import children_seconds, stage_phase

SASREC = """
[dataset.games]
source.sequences = {{ path = "{data}", form = "pairs" }}
[model.sasrec.sasrec]
preset = "paper"
train.epochs = 2
"""
STAGE2 = """
[dataset.games.source.synthetic]
users = 10
items = 300
[llm.opt.random]
shape = "opt-125m"
tokenizer = "{tokenizer}"
[model.sasrec.sasrec]
train.epochs = 1
[model.mlp.mlp_llm]
backbone = "sasrec"
llm = "opt"
project.train.epochs = 1
"""
HEAD = """
spec_version = 1
name = "threads"
seeds = [1]
run = {{ threads = {threads}, cf_threads = {threads}, alone = true }}
[protocol.sampled]
candidates.uniform = {{ n = 19 }}
metrics = ["hit@1"]
max_users = 10
"""
STAGES = {"SASRec training": (SASREC, "backbone"), "stage 2, OPT-125M shape": (STAGE2, "project")}


def spin():
    while True:
        pass


def measure(args, spec, stage, policy):
    """Examples per second of a stage's training, and processor seconds of the whole run."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "threads.toml"
        path.write_text(spec)
        command = [args.program, "run", str(path), "-q", "-j", "1", "--store", f"{folder}/store", "--out", f"{folder}/out"]
        environment = {**os.environ, "OMP_WAIT_POLICY": policy}
        if policy == "spinning":
            # An unknown value would be reported; `active` spins longer than the default of libgomp does.
            environment["OMP_WAIT_POLICY"] = ""
        before = children_seconds()
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            code = process.wait(args.limit)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()
            return None, children_seconds() - before
        assert code == 0, command
        phase = stage_phase(pathlib.Path(folder) / "out/threads", stage, "train")
    return float(phase["examples_per_s"]), children_seconds() - before


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--data", default=root / "data/sequences/video-games-2014.txt.gz")
    cli.add_argument("--tokenizer", default=root / "data/tokenizers/opt")
    cli.add_argument("--program", default=root / "target/release/allround")
    cli.add_argument("--limit", type=float, default=120, help="seconds after which a run is stopped")
    args = cli.parse_args()
    files = {"data": pathlib.Path(args.data).resolve(), "tokenizer": pathlib.Path(args.tokenizer).resolve()}
    with (root / "results/bench/threads.csv").open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["what", "threads", "waiting", "busy_neighbours", "examples_per_s", "processor_s"])
        settings = itertools.product(STAGES.items(), [(1, "passive"), (2, "passive"), (2, "spinning")], [0, 1])
        for (what, (spec, stage)), (threads, policy), neighbours in settings:
            busy = [multiprocessing.Process(target=spin, daemon=True) for _ in range(neighbours)]
            for neighbour in busy:
                neighbour.start()
            text = HEAD.format(threads=threads) + spec.format(**files)
            speed, processor = measure(args, text, stage, policy)
            for neighbour in busy:
                neighbour.kill()
                neighbour.join()
            shown = "" if speed is None else f"{speed:.2f}"
            row = [what, threads, policy, neighbours, shown, f"{processor:.1f}"]
            writer.writerow(row)
            sink.flush()
            print(*row, sep="\t")


if __name__ == "__main__":
    main()

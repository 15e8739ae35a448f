#!/usr/bin/env python3
"""A-LLMRec's second stage and its inference against Hugging Face transformers, in turns on this machine, as ratios.

    peer-env/bin/python bench/stage2.py --threads 2

The peer is `../shared/bench/hf_stage2.py` (training and greedy answers) and, for the likelihoods of twenty titles,
twenty forward passes over prompt and title in transformers (`--peer-score`, in this script). Ours is
`allround-worker --bench` on the very prompts that the peer draws: a frozen OPT with random weights, two trained
projections, Adam. The interpreter needs torch, transformers and tokenizers. Ours and the peer's run alternately, and
of each the median step counts, without each run's first. On a machine that others use too, `--clock cpu --threads 1`
counts processor time in place of wall time.
"""
import argparse, csv, importlib.util, json, os, pathlib, resource, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parent.parent


def peer_module(path):
    spec = importlib.util.spec_from_file_location("hf_stage2", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def draw(peer, steps, batch, titles=0):
    """The peer's prompts, in the order in which it draws them."""
    prompts = peer.Prompts(1)
    out = []
    for _ in range(steps):
        step = []
        for _ in range(batch):
            ids, answer = prompts.draw()
            twenty = [prompts.ids(f'"{t}"') + [2] for t in prompts.rng.sample(prompts.titles, titles)] if titles else []
            step.append({"ids": ids, "answer": answer, "continuations": twenty})
        out.append(step)
    return out


def processor_time():
    """Of all children so far, with what the system did for them."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def ours(args, task, dtype, steps, int8=False):
    work = {"shape": f"opt-{args.size}", "dtype": dtype, "int8": int8, "device": args.device, "threads": args.threads,
            "task": task, "steps": steps}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(work, file)
        file.flush()
        before = processor_time()
        out = subprocess.run([str(args.program), "--bench", file.name], check=True, capture_output=True, text=True)
        spent = processor_time() - before
    if args.clock == "wall":
        return len(steps[0]) / statistics.median(json.loads(out.stdout)["seconds"][1:])
    if len(steps) == 1:
        return spent
    # What start and first step cost is measured by a run of the first step alone.
    return len(steps[0]) * (len(steps) - 1) / (spent - ours(args, task, dtype, steps[:1], int8))


def theirs(args, dtype, infer):
    clock = "import time; time.perf_counter = time.process_time; " if args.clock == "cpu" else ""
    start = f"{clock}import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", start, str(args.peer), "--size", args.size, "--steps", str(args.steps), "--dtype", dtype,
               "--device", args.device.split(":")[0]]
    out = subprocess.run(command + ["--infer"] * infer, check=True, capture_output=True, text=True)
    return json.loads(out.stdout.splitlines()[-1])


def their_scores(args, peer, users):
    """Users per second of one forward pass a title over prompt and title."""
    import torch
    from transformers import OPTConfig, OPTForCausalLM
    hidden, layers, heads = peer.SIZES[args.size]
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    config = OPTConfig(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, ffn_dim=4 * hidden,
                       word_embed_proj_dim=hidden)
    llm = OPTForCausalLM(config).eval().to(args.device)
    seconds, clock = [], time.process_time if args.clock == "cpu" else time.perf_counter
    with torch.no_grad():
        for (prompt,) in users:
            vectors = lambda n: torch.randn(n, hidden, device=args.device)
            start = clock()
            row = peer.embed(llm, prompt["ids"], vectors(1)[0], vectors(10), vectors(20))
            for title in prompt["continuations"]:
                ids = torch.tensor(title, device=args.device)
                x = torch.cat([row, llm.get_input_embeddings()(ids)]).unsqueeze(0)
                logits = llm(inputs_embeds=x).logits[0, len(row) - 1 : -1]
                logits.log_softmax(-1).gather(1, ids.unsqueeze(1)).sum().item()
            seconds.append(clock() - start)
    print(json.dumps(1 / statistics.median(seconds[1:])))


def origin():
    """The commit that is checked out, with `+` where files differ from it, and the processor."""
    git = lambda *words: subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "src", "worker", "bench", "Cargo.toml", "Cargo.lock")
    cpu = next(line for line in open("/proc/cpuinfo") if line.startswith("model name"))
    return git("rev-parse", "HEAD") + "+" * bool(changed), cpu.split(":", 1)[1].strip()


def rows(args, peer):
    """Name of a measurement, and how each side does one round of it."""
    answers = draw(peer, args.steps, 4)
    users = draw(peer, args.score_users, 1, titles=20)
    training = {}

    def peer_run(dtype):  # one run gives both of the peer's numbers
        training[dtype] = theirs(args, dtype, dtype == "float32")
        return training[dtype]["train_samples_per_s"]

    yield "stage-2 training fp32, samples/s", lambda: ours(args, "train", "float32", answers), lambda: peer_run("float32")
    yield ("greedy answers of 32 tokens fp32, users/s", lambda: ours(args, "generate", "float32", answers),
           lambda: (training.get("float32") or theirs(args, "float32", True))["infer_users_per_s"])
    yield "stage-2 training bf16, samples/s", lambda: ours(args, "train", "bfloat16", answers), lambda: peer_run("bfloat16")
    me = [sys.executable, __file__, "--peer-score", "--size", args.size, "--threads", str(args.threads), "--device",
          args.device, "--score-users", str(args.score_users), "--peer", str(args.peer), "--clock", args.clock]
    peer_score = lambda: json.loads(subprocess.run(me, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    yield "likelihoods of 20 titles fp32, users/s", lambda: ours(args, "score", "float32", users), peer_score


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--peer", default=ROOT / "../shared/bench/hf_stage2.py", type=pathlib.Path)
    cli.add_argument("--program", default=ROOT / "target/release/allround-worker", type=pathlib.Path)
    cli.add_argument("--size", default="125m")
    cli.add_argument("--device", default="cpu")
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--steps", type=int, default=4)
    cli.add_argument("--score-users", type=int, default=3)
    cli.add_argument("--rounds", type=int, default=2)
    cli.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    cli.add_argument("--only", default="", help="measure only what has this in its name")
    cli.add_argument("--peer-score", action="store_true", help="be the peer for likelihoods")
    args = cli.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    peer = peer_module(args.peer)
    if args.peer_score:
        return their_scores(args, peer, draw(peer, args.score_users, 1, titles=20))
    out = ROOT / "results/bench/stage2.csv"
    # Before anything is measured: the sources may change while it is.
    table, measured = [], origin()
    for what, mine, other in rows(args, peer):
        if args.only not in what:
            continue
        pairs = [(mine(), other()) for _ in range(args.rounds)]
        mine, other = (statistics.median(side) for side in zip(*pairs))
        table.append([what, f"{mine:.3f}", f"{other:.3f}", f"{mine / other:.2f}", f"opt-{args.size}", args.device, args.threads, args.clock,
                      *measured])
        print(*table[-1], sep=", ", flush=True)
    if not args.only:
        with out.open("w", newline="") as sink:
            writer = csv.writer(sink, lineterminator="\n")
            writer.writerows([["what", "ours", "peer", "ratio", "shape", "device", "threads", "clock", "commit", "cpu"], *table])


if __name__ == "__main__":
    main()

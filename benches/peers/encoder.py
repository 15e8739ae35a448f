#!/usr/bin/env python3
"""Stage 1 of A-LLMRec with its sentence encoder trained, against a plain sentence-transformers loop, in turn.

    benches/peers/encoder.py --python PYTHON_WITH_SENTENCE_TRANSFORMERS

A step encodes 32 positive and 32 negative texts with all-MiniLM-L6-v2 (scripts/setup-minilm.sh) in training mode, sends
the vectors through the text auto-encoder and back, and lets Adam move all weights, in single precision. Texts are words
of film titles, 8 to 120 in each, as item titles with descriptions have. Both sides get the same batches. Writes
results/bench/encoder.csv.
"""
import json, pathlib, random, statistics, tempfile

from common import ROOT, Ratio, last_json, parser, report

WARM_UP, HIDDEN = 1, 128
TITLES = ROOT / "crates/worker/tests/fixtures/encoders/titles.txt"


def batches(samples, count):
    """Lists of texts: positives, then as many negatives."""
    words, draw = TITLES.read_text().split(), random.Random(5)
    text = lambda: " ".join(draw.choices(words, k=draw.randint(8, 120)))
    return [[text() for _ in range(2 * samples)] for _ in range(count)]


def peer(work):
    """The plain loop: positives and negatives in a call each, as the authors' code encodes them."""
    import time, torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(work["threads"])
    torch.manual_seed(1)
    model = SentenceTransformer(work["folder"], device="cpu").train()
    width = model.get_sentence_embedding_dimension()
    down, up = torch.nn.Linear(width, work["hidden"]), torch.nn.Linear(work["hidden"], width)
    optimizer = torch.optim.Adam([*model.parameters(), *down.parameters(), *up.parameters()], lr=1e-4)
    measured = {"seconds": [], "cpu_seconds": []}
    for texts in work["batches"]:
        wall, processor = time.perf_counter(), time.process_time()
        loss, half = 0, len(texts) // 2
        for part in (texts[:half], texts[half:]):
            vectors = model(model.tokenize(part))["sentence_embedding"]
            codes = down(vectors)
            loss = loss + torch.nn.functional.mse_loss(codes, torch.randn_like(codes))
            loss = loss + torch.nn.functional.mse_loss(up(codes), vectors)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        measured["seconds"].append(time.perf_counter() - wall)
        measured["cpu_seconds"].append(time.process_time() - processor)
    print(json.dumps(measured))


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/examples/encoder_steps")
    cli.add_argument("--folder", default=ROOT / ".assets/minilm", type=pathlib.Path)
    cli.add_argument("--samples", type=int, default=32)
    cli.add_argument("--steps", type=int, default=4, help="measured steps a round")
    cli.add_argument("--peer", type=pathlib.Path, help="be the peer for this work")
    args = cli.parse_args()
    if args.peer:
        return peer(json.loads(args.peer.read_text()))
    work = {"folder": str(args.folder.resolve()), "threads": args.threads, "hidden": HIDDEN,
            "batches": batches(args.samples, WARM_UP + args.steps)}
    quantity = "cpu_seconds" if args.clock == "cpu" else "seconds"
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "work.json"
        path.write_text(json.dumps(work))
        for _ in range(args.rounds):
            commands = [[args.program, path], [args.python, __file__, "--peer", path]]
            steps = [last_json(command, args.threads)[quantity][WARM_UP:] for command in commands]
            pairs.append([args.samples / statistics.median(seconds) for seconds in steps])
    second = "processor second" if args.clock == "cpu" else "s"
    what = f"stage 1 with MiniLM trained, batch {args.samples}, samples/{second}"
    report("encoder", [Ratio.of(what, pairs)], args)


if __name__ == "__main__":
    main()

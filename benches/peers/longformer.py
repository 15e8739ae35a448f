#!/usr/bin/env python3
"""Forward passes of RECFORMER's network against transformers' Longformer, in turn.

    benches/peers/longformer.py --python PYTHON_WITH_TRANSFORMERS

Two layers of width 128 with 4 heads, a window of 64, sequences of 256 tokens, single precision, without gradient. Both sides
get the same tokens and compute the state of the first token, on random weights. transformers computes all tokens in the last
layer too, as RECFORMER's code does. `--width 768 --heads 12` is the width of Longformer-base, `--ragged` draws lengths of 64 to
256 tokens. Writes results/bench/longformer.csv.
"""
import json, pathlib, random, statistics, tempfile

from common import ROOT, Ratio, last_json, parser, report

WARM_UP, VOCABULARY, WINDOW = 2, 5000, 64


def batches(args):
    draw = random.Random(5)
    length = lambda: draw.randint(64, args.tokens) if args.ragged else args.tokens
    tokens = lambda: [0] + [draw.randrange(5, VOCABULARY) for _ in range(length() - 1)]
    return [[tokens() for _ in range(args.samples)] for _ in range(WARM_UP + args.steps)]


def peer(work):
    """LongformerModel in evaluation mode."""
    import time, torch
    from transformers import LongformerConfig, LongformerModel

    torch.set_num_threads(work["threads"])
    torch.manual_seed(1)
    config = LongformerConfig(
        vocab_size=work["vocabulary"], hidden_size=work["width"], num_hidden_layers=work["layers"],
        num_attention_heads=work["heads"], intermediate_size=4 * work["width"], max_position_embeddings=4098, type_vocab_size=4,
        attention_window=[work["window"]] * work["layers"], pad_token_id=1,
    )
    model = LongformerModel(config, add_pooling_layer=False).eval()
    measured = {"seconds": [], "cpu_seconds": []}
    for rows in work["batches"]:
        wall, processor = time.perf_counter(), time.process_time()
        longest = max(map(len, rows))
        ids = torch.tensor([row + [1] * (longest - len(row)) for row in rows])
        mask = (ids != 1).long()
        seen = torch.zeros_like(ids)
        seen[:, 0] = 1
        with torch.no_grad():
            model(ids, attention_mask=mask, global_attention_mask=seen).last_hidden_state[:, 0]
        measured["seconds"].append(time.perf_counter() - wall)
        measured["cpu_seconds"].append(time.process_time() - processor)
    print(json.dumps(measured))


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/examples/longformer_forward")
    cli.add_argument("--samples", type=int, default=16, help="sequences of a batch")
    cli.add_argument("--steps", type=int, default=6, help="measured batches a round")
    cli.add_argument("--tokens", type=int, default=256)
    cli.add_argument("--width", type=int, default=128)
    cli.add_argument("--heads", type=int, default=4)
    cli.add_argument("--layers", type=int, default=2)
    cli.add_argument("--ragged", action="store_true")
    cli.add_argument("--peer", type=pathlib.Path, help="be the peer for this work")
    args = cli.parse_args()
    if args.peer:
        return peer(json.loads(args.peer.read_text()))
    names = ["threads", "width", "heads", "layers"]
    work = {name: getattr(args, name) for name in names}
    work |= {"vocabulary": VOCABULARY, "window": WINDOW, "batches": batches(args)}
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
    lengths = f"64 to {args.tokens}" if args.ragged else f"{args.tokens}"
    what = f"Longformer forward, {args.layers} layers of width {args.width}, {lengths} tokens, sequences/{second}"
    report("longformer", [Ratio.of(what, pairs)], args)


if __name__ == "__main__":
    main()

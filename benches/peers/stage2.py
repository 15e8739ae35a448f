#!/usr/bin/env python3
"""A-LLMRec's second stage and its inference against Hugging Face transformers (hf_stage2.py), in turn on one device.

    benches/peers/stage2.py --python PYTHON_WITH_TRANSFORMERS
    benches/peers/stage2.py --device cuda:0 --device-name "NVIDIA H100" --shapes opt-125m,opt-1.3b --dtypes bfloat16 --out FILE

Both sides read the same prompts. OPT gets those of the paper's length: 10 titles of the history, 20 candidates, about
850 tokens with random ids, a user vector in front and 30 item vectors. SmolLM2 gets short ones without a list: 5 titles,
about 190 tokens, 5 item vectors. A frozen language model with random weights, two trained projections, Adam. Of the
steps, all but the first --warm-up, the median counts. A side that fails leaves its cells empty, with the reason in
the last column.

On CUDA the peer is measured twice: as it comes, and with PyTorch's attention kept from cuDNN, which plans anew for each
length of a batch on Hopper. The share of the peak counts two operations a parameter and token, and as many for the
gradients of the inputs. Writes results/bench/stage2.csv, or FILE.
"""
import csv, dataclasses, json, pathlib, random, statistics, tempfile

from common import RESULTS, ROOT, last_json, parser

PEER = pathlib.Path(__file__).with_name("hf_stage2.py")
# Parameters of the blocks.
PARAMETERS = {"opt-125m": 85e6, "opt-1.3b": 1.208e9, "opt-6.7b": 6.44e9, "smollm2-135m": 106e6}
# Dense bfloat16 operations a second, by a part of the device's name.
PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "A6000": 155e12, "4090": 165e12}
ANSWER, TITLES = 15, 20
COLUMNS = ["what", "ours", "peer", "ratio", "peer_without_cudnn", "ratio_without_cudnn", "tokens_per_s", "share_of_peak",
           "shape", "dtype", "device", "device_name", "threads", "clock", "rounds", "error"]


@dataclasses.dataclass(frozen=True)
class Task:
    """What a step does, for how many prompts, and how many titles are scored after each."""

    name: str
    what: str
    batch: int
    titles: int


TASKS = [
    Task("train", "stage-2 training, samples", 4, 0),
    Task("generate", "greedy answers of 32 tokens, users", 4, 0),
    Task("score", f"likelihoods of {TITLES} titles, users", 1, TITLES),
]


@dataclasses.dataclass(frozen=True)
class Length:
    """Tokens of a prompt, how far the length of one may be from it, and item vectors among them."""

    tokens: int
    spread: int
    items: int


LISTED = Length(850, 40, 30)
LENGTHS = {"smollm2-135m": Length(190, 10, 5)}


def prompts(draw, length, batch, titles):
    """A batch of prompts: each of another length, with item vectors at negative ids."""
    text = lambda: [draw.randrange(4, 49_000) for _ in range(ANSWER)]
    drawn = []
    for _ in range(batch):
        ids = [draw.randrange(4, 49_000) for _ in range(length.tokens + draw.randint(-length.spread, length.spread))]
        for place in draw.sample(range(10, len(ids)), length.items):
            ids[place] = -1
        drawn.append({"ids": ids, "answer": text(), "continuations": [text() for _ in range(titles)]})
    return drawn


def speeds(args, work, sides):
    """For each side, the prompts a second of every measurement: medians over rounds. And why a side has none."""
    found, errors = {name: [] for name in sides}, {}
    quantity = "cpu_seconds" if args.clock == "cpu" else "seconds"
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(work, file)
        file.flush()
        for _ in range(args.rounds):
            for name, command in sides.items():
                if name in errors:
                    continue
                try:
                    measured = last_json([*command, file.name], args.threads)
                except (RuntimeError, OSError) as error:
                    errors[name] = f"{name}: {error}"[:200]
                    continue
                pairs = zip(work["measurements"], measured)
                found[name].append([len(part["steps"][0]) / statistics.median(result[quantity][args.warm_up :])
                                    for part, result in pairs])
    medians = {name: [statistics.median(values) for values in zip(*rounds)] for name, rounds in found.items()}
    return medians, "; ".join(errors.values())


def work_of(args, shape, dtype):
    """The file that both sides read."""
    def steps(batch, titles):
        draw = random.Random(1)
        length = LENGTHS.get(shape, LISTED)
        return [prompts(draw, length, batch, titles) for _ in range(args.warm_up + args.steps)]

    measurements = [{"task": task.name, "steps": steps(task.batch, task.titles)} for task in TASKS]
    return {"shape": shape, "dtype": dtype, "int8": False, "device": args.device, "threads": args.threads,
            "measurements": measurements}


def measurements(args):
    """Rows of the table."""
    peak = next((peak for part, peak in PEAKS.items() if part in args.device_name), None)
    peer = [args.python, PEER]
    sides = {"ours": [args.program], "peer": peer}
    if args.device != "cpu":
        sides["peer without cuDNN"] = [*peer, "--without-cudnn"]
    second = "processor second" if args.clock == "cpu" else "s"
    for shape in args.shapes.split(","):
        for dtype in args.dtypes.split(","):
            medians, error = speeds(args, work_of(args, shape, dtype), sides)
            for number, task in enumerate(TASKS):
                speed = lambda side: medians[side][number] if medians.get(side) else None
                mine, other, plain = speed("ours"), speed("peer"), speed("peer without cuDNN")
                tokens = mine * (LENGTHS.get(shape, LISTED).tokens + ANSWER) if mine and task.name == "train" else None
                share = tokens * 4 * PARAMETERS[shape] / peak if tokens and peak else None
                ratio = lambda other: mine / other if mine and other else None
                numbers = [mine, other, ratio(other), plain, ratio(plain), tokens, share]
                shown = ("" if value is None else f"{value:.4g}" for value in numbers)
                yield [f"{task.what}/{second}", *shown, shape, dtype, args.device, args.device_name, args.threads,
                       args.clock, args.rounds, error]


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/examples/lm_steps")
    cli.add_argument("--shapes", default="opt-125m,smollm2-135m")
    cli.add_argument("--dtypes", default="float32,bfloat16")
    cli.add_argument("--device", default="cpu")
    cli.add_argument("--device-name", default="")
    cli.add_argument("--steps", type=int, default=3, help="measured steps a round")
    cli.add_argument("--warm-up", type=int, default=1, help="steps before them")
    cli.add_argument("--out", type=pathlib.Path, default=RESULTS / "stage2.csv")
    args = cli.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(COLUMNS)
        for row in measurements(args):
            # Row by row: what is measured stays when time runs out.
            writer.writerow(row)
            sink.flush()
            print(*row, sep=", ", flush=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Preparing Amazon reviews against a plain Python reader, in turn; and the peak memory for many reviews.

    benches/peers/preparation.py

`allround data make` writes reviews and metadata in Amazon's form. The peer does what the A-LLMRec code does: gzip and json
over the reviews twice (to count, then to keep), once over the metadata, sequences sorted by time. Both sides read the same
files, filter by the published rule with the same threshold, and must agree on users, items and interactions. Ours is
`allround data prepare`: the whole command, with digests of its input. `--many N` also measures the peak memory of N
reviews. Writes results/bench/preparation.csv.
"""
import gzip, json, os, pathlib, subprocess, tempfile, time

from common import ROOT, Ratio, last_json, parser, report

SPEC = """
spec_version = 1
name = "preparation"
[dataset.made]
source.amazon = {{ reviews = "{folder}/reviews.json.gz", metadata = "{folder}/meta.json.gz" }}
filter = [{{ published = {{ threshold = 5 }} }}]
[model.popularity.popularity]
"""
# Bytes that the preparation of `--many` reviews may use.
LIMIT = 2e9


def records(path):
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line)


def counted(folder):
    """Reviews of each user and of each item."""
    users, items = {}, {}
    for review in records(f"{folder}/reviews.json.gz"):
        user, item = review["reviewerID"], review["asin"]
        users[user], items[item] = users.get(user, 0) + 1, items.get(item, 0) + 1
    return users, items


def peer(args):
    """Two passes over reviews, one over metadata. Prints seconds and counts as one line of JSON."""
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    start, folder = clock(), args.peer
    of_user, of_item = counted(folder)
    texts = {record["asin"]: (record.get("title"), record.get("description")) for record in records(f"{folder}/meta.json.gz")}
    users, items, sequences, kept = {}, {}, {}, {}
    for review in records(f"{folder}/reviews.json.gz"):
        user, item = review["reviewerID"], review["asin"]
        if of_user[user] < 5 or of_item[item] < 5:
            continue
        u, i = users.setdefault(user, len(users) + 1), items.setdefault(item, len(items) + 1)
        kept[i] = texts.get(item)
        sequences.setdefault(u, []).append((review["unixReviewTime"], i))
    for sequence in sequences.values():
        sequence.sort(key=lambda pair: pair[0])
    counts = [len(users), len(items), sum(map(len, sequences.values()))]
    print(json.dumps({"seconds": clock() - start, "reviews": sum(of_user.values()), "counts": counts}))


def ours(args, folder):
    """Seconds, peak bytes and the printed counts of the whole command."""
    with tempfile.TemporaryDirectory() as work:
        spec = pathlib.Path(work) / "spec.toml"
        spec.write_text(SPEC.format(folder=folder))
        store = ["--store", f"{work}/store"]
        command = [args.program, "data", "prepare", spec, "--out", f"{work}/prepared", *store]
        environment = os.environ | {"RAYON_NUM_THREADS": str(args.threads)}
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise RuntimeError(f"{command} ended with status {status}")
        stats = [args.program, "data", "stats", spec, *store]
        counts = subprocess.run(stats, check=True, capture_output=True, text=True).stdout
    processor = usage.ru_utime + usage.ru_stime
    return processor if args.clock == "cpu" else seconds, usage.ru_maxrss * 1024, counts


def make(program, folder, reviews):
    users = reviews // 10
    command = [program, "data", "make", "--users", users, "--items", users // 4, "--mean-length", 10]
    subprocess.run([*map(str, command), "--out", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def agree(printed, counts):
    """Stops where the two sides did not keep the same data."""
    numbers = printed.replace(",", "").split()
    if not all(str(count) in numbers for count in counts):
        raise SystemExit(f"preparation: the peer counts {counts}, ours is\n{printed}")


def main():
    cli = parser(__doc__)
    cli.add_argument("--program", default=ROOT / "target/release/allround")
    cli.add_argument("--reviews", type=int, default=1_000_000)
    cli.add_argument("--many", type=int, default=0, help="reviews of the memory measurement; 0 leaves it out")
    cli.add_argument("--peer", help="be the peer for the files of this folder")
    args = cli.parse_args()
    if args.peer:
        return peer(args)
    ratios, pairs = [], []
    with tempfile.TemporaryDirectory() as folder:
        make(args.program, folder, args.reviews)
        for _ in range(args.rounds):
            seconds, _, printed = ours(args, folder)
            command = [args.python, __file__, "--peer", folder, "--clock", args.clock]
            theirs = last_json(command, args.threads)
            agree(printed, theirs["counts"])
            pairs.append((theirs["reviews"] / seconds, theirs["reviews"] / theirs["seconds"]))
    second = "processor second" if args.clock == "cpu" else "s"
    ratios.append(Ratio.of(f"preparation of about {args.reviews} Amazon reviews, reviews/{second}", pairs))
    if args.many:
        with tempfile.TemporaryDirectory() as folder:
            make(args.program, folder, args.many)
            peak = ours(args, folder)[1]
        ratios.append(Ratio.of(f"memory for {args.many} reviews, peaks in the limit of 2 GB", [(LIMIT / peak, 1.0)]))
    report("preparation", ratios, args)


if __name__ == "__main__":
    main()

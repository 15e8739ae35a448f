#!/usr/bin/env python3
"""Reading Amazon reviews against a plain Python reader, side by side, and the peak memory of ten million reviews.

    python3 bench/preparation.py

`allround data make` writes reviews and metadata in Amazon's form. The peer is what the A-LLMRec code does: gzip and json
over the reviews twice (once to count, once to keep), once over the metadata, sequences sorted by time. Both sides read
the same two files, filter by the published rule with the same threshold, and must agree on users, items and interactions.
Ours is `allround data prepare`: the whole command, with digests of its input and files that training maps.
"""
import argparse, csv, gzip, json, os, pathlib, statistics, subprocess, sys, tempfile, time

SPEC = """
spec_version = 1
name = "preparation"
[dataset.made]
source.amazon = {{ reviews = "{folder}/reviews.json.gz", metadata = "{folder}/meta.json.gz" }}
filter = [{{ published = {{ threshold = 5 }} }}]
[model.popularity.popularity]
"""


def records(path):
    with gzip.open(path, "rt") as lines:
        for line in lines:
            yield json.loads(line)


def peer(folder):
    """Two passes over reviews, one over metadata: what a plain script does. Prints counts as one JSON line."""
    start = time.perf_counter()
    user_counts, item_counts = {}, {}
    for review in records(f"{folder}/reviews.json.gz"):
        user, item = review["reviewerID"], review["asin"]
        user_counts[user] = user_counts.get(user, 0) + 1
        item_counts[item] = item_counts.get(item, 0) + 1
    texts = {}
    for record in records(f"{folder}/meta.json.gz"):
        texts[record["asin"]] = (record.get("title"), record.get("description"))
    users, items, sequences, kept_texts = {}, {}, {}, {}
    for review in records(f"{folder}/reviews.json.gz"):
        user, item, when = review["reviewerID"], review["asin"], review["unixReviewTime"]
        if user_counts[user] < 5 or item_counts[item] < 5:
            continue
        u, i = users.setdefault(user, len(users) + 1), items.setdefault(item, len(items) + 1)
        kept_texts[i] = texts.get(item)
        sequences.setdefault(u, []).append((when, i))
    for row in sequences.values():
        row.sort(key=lambda pair: pair[0])
    counts = {"users": len(users), "items": len(items), "interactions": sum(map(len, sequences.values()))}
    print(json.dumps({"seconds": time.perf_counter() - start, **counts}))


def ours(program, folder, threads):
    """Seconds and peak bytes of the whole command, and its counts."""
    with tempfile.TemporaryDirectory() as work:
        spec = pathlib.Path(work) / "spec.toml"
        spec.write_text(SPEC.format(folder=folder))
        command = [program, "data", "prepare", str(spec), "--out", f"{work}/prepared", "--store", f"{work}/store"]
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        start = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        assert status == 0, f"{command} ended with {status}"
        stats = [program, "data", "stats", str(spec), "--store", f"{work}/store"]
        told = subprocess.run(stats, check=True, capture_output=True, text=True).stdout
        return seconds, usage.ru_maxrss * 1024, told


def made(program, folder, reviews):
    users = reviews // 10
    command = [program, "data", "make", "--users", str(users), "--items", str(users // 4), "--mean-length", "10"]
    subprocess.run([*command, "--out", folder, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--program", default=root / "target/release/allround")
    cli.add_argument("--reviews", type=int, default=1_000_000)
    cli.add_argument("--many", type=int, default=10_000_000, help="reviews of the memory measurement; 0 leaves it out")
    cli.add_argument("--rounds", type=int, default=3)
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--peer", help=argparse.SUPPRESS)
    args = cli.parse_args()
    if args.peer:
        return peer(args.peer)
    program, rows = str(args.program), []
    with tempfile.TemporaryDirectory() as folder:
        made(program, folder, args.reviews)
        mine, theirs, told, counts = [], [], "", {}
        for _ in range(args.rounds):
            seconds, _, told = ours(program, folder, args.threads)
            mine.append(seconds)
            command = [sys.executable, __file__, "--peer", folder]
            counts = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            theirs.append(counts["seconds"])
        ratio = statistics.median(b / a for a, b in zip(mine, theirs))
        print(told, counts)
        rows.append((f"seconds for {args.reviews} reviews", statistics.median(mine), statistics.median(theirs), ratio))
        print(f"preparing {counts['interactions']} interactions: {rows[0][1]:.2f} s against {rows[0][2]:.2f} s, ratio {ratio:.1f}")
    if args.many:
        with tempfile.TemporaryDirectory() as folder:
            made(program, folder, args.many)
            seconds, peak, _ = ours(program, folder, args.threads)
            rows.append((f"peak GB for {args.many} reviews (limit 2)", peak / 1e9, 2.0, 2.0 / (peak / 1e9)))
            print(f"preparing {args.many} reviews: {seconds:.1f} s, peak {peak / 1e9:.2f} GB")
    out = root / "results/bench/preparation.csv"
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(["what", "ours", "peer", "ratio", "threads"])
        for what, a, b, ratio in rows:
            writer.writerow([what, f"{a:.3f}", f"{b:.3f}", f"{ratio:.2f}", args.threads])


if __name__ == "__main__":
    main()

"""What the scripts of this folder share: data made on the spot, programs run in turn, ratios, CSV files."""
import argparse, csv, dataclasses, json, os, pathlib, random, resource, statistics, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RESULTS = ROOT / "results/bench"
COLUMNS = ["what", "ours", "peer", "ratio", "lowest_ratio", "highest_ratio", "clock", "threads", "rounds"]


@dataclasses.dataclass(frozen=True)
class Ratio:
    """Our speed and the peer's, both higher is better: medians over rounds, and the median of the rounds' ratios."""

    what: str
    ours: float
    peer: float
    ratio: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, what, pairs):
        """Of pairs of speeds, each measured in one round."""
        ours, peer = (statistics.median(side) for side in zip(*pairs))
        ratios = sorted(mine / other for mine, other in pairs)
        return cls(what, ours, peer, statistics.median(ratios), ratios[0], ratios[-1])

    def row(self, args):
        ratios = [f"{ratio:.2f}" for ratio in (self.ratio, self.lowest, self.highest)]
        return [self.what, f"{self.ours:.4g}", f"{self.peer:.4g}", *ratios, args.clock, args.threads, args.rounds]


def parser(doc):
    """Arguments of every script."""
    cli = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--python", default=sys.executable, help="interpreter that has the peer's packages")
    cli.add_argument("--rounds", type=int, default=3, help="times that both sides are measured, in turn")
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--clock", choices=["wall", "cpu"], default="wall",
                     help="cpu counts processor seconds: for a machine that others use too, with --threads 1")
    return cli


def report(name, ratios, args):
    """Writes results/bench/NAME.csv and prints the same."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    with (RESULTS / f"{name}.csv").open("w", newline="") as sink:
        writer = csv.writer(sink, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(ratio.row(args) for ratio in ratios)
    for ratio in ratios:
        print(f"{ratio.what}: {ratio.ours:.4g} against {ratio.peer:.4g}, ratio {ratio.ratio:.2f}"
              f" ({ratio.lowest:.2f} to {ratio.highest:.2f})")


def last_json(command, threads):
    """Runs a program on this many threads; the JSON of the last line that it prints."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "RAYON_NUM_THREADS": str(threads)}
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, env=environment)
    if run.returncode:
        reason = run.stderr.strip().splitlines() or [f"exit code {run.returncode}"]
        raise RuntimeError(f"{command[0]}: {reason[-1]}")
    return json.loads(run.stdout.splitlines()[-1])


def children_seconds():
    """Processor seconds of all finished child processes, system time included."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_experiment(program, text, folder, jobs=1):
    """Runs an experiment given as text; its results folder and the processor seconds of the whole run."""
    folder = pathlib.Path(folder)
    spec = folder / "speed.toml"
    spec.write_text(text)
    command = [program, "run", spec, "--quiet", "--store", folder / "store", "--out", folder / "results", "-j", str(jobs)]
    before = children_seconds()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder / "results/speed", children_seconds() - before


def rows(path):
    with path.open(newline="") as source:
        return list(csv.DictReader(source))


def stage_phase(results, stage, phase):
    """The row of one phase of one stage; every experiment here has one model."""
    found = (row for row in rows(results / "stages.csv") if row["kind"] == stage and row["phase"] == phase)
    return next(found)


def write_sequences(path, users, items, mean_length):
    """Lines of `user item` in time order; lengths are 5 and more, exponentially distributed around the mean.

    Items follow Zipf's law. How fast a model trains does not depend on which items follow each other.
    """
    draw = random.Random(1)
    weights = [1 / (10 + rank) for rank in range(items)]
    with path.open("w") as sink:
        for user in range(1, users + 1):
            length = 5 + round(draw.expovariate(1 / (mean_length - 5)))
            for item in draw.choices(range(1, items + 1), weights, k=length):
                sink.write(f"{user} {item}\n")

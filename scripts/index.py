#!/usr/bin/env python3
"""Writes the tables of experiments/README.md and results/README.md: question, experiment, verdict, time.

    scripts/index.py            rewrite both tables
    scripts/index.py --check    exit code 1 if a table is out of date; nothing is written

Questions and verdicts come from experiments/**/*.toml; a verdict is the first sentence of `analysis`. Times, devices and
commits come from the results folders: every folder with a machine.toml. Only the part of a README between the two marker
comments is generated. Needs Python 3.11 and nothing else.
"""
import argparse, csv, dataclasses, pathlib, re, sys, tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
BEGIN = "<!-- index: made by scripts/index.py; edit the experiments instead -->"
END = "<!-- index: end -->"


@dataclasses.dataclass(frozen=True)
class Experiment:
    path: pathlib.Path
    name: str
    question: str
    verdict: str


@dataclasses.dataclass(frozen=True)
class Result:
    path: pathlib.Path
    experiment: str  # the `name` of the experiment file
    is_plain: bool  # made by the file as it is, without a profile, `--set` or flags
    seconds: float
    devices: str
    commit: str


def first_sentence(text):
    """The first sentence, on one line; a full stop inside a number or an abbreviation does not end it."""
    line = " ".join(text.split())
    return re.split(r"(?<=[.!?])\s+(?=[A-Z0-9`])", line, maxsplit=1)[0]


def experiments():
    found = []
    for path in sorted((ROOT / "experiments").rglob("*.toml")):
        spec = tomllib.loads(path.read_text())
        verdict = first_sentence(spec.get("analysis", ""))
        question = " ".join(spec.get("question", "").split())
        found.append(Experiment(path, spec["name"], question, verdict))
    return found


def stage_seconds(folder):
    """Wall seconds of all stage phases; stages.csv has each once, however many cells share the stage."""
    with (folder / "stages.csv").open(newline="") as source:
        return sum(float(row["wall_s"] or 0) for row in csv.DictReader(source))


def results():
    found = []
    for machine_file in sorted((ROOT / "results").rglob("machine.toml")):
        folder = machine_file.parent
        machine = tomllib.loads(machine_file.read_text())
        spec = tomllib.loads((folder / "spec.toml").read_text())
        devices = [device["name"] for device in machine.get("device", [])]
        is_plain = folder.name == spec["name"] and not spec.get("profile")
        commit = machine.get("program", {}).get("commit", "")[:7]
        shown = ", ".join(dict.fromkeys(devices))
        found.append(Result(folder, spec["name"], is_plain, stage_seconds(folder), shown, commit))
    return found


def duration(seconds):
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def cell(text):
    return text.replace("|", "\\|")


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def experiments_table(all_experiments, all_results):
    folder = ROOT / "experiments"
    rows = []
    for experiment in all_experiments:
        own = [result for result in all_results if result.experiment == experiment.name]
        path = experiment.path.relative_to(folder)
        link = lambda result: f"[{duration(result.seconds)}](../{result.path.relative_to(ROOT)}), {result.devices}"
        times = "<br>".join(map(link, own)) or "no results here"
        rows.append([cell(experiment.question), f"[{path}]({path})", cell(experiment.verdict), times])
    return table(["question", "experiment", "verdict", "stage time, device"], rows)


def results_table(all_experiments, all_results):
    folder = ROOT / "results"
    by_name = {experiment.name: experiment for experiment in all_experiments}
    rows = []
    for result in all_results:
        experiment = by_name.get(result.experiment)
        path = result.path.relative_to(folder)
        question = cell(experiment.question) if experiment else ""
        # The analysis is of the experiment as written or of its only run.
        is_only = sum(other.experiment == result.experiment for other in all_results) == 1
        verdict = cell(experiment.verdict) if experiment and (result.is_plain or is_only) else ""
        source = experiment.path.relative_to(ROOT) if experiment else None
        made_by = f"[{source.name}](../{source})" if source else "no longer in the repository"
        rows.append([f"[{path}]({path})", question, made_by, verdict, duration(result.seconds), result.devices, result.commit])
    return table(["results", "question", "experiment", "verdict", "stage time", "device", "commit"], rows)


def updated(readme, generated):
    """The README's text with `generated` between its markers."""
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        sys.exit(f"index: {readme.relative_to(ROOT)} needs the lines `{BEGIN}` and `{END}`, once each, around the table")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    return f"{head}{BEGIN}\n\n{generated}\n\n{END}{tail}"


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("--check", action="store_true", help="report tables that are out of date; write nothing")
    args = cli.parse_args()
    all_experiments, all_results = experiments(), results()
    stale = []
    for name, make in [("experiments", experiments_table), ("results", results_table)]:
        readme = ROOT / name / "README.md"
        text = updated(readme, make(all_experiments, all_results))
        if text == readme.read_text():
            continue
        stale.append(str(readme.relative_to(ROOT)))
        if not args.check:
            readme.write_text(text)
    if args.check and stale:
        sys.exit(f"index: out of date: {', '.join(stale)}; run scripts/index.py")
    print(f"index: {len(all_experiments)} experiments, {len(all_results)} results folders; {len(stale)} tables rewritten")


if __name__ == "__main__":
    main()

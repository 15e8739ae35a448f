#!/usr/bin/env python3
"""Where A-LLMRec loses what its CF model knows: hit@1 step by step, from the artefacts of an experiment that has run.

    python3 scripts/what-the-reader-loses.py experiments/reader.toml results/reader --store .allround

Needs torch and safetensors. For every seed of `--model` (of SASRec in the form `allmrec`, with the hashed encoder):

- `CF model`: SASRec's own scores of the protocol's candidates;
- `after stage 1`: the same with the items' codes decoded in the place of its item vectors;
- `perfect reader`: projections of stage 2's shape, data, steps and learning rate, trained with a softmax over cosines in the
  place of the language model;
- the method itself, over all users, over those with no candidate whose title has the target's first word, and the others.

So a loss between the first and the third row is the projections', and what is lost behind the third is the reader's.
"""
import argparse
import csv
import gzip
import json
import pathlib
import random
import re
import subprocess

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn

SHARPNESS = 20.0
# Stages that are told once, for the first of the models that share them.
SHARED = ("prepare", "backbone", "align", "candidates")


def artefacts(arguments):
    """The folders of each seed's stages by kind: what seeds share, such as the data, is told by the first alone."""
    command = [arguments.program, "plan", arguments.spec, "--store", arguments.store]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    shared, seeds = {}, {}
    for kind, short, state, cell in re.findall(r"^ *(\S+) +([0-9a-f]{12}) +(cached|to run) +(\S+)", told, re.M):
        _, scenario, model, seed = cell.split(".")
        own = model == arguments.model
        if scenario != "overall" or not (own or kind in SHARED):
            continue
        if state != "cached":
            raise SystemExit(f"{arguments.spec}: {kind} of {cell} is not in {arguments.store}: run the experiment first")
        folder = next((pathlib.Path(arguments.store) / "artefacts" / kind).glob(short + "*"))
        of_seed = seeds.setdefault(seed, {})
        of_seed[kind] = folder if own else of_seed.get(kind, folder)
        shared.setdefault(kind, folder)
    return {seed: {**shared, **folders} for seed, folders in seeds.items()}


def tensors(path):
    read = load_file(path)
    return {name: it if it.is_floating_point() else it.to(torch.int64) for name, it in read.items()}


class Sasrec:
    def __init__(self, folder):
        self.weights = tensors(folder / "weights.safetensors")
        settings = json.loads((folder / "model.json").read_text())["model"]["sasrec"]
        if settings["form"] != "allmrec" or settings["num_heads"] != 1:
            raise SystemExit(f"{folder}: only SASRec in the form `allmrec` with one head can be read here")
        self.maxlen, self.blocks = settings["maxlen"], settings["num_blocks"]
        self.items = self.weights["item_emb.weight"]

    def norm(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.weights[name + ".weight"], self.weights[name + ".bias"], 1e-8)

    def linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"].squeeze(-1), self.weights[name + ".bias"])

    def states(self, histories):
        rows = torch.zeros(len(histories), self.maxlen, dtype=torch.long)
        for row, history in zip(rows, histories):
            history = torch.tensor(history[-self.maxlen:], dtype=torch.long)
            row[self.maxlen - len(history):] = history
        real = (rows > 0).unsqueeze(-1)
        width = self.items.shape[1]
        x = (self.items[rows] * width**0.5 + self.weights["pos_emb.weight"]) * real
        later = torch.ones(self.maxlen, self.maxlen, dtype=torch.bool).triu(1)
        for block in range(self.blocks):
            normed, name = self.norm(x, f"attention_layernorms.{block}"), f"attention_layers.{block}"
            weights = self.weights[name + ".in_proj_weight"].chunk(3)
            biases = self.weights[name + ".in_proj_bias"].chunk(3)
            query, key, value = (F.linear(of, *pair) for of, pair in zip((normed, x, x), zip(weights, biases)))
            looks = (query @ key.transpose(1, 2) / width**0.5).masked_fill(later, float("-inf")).softmax(-1)
            x = self.norm(normed + self.linear(looks @ value, name + ".out_proj"), f"forward_layernorms.{block}")
            inner = self.linear(x, f"forward_layers.{block}.conv1").relu()
            x = (x + self.linear(inner, f"forward_layers.{block}.conv2")) * real
        return self.norm(x, "last_layernorm")[:, -1]


def projection(width, lm, bend):
    layers = nn.Sequential(nn.Linear(width, lm), nn.LayerNorm(lm), bend, nn.Linear(lm, lm))
    for layer in (layers[0], layers[3]):
        nn.init.xavier_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return layers


def perfect_reader(seed, data, model, codes, test, settings):
    """Scores of the test's candidates by projections that a softmax over cosines has trained."""
    histories, targets, known, items = data
    torch.manual_seed(seed)
    draw, states = random.Random(seed), model.states(histories)
    lm, train = settings["width"], settings["train"]
    users, offered = projection(states.shape[1], lm, nn.LeakyReLU()), projection(codes.shape[1], lm, nn.GELU())
    score = lambda states, lists: SHARPNESS * F.cosine_similarity(users(states).unsqueeze(1), offered(codes)[lists], dim=-1)
    weights = [*users.parameters(), *offered.parameters()]
    optimizer = torch.optim.Adam(weights, lr=train["lr"], betas=(0.9, 0.98))
    batch, epochs = train["batch_size"], train["epochs"]
    steps = -(-len(targets) // batch) * epochs
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, eta_min=train["lr"] / 10)
    for _ in range(epochs):
        order = draw.sample(range(len(targets)), len(targets))
        for start in range(0, len(order), batch):
            part = order[start:start + batch]
            others = lambda at: draw.sample([item for item in items if item not in known[at]], settings["candidates"] - 1)
            lists = torch.tensor([[targets[at], *others(at)] for at in part])
            loss = F.cross_entropy(score(states[part], lists), torch.zeros(len(part), dtype=torch.long))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        return score(*test)


def training(prepared):
    """Every item of a training sequence but the first: its history, itself, what its user knows; and the items that are drawn."""
    offsets, sequence, ends = (prepared[name].tolist() for name in ("offsets", "sequence", "train_end"))
    sequences = [sequence[start:end] for start, end in zip(offsets, offsets[1:])]
    histories, targets, known = [], [], []
    for items, end in zip(sequences, ends):
        for at in range(1, end):
            histories.append(items[:at])
            targets.append(items[at])
            known.append(set(items[:end]))
    return sequences, (histories, targets, known)


def hit(scores):
    """Hit@1 of the first candidate."""
    return (scores[:, :1] > scores[:, 1:]).all(1).float()


def steps(folders, seed):
    """Hit@1 of the rows that the artefacts give."""
    model = Sasrec(folders["backbone"])
    settings = json.loads((folders["project"] / "model.json").read_text())
    projections = tensors(folders["project"] / "weights.safetensors")
    aligned, codes = (tensors(folders["align"] / f"{name}.safetensors") for name in ("weights", "tables"))
    asked = tensors(folders["candidates"] / "candidates.test.safetensors")
    users = asked["users"]
    lists = torch.cat([asked["targets"].unsqueeze(1), asked["negatives"].view(len(users), -1)], 1)
    prepared = tensors(folders["prepare"] / "sequences.safetensors")
    sequences, targets = training(prepared)
    states = model.states([sequences[user][:-1] for user in users])
    score = lambda table: (states.unsqueeze(1) * table[lists]).sum(-1)
    decoded = F.linear(codes["joint"], aligned["mlp.fc2.weight"], aligned["mlp.fc2.bias"])
    items = [item + 1 for item, drawn in enumerate(prepared["in_training"].tolist()) if drawn]
    shape = {
        "width": projections["log_emb_proj.0.weight"].shape[0],
        "train": settings["project"]["train"],
        "candidates": settings["reader"]["asked"]["candidates"],
    }
    perfect = perfect_reader(seed, (*targets, items), model, codes["joint"], (states, lists), shape)
    rows = {"CF model": score(model.items), "after stage 1": score(decoded), "perfect reader": perfect}
    return {row: hit(scores).mean().item() for row, scores in rows.items()}, lists


def by_title(arguments, folders, lists, seed):
    """Hit@1 of the method over all users, and by whether another candidate's title begins like the target's."""
    with (folders["prepare"] / "items.csv").open() as source:
        words = ["", *((row["title"].split() or [""])[0] for row in csv.DictReader(source))]
    ranks = next(pathlib.Path(arguments.results).glob(f"ranks/*.overall.{arguments.model}.{seed}.*.csv.gz"))
    with gzip.open(ranks, "rt") as source:
        hits = [float(row["rank"]) == 1.0 for row in csv.DictReader(source)]
    alike = [words[target] in (words[other] for other in others) for target, *others in lists.tolist()]
    mean = lambda wanted: sum(hit for hit, it in zip(hits, alike) if it in wanted) / sum(it in wanted for it in alike)
    return {
        arguments.model: mean((True, False)),
        "  no title begins like the target's": mean((False,)),
        "  one does": mean((True,)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", help="an experiment with the scenario `overall` alone")
    parser.add_argument("results", help="its folder of results")
    parser.add_argument("--store", default=".allround")
    parser.add_argument("--program", default="target/release/allround")
    parser.add_argument("--model", default="allmrec-all")
    arguments = parser.parse_args()
    found = {}
    for seed, folders in artefacts(arguments).items():
        told, lists = steps(folders, int(seed[1:]))
        for row, value in {**told, **by_title(arguments, folders, lists, seed)}.items():
            found.setdefault(row, []).append(value)
    print(f"{'hit@1':36}{'mean':>8}   seeds")
    for row, values in found.items():
        print(f"{row:36}{sum(values) / len(values):8.4f}   {' '.join(f'{value:.4f}' for value in values)}")


if __name__ == "__main__":
    main()

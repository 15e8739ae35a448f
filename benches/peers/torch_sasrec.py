#!/usr/bin/env python3
"""The peer of sasrec.py: SASRec on padded batches in PyTorch, as one would write it without this project.

    torch_sasrec.py FILE --epochs 3 --threads 2

FILE has lines of `user item` in time order. The settings are those of the A-LLMRec paper: width 50, two blocks, one head,
50 positions, dropout 0.5, batches of 128, Adam with betas 0.9 and 0.98, binary cross-entropy with one negative a position.
Prints one line of JSON: the training sequences of each epoch with its seconds, and the same for the evaluation of users
among 1 + 19 candidates. `--model gru4rec` is one GRU of the same width in place of the blocks. Needs torch and numpy.
"""
import argparse, gzip, json, time

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

WIDTH, BLOCKS, POSITIONS, DROPOUT, BATCH, NEGATIVES = 50, 2, 50, 0.5, 128, 19


def read_histories(path):
    """The users' items as lists of numbers from 1, and how many items there are."""
    histories, numbers = {}, {}
    with (gzip.open if path.endswith(".gz") else open)(path, "rt") as lines:
        for line in lines:
            user, item = line.split()[:2]
            histories.setdefault(user, []).append(numbers.setdefault(item, len(numbers) + 1))
    return list(histories.values()), len(numbers)


def left_padded(histories):
    """[U, POSITIONS] with each history's last items at the right."""
    table = np.zeros((len(histories), POSITIONS), np.int64)
    for row, history in zip(table, histories):
        kept = history[-POSITIONS:]
        row[POSITIONS - len(kept) :] = kept
    return table


class Attention(nn.Module):
    """One causal head."""

    def __init__(self):
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, queries, states):
        q, k, v = self.query(queries), self.key(states), self.value(states)
        dropout = DROPOUT if self.training else 0.0
        return self.out(F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=dropout))


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = Attention()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.feed_forward = nn.Sequential(
            nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(WIDTH, WIDTH), nn.Dropout(DROPOUT)
        )

    def forward(self, states, is_item):
        queries = self.before(states)
        states = self.between(queries + self.attention(queries, states))
        return (states + self.feed_forward(states)) * is_item


class SASRec(nn.Module):
    def __init__(self, items):
        super().__init__()
        self.table = nn.Embedding(items + 1, WIDTH, padding_idx=0)
        self.positions = nn.Parameter(torch.randn(POSITIONS, WIDTH) * 0.02)
        self.dropout = nn.Dropout(DROPOUT)
        self.layers = nn.ModuleList(Layer() for _ in range(BLOCKS))
        self.last = nn.LayerNorm(WIDTH)
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, inputs):
        """States [B, POSITIONS, WIDTH] of items [B, POSITIONS]."""
        is_item = (inputs > 0).unsqueeze(-1)
        states = self.dropout(self.table(inputs) * WIDTH**0.5 + self.positions) * is_item
        for layer in self.layers:
            states = layer(states, is_item)
        return self.last(states)


class GRU4Rec(nn.Module):
    """One recurrent layer, whose states are compared with the table."""

    def __init__(self, items):
        super().__init__()
        self.table = nn.Embedding(items + 1, WIDTH, padding_idx=0)
        self.recurrent = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.out = nn.Linear(WIDTH, WIDTH)
        nn.init.xavier_normal_(self.table.weight)

    def forward(self, inputs):
        """States [B, POSITIONS, WIDTH] of items [B, POSITIONS]."""
        return self.out(self.recurrent(self.table(inputs))[0])


MODELS = {"sasrec": SASRec, "gru4rec": GRU4Rec}


def train_epoch(model, optimizer, inputs, targets, items, draw):
    model.train()
    # Tables on the device are read there; only orders and negatives are drawn on the CPU.
    device = inputs.device
    order = torch.from_numpy(draw.permutation(len(inputs))).to(device)
    for users in order.split(BATCH):
        wanted = targets[users]
        is_target = wanted > 0
        negatives = torch.from_numpy(draw.integers(1, items + 1, wanted.shape)).to(device)
        states = model(inputs[users])[is_target]
        score = lambda rows: (states * model.table(rows[is_target])).sum(-1)
        loss = F.softplus(-score(wanted)).mean() + F.softplus(score(negatives)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


@torch.no_grad()
def evaluate(model, histories, targets, items, draw):
    """The share of users whose target is first among 1 + NEGATIVES items."""
    model.eval()
    negatives = torch.from_numpy(draw.integers(1, items + 1, (len(targets), NEGATIVES))).to(targets.device)
    candidates = torch.cat([targets.unsqueeze(1), negatives], 1)
    hits = 0
    for users in torch.arange(len(targets)).split(2 * BATCH):
        states = model(histories[users])[:, -1]
        scores = torch.einsum("bw,bcw->bc", states, model.table(candidates[users]))
        hits += int((scores.argmax(1) == 0).sum())
    return hits / len(targets)


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("file")
    cli.add_argument("--epochs", type=int, default=3)
    cli.add_argument("--threads", type=int, default=2)
    cli.add_argument("--clock", choices=["wall", "cpu"], default="wall")
    cli.add_argument("--device", default="cpu")
    cli.add_argument("--model", choices=MODELS, default="sasrec")
    cli.add_argument("--compile", action="store_true", help="the network through torch.compile, for shapes that stay")
    cli.add_argument("--training-only", action="store_true", help="no evaluation")
    args = cli.parse_args()
    clock = time.process_time if args.clock == "cpu" else time.perf_counter
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)
    draw = np.random.default_rng(1)
    histories, items = read_histories(args.file)
    # The last item is the test target, the one before it the validation target.
    train = [history[:-2] for history in histories if len(history) >= 4]
    inputs = torch.from_numpy(left_padded([history[:-1] for history in train])).to(args.device)
    targets = torch.from_numpy(left_padded([history[1:] for history in train])).to(args.device)
    model = MODELS[args.model](items).to(args.device)
    if args.compile:
        model.compile(dynamic=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.9, 0.98))
    epochs = []
    for _ in range(args.epochs):
        start = clock()
        loss = train_epoch(model, optimizer, inputs, targets, items, draw)
        epochs.append(clock() - start)
    if args.training_only:
        print(json.dumps({"sequences": len(train), "epoch_seconds": epochs, "loss": loss}))
        return
    known = torch.from_numpy(left_padded([history[:-1] for history in histories])).to(args.device)
    last = torch.tensor([history[-1] for history in histories]).to(args.device)
    start = clock()
    hit = evaluate(model, known, last, items, draw)
    measured = {"sequences": len(train), "epoch_seconds": epochs, "loss": loss, "users": len(last),
                "evaluation_seconds": clock() - start, "hit@1": hit}
    print(json.dumps(measured))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""The peer of stage2.py: steps of A-LLMRec's second stage on Hugging Face transformers, as one would write them there.

    hf_stage2.py WORK.json [--without-cudnn]

WORK.json is what `lm_steps` reads too, and the output has the same form: for each
measurement, the seconds of each step. The language model has random weights and is frozen; two projections turn a user
state and item vectors into its input vectors. Texts of a batch are padded.
Needs torch and transformers.
"""
import argparse, json, time

import torch
from torch import nn
from transformers import AutoModelForCausalLM, LlamaConfig, OPTConfig


def opt(width, layers, heads):
    return OPTConfig(hidden_size=width, word_embed_proj_dim=width, ffn_dim=4 * width, num_hidden_layers=layers,
                     num_attention_heads=heads)


# The shapes that `lm_steps` knows by the same names.
SHAPES = {
    "opt-125m": opt(768, 12, 12),
    "opt-1.3b": opt(2048, 24, 32),
    "opt-6.7b": opt(4096, 32, 32),
    "smollm2-135m": LlamaConfig(vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30,
                                num_attention_heads=9, num_key_value_heads=3, max_position_embeddings=8192,
                                rope_theta=100000.0, tie_word_embeddings=True),
}
STATES, CODES, ITEMS, NEW_TOKENS = 50, 128, 1000, 32


def frozen(shape, dtype, device):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(SHAPES[shape])
    torch.set_default_dtype(before)
    return model.eval().requires_grad_(False)


def projection(inputs, width, activation):
    return nn.Sequential(nn.Linear(inputs, width), nn.LayerNorm(width), activation, nn.Linear(width, width))


class Stage2:
    """The frozen model with the two trained projections."""

    def __init__(self, work):
        self.device, dtype = work["device"], getattr(torch, work["dtype"])
        self.model = frozen(work["shape"], dtype, self.device)
        width = self.model.config.hidden_size
        self.user = projection(STATES, width, nn.LeakyReLU()).to(self.device)
        self.item = projection(CODES, width, nn.GELU()).to(self.device)
        self.codes = torch.rand(ITEMS, CODES, device=self.device)
        weights = [*self.user.parameters(), *self.item.parameters()]
        self.optimizer = torch.optim.Adam(weights, lr=1e-4, betas=(0.9, 0.98))

    def text(self, ids):
        return self.model.get_input_embeddings()(torch.tensor(ids, device=self.device))

    def prompt(self, prompt):
        """Input vectors [1 + T, W]: the user, then tokens and items."""
        ids = torch.tensor(prompt["ids"], device=self.device)
        vectors = self.model.get_input_embeddings()(ids.clamp(min=0))
        is_item = ids < 0
        codes = self.codes[: int(is_item.sum())]
        vectors = vectors.masked_scatter(is_item.unsqueeze(1), self.item(codes).to(vectors.dtype))
        user = self.user(torch.randn(1, STATES, device=self.device)).to(vectors.dtype)
        return torch.cat([user, vectors])

    def train(self, prompts):
        texts = [torch.cat([self.prompt(prompt), self.text(prompt["answer"])]) for prompt in prompts]
        vectors = nn.utils.rnn.pad_sequence(texts, batch_first=True)
        mask = torch.zeros(vectors.shape[:2], dtype=torch.long, device=self.device)
        labels = torch.full_like(mask, -100)
        for row, (text, prompt) in enumerate(zip(texts, prompts)):
            answer = torch.tensor(prompt["answer"], device=self.device)
            mask[row, : len(text)] = 1
            labels[row, len(text) - len(answer) : len(text)] = answer
        loss = self.model(inputs_embeds=vectors, attention_mask=mask, labels=labels).loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()

    @torch.no_grad()
    def generate(self, prompts):
        texts = [self.prompt(prompt) for prompt in prompts]
        vectors = nn.utils.rnn.pad_sequence(texts, batch_first=True, padding_side="left")
        lengths = torch.tensor([len(text) for text in texts], device=self.device)
        width = vectors.shape[1]
        mask = (torch.arange(width, device=self.device) >= width - lengths.unsqueeze(1)).long()
        answers = self.model.generate(inputs_embeds=vectors, attention_mask=mask, do_sample=False,
                                      max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS)
        return answers.numel()

    @torch.no_grad()
    def score(self, prompts):
        """Likelihoods of every title after its prompt, one forward pass a title."""
        total = 0.0
        for prompt in prompts:
            vectors = self.prompt(prompt)
            for title in prompt["continuations"]:
                text = torch.cat([vectors, self.text(title)]).unsqueeze(0)
                logits = self.model(inputs_embeds=text, logits_to_keep=len(title) + 1).logits[0, :-1].float()
                targets = torch.tensor(title, device=self.device).unsqueeze(1)
                total += logits.log_softmax(-1).gather(1, targets).sum().item()
        return total


def measure(step, steps):
    measured = {"seconds": [], "cpu_seconds": []}
    for prompts in steps:
        wall, processor = time.perf_counter(), time.process_time()
        # The value is read back, which waits for the device.
        measured["value"] = step(prompts)
        measured["seconds"].append(time.perf_counter() - wall)
        measured["cpu_seconds"].append(time.process_time() - processor)
    return measured


def main():
    cli = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    cli.add_argument("work")
    cli.add_argument("--without-cudnn", action="store_true", help="keep PyTorch's attention from using cuDNN")
    args = cli.parse_args()
    with open(args.work) as source:
        work = json.load(source)
    if args.without_cudnn:
        torch.backends.cuda.enable_cudnn_sdp(False)
    torch.set_num_threads(work["threads"])
    torch.manual_seed(1)
    stage = Stage2(work)
    print(json.dumps([measure(getattr(stage, part["task"]), part["steps"]) for part in work["measurements"]]))


if __name__ == "__main__":
    main()

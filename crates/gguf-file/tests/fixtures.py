#!/usr/bin/env python3
"""Writes fixtures/: tiny GGUF files, and what the reference programs read from them.

types.gguf holds one tensor of every type that is read, of random bytes with believable scales;
types.f32 has their values as the `gguf` package dequantizes them, tensor by tensor in alphabetical
order. NAME.gguf is a tiny random model of transformers with its tokenizer, named and reordered as
llama.cpp's `convert_hf_to_gguf.py` does it. NAME.json has what transformers reads from it: tensors
as digests (SHA-256 of the single-precision values, 16 hexadecimal digits), the logits of a few
tokens, and token ids of TEXTS. smollm2.json has the same of the real SmolLM2-135M-Instruct
(scripts/setup-smollm2.sh).

Token ids are those of the tokenizers that the original models have in their `tokenizer.json`.
`transformers_differs` lists the texts of which transformers 5.24 makes other tokens when it reads
the GGUF file: it leaves out parts of the original tokenizer (see src/tokenizer.rs).

    python3 -m venv env && env/bin/pip install gguf==0.19.0 torch transformers==5.24.0 && env/bin/python fixtures.py
"""
import hashlib
import json
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as T
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (AutoModelForCausalLM, AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig,
                          LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE / "fixtures"
REAL = HERE / "../../../.assets/smollm2-135m/model.gguf"

TEXTS = ["", " ", "  ", "a", " leading", "   three leading", "trailing ", "two  blanks", "\n", "\n\n\nlines\n\n", "\ttab\t\ttabs",
         "cr\r\nlf", "2024", "12345678", "a  1", "x\n\n7", "3.14159, -2e-7", "½ ² ٣ 四 Ⅷ", "don't I'LL we've THEY'RE",
         "naïve café", "nai\u0308ve cafe\u0301", "日本語のテキスト", "Привет, мир!", "مرحبا", "👍🏽 👨‍👩‍👧 🇨🇭", "\u200b\ufeff\u00a0x",
         "<|im_start|>user\nHi<|im_end|>", "<|endoftext|>", "<s>x</s>", "<bos>x<eos>", "<think>", "<0x41>", "▁x ▁▁",
         "Bath & Body Works 8-oz. Shower Gel (Pack of 2)", "L'Oréal Paris—Crème", "aaaaaaaaaaaaaaaaaaaaaaaa", "\x00\x01\x7f",
         "tail\n ", "  \n  mixed \t blanks \r\n", "C++ == C#; x<<=2 && !y", "http://example.org/?q=1&r=%20"]
WORDS = ["the user has bought this soap", " shampoo and other items 123 4567", "Bath Body Works shower gel 2024", "naïve café 日本",
         "the   cat  sat\n\non the mat", "<x> don't we've it's"] * 3


def digest(values):
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f4").tobytes()).hexdigest()[:16]


# Types

def random_bytes(kind, rows, columns, random):
    """Blocks of random bytes; the places of half-precision numbers (in bytes) get small numbers."""
    size, length = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows * columns // size, length), dtype=np.uint8)
    halves = {T.Q4_0: [0], T.Q4_1: [0, 2], T.Q5_0: [0], T.Q5_1: [0, 2], T.Q8_0: [0], T.Q4_K: [0, 2], T.Q5_K: [0, 2], T.Q6_K: [208]}
    for at in halves[kind]:
        numbers = random.normal(0, 0.01, (len(blocks), 1)).astype(np.float16)
        numbers[0] = 6e-8  # The smallest number of half precision.
        blocks[:, at:at + 2] = numbers.view(np.uint8)
    return blocks.reshape(rows, -1)


def types():
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(OUT / "types.gguf", "llama")
    values = {}
    for kind in [T.F32, T.F16, T.BF16, T.Q4_0, T.Q4_1, T.Q5_0, T.Q5_1, T.Q8_0, T.Q4_K, T.Q5_K, T.Q6_K]:
        if kind in (T.F32, T.F16, T.BF16):
            data = gguf.quants.quantize(random.normal(0, 1, (2, 256)).astype(np.float32), kind)
        else:
            data = random_bytes(kind, 2, 256, random)
        values[kind.name.lower()] = gguf.quants.dequantize(data, kind)
        writer.add_tensor(kind.name.lower(), data, raw_dtype=kind)
    write(writer)
    (OUT / "types.f32").write_bytes(b"".join(values[name].astype("<f4").tobytes() for name in sorted(values)))


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# Tokenizers as the original models have them

QWEN2 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN2.replace(r"\p{N}|", r"\p{N}{1,3}|")


def words(kind):
    if kind == "smollm":
        return pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    if kind == "gpt-2":
        return pre_tokenizers.ByteLevel(add_prefix_space=False)
    pattern = {"qwen2": QWEN2, "llama-bpe": LLAMA3}[kind]
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_level(kind, special, bos=None):
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = words(kind)
    trainer = trainers.BpeTrainer(vocab_size=300, show_progress=False, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    trained.train_from_iterator(WORDS, trainer)
    parts = json.loads(trained.to_str())["model"]
    # A token that no merges lead to: only Llama 3 finds it.
    vocab = parts["vocab"] | {"Ġzebra": len(parts["vocab"])}
    merges = [tuple(pair) for pair in parts["merges"]]
    whole = Tokenizer(models.BPE(vocab, merges, ignore_merges=kind == "llama-bpe"))
    whole.normalizer = normalizers.NFC() if kind == "qwen2" else None
    whole.pre_tokenizer, whole.decoder = words(kind), decoders.ByteLevel()
    if bos:
        whole.post_processor = processors.TemplateProcessing(f"{bos} $A", f"{bos} $A {bos} $B", [(bos, vocab[bos])])
    whole.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    return whole, {"model": "gpt2", "pre": kind, "tokens": sorted(vocab, key=vocab.get), "merges": [" ".join(pair) for pair in merges],
                   "types": [3 if token in special else 1 for token in sorted(vocab, key=vocab.get)]}


def pieces(special, gemma):
    """A SentencePiece vocabulary: special tokens, bytes, then tokens by falling score, last single letters."""
    text = "▁".join(WORDS).replace(" ", "▁").replace("\n", "▁")
    letters = sorted(set(text))
    grams = [text[at:at + n] for n in (2, 3, 4) for at in range(len(text) - n)]
    counts = {gram: grams.count(gram) for gram in set(grams)}
    # Every part of a token is a token, as SentencePiece has it. Gemma's files have real blanks in tokens of blanks.
    blanks = ["  ", "   "] if gemma else []
    known, merged = set(letters) | {"▁" * len(token) for token in blanks}, []
    for gram in sorted(counts, key=lambda gram: (len(gram), -counts[gram], gram)):
        if len(merged) < 60 and gram not in known and any(gram[:at] in known and gram[at:] in known for at in range(1, len(gram))):
            known.add(gram)
            merged.append(gram)
    tokens = special + [f"<0x{byte:02X}>" for byte in range(256)] + blanks + merged + letters
    kinds = [2 if token == "<unk>" else 3 for token in special] + [6] * 256 + [4] * len(blanks) + [1] * (len(merged) + len(letters))
    scores = [0.0] * (len(special) + 256 + len(blanks)) + [-float(at // 2) for at in range(len(merged) + len(letters))]
    return {"model": "llama", "pre": "default", "tokens": tokens, "types": kinds, "scores": scores, "prefix": not gemma}


# Models

def permuted(weights, heads):
    return weights.reshape(heads, 2, weights.shape[0] // heads // 2, *weights.shape[1:]).swapaxes(1, 2).reshape(weights.shape)


def divisors(theta, size, factor, low=1.0, high=4.0, positions=8192):
    """`generate_extra_tensors` of the converter: what Llama 3 divides each frequency by."""
    frequencies = 1.0 / theta ** (torch.arange(0, size, 2, dtype=torch.float32) / size)
    found = []
    for frequency in frequencies:
        length = 2 * np.pi / frequency
        smooth = (positions / length - low) / (high - low)
        found.append(1 if length < positions / high else factor if length > positions / low else 1 / ((1 - smooth) / factor + smooth))
    return np.array(found, dtype=np.float32)


SIZES = dict(vocab_size=0, hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=64, initializer_range=0.3)


def model(name, arch, config, kind, tokenizer, template=None, factor=None):
    torch.manual_seed(7)
    classes = {"llama": LlamaForCausalLM, "qwen2": Qwen2ForCausalLM, "qwen3": Qwen3ForCausalLM, "gemma3": Gemma3ForCausalLM}
    net = classes[arch](config).float().eval()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    path = OUT / f"{name}.gguf"
    writer = gguf.GGUFWriter(path, arch)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if head != config.hidden_size // config.num_attention_heads:
        writer.add_key_length(head)
        writer.add_value_length(head)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope.get("rope_theta") or rope["full_attention"]["rope_theta"])
    if arch == "gemma3":
        writer.add_sliding_window(config.sliding_window)
    if arch == "llama":
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(head)
    add_tokenizer(writer, config, tokenizer, template)
    tensors = gguf.get_tensor_name_map(next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == arch), config.num_hidden_layers)
    if factor:
        writer.add_tensor("rope_freqs.weight", divisors(rope["rope_theta"], head, factor))
    for long, weights in net.state_dict().items():
        if long == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = weights.numpy()
        if arch == "llama" and ("q_proj" in long or "k_proj" in long):
            values = permuted(values, config.num_attention_heads if "q_proj" in long else config.num_key_value_heads)
        if arch == "gemma3" and long.endswith("norm.weight"):
            values = values + 1
        data = gguf.quants.quantize(values, kind if values.ndim > 1 else T.F32)
        writer.add_tensor(tensors.get_name(long, (".weight", ".bias")), data, raw_dtype=kind if values.ndim > 1 else T.F32)
    write(writer)
    return path


def add_tokenizer(writer, config, tokenizer, template):
    writer.add_tokenizer_model(tokenizer["model"])
    writer.add_tokenizer_pre(tokenizer["pre"])
    writer.add_token_list(tokenizer["tokens"])
    writer.add_token_types(tokenizer["types"])
    if "merges" in tokenizer:
        writer.add_token_merges(tokenizer["merges"])
    if "scores" in tokenizer:
        writer.add_token_scores(tokenizer["scores"])
        writer.add_add_space_prefix(tokenizer["prefix"])
    writer.add_bos_token_id(config.bos_token_id)
    writer.add_eos_token_id(config.eos_token_id)
    writer.add_add_bos_token(tokenizer.get("bos", tokenizer["model"] == "llama"))
    if config.pad_token_id is not None:
        writer.add_pad_token_id(config.pad_token_id)
    if template:
        writer.add_chat_template(template)


def expected(path, tokenizer=None, **settings):
    """What transformers reads; `tokenizer` is the original one where transformers leaves out parts, and `settings` are
    those of the configuration that it does not read."""
    net = AutoModelForCausalLM.from_pretrained(path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager", **settings).eval()
    tensors = {name: {"shape": list(weights.shape), "sha256": digest(weights.numpy())} for name, weights in net.state_dict().items()
               if name != "lm_head.weight" or not net.config.tie_word_embeddings}
    ids = [1, 5, 40, 7, 2, 260, 9]
    with torch.no_grad():
        logits = net(input_ids=torch.tensor([ids])).logits[0, -1]
    read = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    encode = (lambda text: tokenizer.encode(text).ids) if tokenizer else (lambda text: read(text).input_ids)
    texts = [[text, encode(text)] for text in TEXTS]
    config = {key: getattr(net.config, key, None) for key in
              ["model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
               "vocab_size", "max_position_embeddings", "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id"]}
    return {"config": config, "tensors": tensors, "ids": ids, "logits": [round(float(logit), 6) for logit in logits[:32]], "texts": texts,
            "transformers_differs": [text for text, ids in texts if read(text).input_ids != ids]}


def save(name, facts):
    lines = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=True)}" for key, value in facts.items() if key not in ("tensors", "texts")]
    for key in ("tensors", "texts"):
        rows = facts[key].items() if key == "tensors" else facts[key]
        rows = [f"{json.dumps(row[0])}: {json.dumps(row[1])}" if key == "tensors" else json.dumps(row) for row in rows]
        lines.append(f' "{key}": {"{["[key == "texts"]}\n  ' + ",\n  ".join(rows) + f'\n {"}]"[key == "texts"]}')
    (OUT / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(name, len(facts["tensors"]), "tensors; transformers differs at", facts["transformers_differs"])


def tiny():
    smollm, parts = byte_level("smollm", ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    sizes = SIZES | {"vocab_size": len(parts["tokens"])}
    config = LlamaConfig(**sizes | {"num_hidden_layers": 2}, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2, pad_token_id=2, rms_norm_eps=1e-5,
                         rope_parameters={"rope_type": "default", "rope_theta": 100000.0})
    path = model("llama", "llama", config, T.Q8_0, parts, template="{{ messages[0]['content'] }}")
    save("llama", expected(path, smollm))

    begin = "<|begin_of_text|>"
    llama3, parts = byte_level("llama-bpe", [begin, "<|end_of_text|>"], bos=begin)
    scaling = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 8192}
    sizes = SIZES | {"vocab_size": len(parts["tokens"])}
    config = LlamaConfig(**sizes, head_dim=16, tie_word_embeddings=False, attention_bias=True, mlp_bias=True, bos_token_id=0, eos_token_id=1, rope_parameters=scaling)
    path = model("llama3", "llama", config, T.Q4_0, parts | {"bos": True}, factor=32.0)
    save("llama3", expected(path, llama3, rope_parameters=scaling, attention_bias=True, mlp_bias=True))

    config = LlamaConfig(**SIZES | {"vocab_size": len(pieces(["<unk>", "<s>", "</s>"], False)["tokens"])}, tie_word_embeddings=False, bos_token_id=1,
                         eos_token_id=2, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    path = model("mistral", "llama", config, T.Q8_0, pieces(["<unk>", "<s>", "</s>"], False))
    save("mistral", expected(path))

    qwen, parts = byte_level("qwen2", ["<|endoftext|>", "<|im_start|>", "<|im_end|>"])
    sizes = SIZES | {"vocab_size": len(parts["tokens"])}
    ends = dict(bos_token_id=0, eos_token_id=2, pad_token_id=0)
    rope = {"rope_type": "default", "rope_theta": 1000000.0}
    config = Qwen2Config(**sizes, tie_word_embeddings=True, rope_parameters=rope, **ends)
    save("qwen2", expected(model("qwen2", "qwen2", config, T.Q5_1, parts), qwen))
    config = Qwen3Config(**sizes, head_dim=16, tie_word_embeddings=False, rope_parameters=rope, **ends)
    save("qwen3", expected(model("qwen3", "qwen3", config, T.Q4_1, parts), qwen, head_dim=16))

    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    parts = pieces(special, True)
    config = Gemma3TextConfig(**SIZES | {"vocab_size": len(parts["tokens"])}, head_dim=16, query_pre_attn_scalar=16, sliding_window=16,
                              tie_word_embeddings=True, bos_token_id=2, eos_token_id=1, pad_token_id=0)
    save("gemma3", expected(model("gemma3", "gemma3", config, T.Q5_0, parts), query_pre_attn_scalar=16))


def real():
    """SmolLM2, whose tokens are those of its `tokenizer.json`: digits one by one, then GPT-2's words."""
    read = AutoTokenizer.from_pretrained(REAL.parent, gguf_file=REAL.name).backend_tokenizer
    read.pre_tokenizer = words("smollm")
    facts = expected(REAL, read)
    # The `gguf` package alone gives the same values.
    for tensor in gguf.GGUFReader(REAL).tensors:
        if tensor.name in ("token_embd.weight", "blk.3.attn_v.weight", "output_norm.weight"):
            name = {"t": "model.embed_tokens.weight", "b": "model.layers.3.self_attn.v_proj.weight", "o": "model.norm.weight"}[tensor.name[0]]
            assert facts["tensors"][name]["sha256"] == digest(gguf.quants.dequantize(tensor.data, tensor.tensor_type))
    save("smollm2", facts)


if __name__ == "__main__":
    OUT.mkdir(exist_ok=True)
    types()
    tiny()
    if REAL.exists():
        real()

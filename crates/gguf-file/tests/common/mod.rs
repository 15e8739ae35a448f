//! Writes small GGUF files, right and wrong ones.

#![allow(dead_code, reason = "every test file uses a part of it")]

/// A value of the metadata.
#[derive(Clone)]
pub enum Meta {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    I32s(Vec<i32>),
    F32s(Vec<f32>),
}

/// A tensor of zeros: its name, its sizes with rows first, and the number of its type.
pub type Zeros = (String, Vec<u64>, u32);

/// A file in parts.
#[derive(Clone)]
pub struct Parts {
    pub metadata: Vec<(String, Meta)>,
    pub tensors: Vec<Zeros>,
}

impl Parts {
    /// A model of one block with hidden size 8, two heads and a byte-level tokenizer of 4 tokens.
    pub fn llama() -> Self {
        let mut metadata = vec![
            ("general.architecture", Meta::Text("llama".to_owned())),
            ("tokenizer.ggml.model", Meta::Text("gpt2".to_owned())),
            ("tokenizer.ggml.pre", Meta::Text("smollm".to_owned())),
            ("tokenizer.ggml.tokens", texts(&["<s>", "a", "b", "ab"])),
            ("tokenizer.ggml.token_type", Meta::I32s(vec![3, 1, 1, 1])),
            ("tokenizer.ggml.merges", texts(&["a b"])),
            ("tokenizer.ggml.bos_token_id", Meta::U32(0)),
            ("llama.attention.layer_norm_rms_epsilon", Meta::F32(1e-5)),
        ];
        for (key, size) in [
            ("llama.block_count", 1),
            ("llama.context_length", 16),
            ("llama.embedding_length", 8),
            ("llama.feed_forward_length", 12),
            ("llama.attention.head_count", 2),
            ("llama.attention.head_count_kv", 1),
        ] {
            metadata.push((key, Meta::U32(size)));
        }
        let tensors = [
            ("token_embd.weight", vec![4, 8]),
            ("output_norm.weight", vec![8]),
            ("blk.0.attn_norm.weight", vec![8]),
            ("blk.0.ffn_norm.weight", vec![8]),
            ("blk.0.attn_q.weight", vec![8, 8]),
            ("blk.0.attn_k.weight", vec![4, 8]),
            ("blk.0.attn_v.weight", vec![4, 8]),
            ("blk.0.attn_output.weight", vec![8, 8]),
            ("blk.0.ffn_gate.weight", vec![12, 8]),
            ("blk.0.ffn_up.weight", vec![12, 8]),
            ("blk.0.ffn_down.weight", vec![8, 12]),
        ];
        Self {
            metadata: metadata
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
            tensors: tensors
                .map(|(name, shape)| (name.to_owned(), shape, 0))
                .to_vec(),
        }
    }

    /// With another value of a key, or with the key.
    pub fn with(mut self, key: &str, value: Meta) -> Self {
        self.metadata.retain(|(name, _)| name != key);
        self.metadata.push((key.to_owned(), value));
        self
    }

    /// Without a key.
    pub fn without(mut self, key: &str) -> Self {
        self.metadata.retain(|(name, _)| name != key);
        self
    }

    /// With a tensor, in place of one of the same name.
    pub fn with_tensor(mut self, name: &str, shape: &[u64], kind: u32) -> Self {
        self.tensors.retain(|(known, ..)| known != name);
        self.tensors.push((name.to_owned(), shape.to_vec(), kind));
        self
    }

    /// The file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF\x03\0\0\0".to_vec();
        bytes.extend((self.tensors.len() as u64).to_le_bytes());
        bytes.extend((self.metadata.len() as u64).to_le_bytes());
        for (key, value) in &self.metadata {
            text(&mut bytes, key);
            value.write(&mut bytes);
        }
        let mut offset = 0u64;
        for (name, shape, kind) in &self.tensors {
            text(&mut bytes, name);
            bytes.extend((shape.len() as u32).to_le_bytes());
            shape
                .iter()
                .rev()
                .for_each(|size| bytes.extend(size.to_le_bytes()));
            bytes.extend(kind.to_le_bytes());
            bytes.extend(offset.to_le_bytes());
            offset += (shape.iter().product::<u64>() * 4).next_multiple_of(32);
        }
        let start = bytes.len().next_multiple_of(32);
        bytes.resize(start + offset as usize, 0);
        bytes
    }
}

impl Meta {
    fn write(&self, bytes: &mut Vec<u8>) {
        let (kind, list) = match self {
            Meta::U32(_) => (4u32, None),
            Meta::F32(_) => (6, None),
            Meta::Bool(_) => (7, None),
            Meta::Text(_) => (8, None),
            Meta::Texts(list) => (8, Some(list.len())),
            Meta::I32s(list) => (5, Some(list.len())),
            Meta::F32s(list) => (6, Some(list.len())),
        };
        if let Some(count) = list {
            bytes.extend(9u32.to_le_bytes());
            bytes.extend(kind.to_le_bytes());
            bytes.extend((count as u64).to_le_bytes());
        } else {
            bytes.extend(kind.to_le_bytes());
        }
        match self {
            Meta::U32(number) => bytes.extend(number.to_le_bytes()),
            Meta::F32(number) => bytes.extend(number.to_le_bytes()),
            Meta::Bool(flag) => bytes.push(u8::from(*flag)),
            Meta::Text(value) => text(bytes, value),
            Meta::Texts(list) => list.iter().for_each(|value| text(bytes, value)),
            Meta::I32s(list) => list
                .iter()
                .for_each(|value| bytes.extend(value.to_le_bytes())),
            Meta::F32s(list) => list
                .iter()
                .for_each(|value| bytes.extend(value.to_le_bytes())),
        }
    }
}

fn text(bytes: &mut Vec<u8>, value: &str) {
    bytes.extend((value.len() as u64).to_le_bytes());
    bytes.extend(value.as_bytes());
}

/// A list of texts.
pub fn texts(list: &[&str]) -> Meta {
    Meta::Texts(list.iter().map(|text| (*text).to_owned()).collect())
}

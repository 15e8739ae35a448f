//! Names and shapes of the tensors of trained models, as docs/WEIGHTS.md lists them.

/// A dimension of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Padding and all items: V + 1.
    Items,
    /// All users: U.
    Users,
    /// A fixed number.
    Fixed(usize),
    /// `times * value + plus`, where `value` is that of a setting.
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// Factor.
        times: usize,
        /// Constant term.
        plus: usize,
    },
}

impl Size {
    /// The value of a setting.
    pub fn of(name: &'static str, value: usize) -> Self {
        Self::Setting {
            name,
            value,
            times: 1,
            plus: 0,
        }
    }

    /// The size times a factor.
    pub fn times(self, factor: usize) -> Self {
        match self {
            Self::Setting {
                name, value, plus, ..
            } => Self::Setting {
                name,
                value,
                times: factor,
                plus,
            },
            other => other,
        }
    }

    /// The size; `None` where it depends on the data.
    pub fn known(self) -> Option<usize> {
        match self {
            Self::Items | Self::Users => None,
            Self::Fixed(size) => Some(size),
            Self::Setting {
                value, times, plus, ..
            } => Some(times * value + plus),
        }
    }
}

/// A tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<Size>,
}

/// A list of tensors.
#[derive(Debug, Default)]
pub struct TensorList(pub Vec<Weight>);

impl TensorList {
    /// Adds one tensor.
    pub fn add(&mut self, name: impl Into<String>, shape: &[Size]) {
        self.0.push(Weight {
            name: name.into(),
            shape: shape.to_vec(),
        });
    }

    /// Adds a matrix and a bias with one number for each of its rows.
    pub fn layer(&mut self, name: &str, shape: &[Size]) {
        self.add(format!("{name}.weight"), shape);
        self.add(format!("{name}.bias"), &shape[..1]);
    }

    /// Adds the tensors of a block of RecBole's encoder, which is that of BERT.
    pub fn bert_block(&mut self, name: &str, width: Size, inner: Size) {
        for part in ["query", "key", "value", "dense"] {
            self.layer(&format!("{name}.multi_head_attention.{part}"), &[width; 2]);
        }
        self.norm(&format!("{name}.multi_head_attention.LayerNorm"), width);
        self.layer(&format!("{name}.feed_forward.dense_1"), &[inner, width]);
        self.layer(&format!("{name}.feed_forward.dense_2"), &[width, inner]);
        self.norm(&format!("{name}.feed_forward.LayerNorm"), width);
    }

    /// Adds weight and bias of a norm over the width.
    pub fn norm(&mut self, name: &str, width: Size) {
        self.add(format!("{name}.weight"), &[width]);
        self.add(format!("{name}.bias"), &[width]);
    }
}

/// A safetensors file of `weights` with `rows` rows in tables of items and users. Every number is
/// `fill`.
pub fn file_of(weights: &[Weight], rows: usize, fill: f32) -> Vec<u8> {
    use safetensors::tensor::{Dtype, TensorView};
    let data: Vec<(String, Vec<usize>, Vec<u8>)> = weights
        .iter()
        .map(|weight| {
            let shape: Vec<usize> = weight
                .shape
                .iter()
                .map(|size| size.known().unwrap_or(rows))
                .collect();
            let bytes = fill.to_le_bytes().repeat(shape.iter().product());
            (weight.name.clone(), shape, bytes)
        })
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("sizes agree");
        (name.clone(), view)
    });
    safetensors::serialize(views, None).expect("names differ")
}

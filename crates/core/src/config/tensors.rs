//! Names and shapes of the weights of trained models, as docs/WEIGHTS.md lists them: what a file of weights must hold.

use super::Model;
use super::model::{Gru4rec, Ncf, Nextitnet, Sasrec, SasrecForm};

/// A dimension of a weight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Padding and every item: V + 1.
    Items,
    /// Every user: U.
    Users,
    /// A fixed number.
    Fixed(usize),
    /// What a setting says, times a number, plus a number.
    Setting {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: usize,
        /// Factor.
        times: usize,
        /// Summand.
        plus: usize,
    },
}

impl Size {
    fn of(name: &'static str, value: usize) -> Self {
        Self::Setting {
            name,
            value,
            times: 1,
            plus: 0,
        }
    }

    fn times(self, factor: usize) -> Self {
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

    /// The number where the settings decide it; `None` where the data do.
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

/// A weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Its name in the file.
    pub name: String,
    /// Its shape.
    pub shape: Vec<Size>,
}

/// The weights of a trained model, in no particular order; empty for models without any.
pub fn weights(model: &Model) -> Vec<Weight> {
    let mut list = List::default();
    match model {
        Model::Sasrec(model) => sasrec(&mut list, model),
        Model::Gru4rec(model) => gru4rec(&mut list, model),
        Model::Nextitnet(model) => nextitnet(&mut list, model),
        Model::Ncf(model) => ncf(&mut list, model),
        _ => {}
    }
    list.0
}

#[derive(Default)]
struct List(Vec<Weight>);

impl List {
    fn add(&mut self, name: impl Into<String>, shape: &[Size]) {
        self.0.push(Weight {
            name: name.into(),
            shape: shape.to_vec(),
        });
    }

    /// A matrix and the bias of its rows.
    fn layer(&mut self, name: &str, shape: &[Size]) {
        self.add(format!("{name}.weight"), shape);
        self.add(format!("{name}.bias"), &shape[..1]);
    }

    /// A norm over the width.
    fn norm(&mut self, name: &str, width: Size) {
        self.add(format!("{name}.weight"), &[width]);
        self.add(format!("{name}.bias"), &[width]);
    }
}

fn sasrec(list: &mut List, model: &Sasrec) {
    let width = Size::of("hidden_units", model.hidden_units);
    let positions = Size::Setting {
        name: "maxlen",
        value: model.maxlen,
        times: 1,
        plus: usize::from(model.form.padding_evolves()),
    };
    let inner = match model.inner_units {
        Some(inner) => Size::of("inner_units", inner),
        None if model.form == SasrecForm::Recbole => width.times(4),
        None => width,
    };
    if model.form == SasrecForm::Recbole {
        list.add("item_embedding.weight", &[Size::Items, width]);
        list.add("position_embedding.weight", &[positions, width]);
        list.norm("LayerNorm", width);
        for n in 0..model.num_blocks {
            let block = format!("trm_encoder.layer.{n}");
            for part in ["query", "key", "value", "dense"] {
                list.layer(&format!("{block}.multi_head_attention.{part}"), &[width; 2]);
            }
            list.norm(&format!("{block}.multi_head_attention.LayerNorm"), width);
            list.layer(&format!("{block}.feed_forward.dense_1"), &[inner, width]);
            list.layer(&format!("{block}.feed_forward.dense_2"), &[width, inner]);
            list.norm(&format!("{block}.feed_forward.LayerNorm"), width);
        }
    } else {
        list.add("item_emb.weight", &[Size::Items, width]);
        list.add("pos_emb.weight", &[positions, width]);
        for n in 0..model.num_blocks {
            list.norm(&format!("attention_layernorms.{n}"), width);
            let attention = format!("attention_layers.{n}");
            list.add(
                format!("{attention}.in_proj_weight"),
                &[width.times(3), width],
            );
            list.add(format!("{attention}.in_proj_bias"), &[width.times(3)]);
            if model.form != SasrecForm::Kang {
                list.layer(&format!("{attention}.out_proj"), &[width; 2]);
            }
            list.norm(&format!("forward_layernorms.{n}"), width);
            let one = Size::Fixed(1);
            list.layer(&format!("forward_layers.{n}.conv1"), &[inner, width, one]);
            list.layer(&format!("forward_layers.{n}.conv2"), &[width, inner, one]);
        }
        list.norm("last_layernorm", width);
    }
    if model.output_table {
        list.add("output_embedding.weight", &[Size::Items, width]);
        if model.output_bias {
            list.add("output_embedding.bias", &[Size::Items]);
        }
    }
}

fn gru4rec(list: &mut List, model: &Gru4rec) {
    let width = Size::of("embedding_dim", model.embedding_dim);
    let hidden = Size::of("hidden_units", model.hidden_units);
    list.add("look_up.weight", &[Size::Items, width]);
    for n in 0..model.num_layers {
        let inputs = if n == 0 { width } else { hidden };
        list.add(format!("gru.weight_ih_l{n}"), &[hidden.times(3), inputs]);
        list.add(format!("gru.weight_hh_l{n}"), &[hidden.times(3), hidden]);
        list.add(format!("gru.bias_ih_l{n}"), &[hidden.times(3)]);
        list.add(format!("gru.bias_hh_l{n}"), &[hidden.times(3)]);
    }
    if model.embedding_dim != model.hidden_units {
        list.layer("dense", &[width, hidden]);
    }
}

fn nextitnet(list: &mut List, model: &Nextitnet) {
    let width = Size::of("hidden_units", model.hidden_units);
    let kernel = Size::of("kernel_size", model.kernel_size);
    list.add("embeding.weight", &[Size::Items, width]);
    for n in 0..model.dilations.len() {
        for part in [1, 2] {
            let block = format!("residual_blocks.{n}");
            let shape = [width, width, Size::Fixed(1), kernel];
            list.layer(&format!("{block}.conv{part}"), &shape);
            list.norm(&format!("{block}.ln{part}"), width);
        }
    }
    list.layer("final_layer", &[Size::Items, width]);
}

fn ncf(list: &mut List, model: &Ncf) {
    let width = Size::of("hidden_units", model.hidden_units);
    list.add("user_embedding.weight", &[Size::Users, width]);
    list.add("item_embedding.weight", &[Size::Items, width]);
    let inner = model.layers.iter().map(|&layer| Size::of("layers", layer));
    let widths: Vec<Size> = std::iter::once(width).chain(inner).chain([width]).collect();
    for tower in ["user_tower", "item_tower"] {
        for (n, pair) in widths.windows(2).enumerate() {
            list.layer(&format!("{tower}.{n}"), &[pair[1], pair[0]]);
        }
    }
}

/// A file of these weights with `rows` in tables of items and users, every number `fill`.
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

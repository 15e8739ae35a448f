//! Vectors of item texts, from an encoder that is trained with a model or computed beforehand.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use tch::{Device, Tensor};

use super::sentence::TextEncoder;
use crate::models::morec::TextVectors;
use crate::nn::embedding::{self, indices};

/// Where an item's text vector comes from.
pub enum Texts {
    /// From an encoder that is trained too, and the texts of padding and of items 1 to V.
    Trained(Rc<dyn TextEncoder>, Vec<String>),
    /// From vectors [V + 1, W] that stay as they are.
    Frozen(Tensor),
}

impl fmt::Debug for Texts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Texts::Trained(encoder, texts) => {
                let (count, width) = (texts.len(), encoder.width());
                write!(formatter, "Trained({count} texts to {width})")
            }
            Texts::Frozen(vectors) => write!(formatter, "Frozen({:?})", vectors.size()),
        }
    }
}

impl Texts {
    /// Token counts of the texts of items 0 to V; none where vectors are frozen.
    pub fn tokens(&self) -> Vec<usize> {
        match self {
            Texts::Trained(encoder, texts) => {
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                encoder.lengths(&texts)
            }
            Texts::Frozen(_) => Vec::new(),
        }
    }
}

impl TextVectors for Texts {
    fn width(&self) -> i64 {
        match self {
            Texts::Trained(encoder, _) => encoder.width(),
            Texts::Frozen(vectors) => vectors.size()[1],
        }
    }

    fn of(&self, items: &[u32], train: bool, device: Device) -> Tensor {
        let (encoder, texts) = match self {
            Texts::Frozen(vectors) => return embedding::rows(vectors, &indices(items, device)),
            Texts::Trained(encoder, texts) => (encoder, texts),
        };
        let mut places = HashMap::new();
        let mut different: Vec<&str> = Vec::new();
        let mut rows = Vec::with_capacity(items.len());
        for &item in items {
            rows.push(*places.entry(item).or_insert_with(|| {
                different.push(&texts[item as usize]);
                different.len() as u32 - 1
            }));
        }
        embedding::rows(&encoder.encode(&different, train), &indices(&rows, device))
    }

    fn frozen(&self) -> Option<&Tensor> {
        match self {
            Texts::Trained(..) => None,
            Texts::Frozen(vectors) => Some(vectors),
        }
    }

    fn weights(&self) -> Vec<(String, Tensor)> {
        match self {
            Texts::Trained(encoder, _) => encoder.weights(),
            Texts::Frozen(_) => Vec::new(),
        }
    }
}

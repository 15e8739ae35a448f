//! The likelihood of many continuations of one prompt in one pass.
//!
//! A prompt's continuations become a tree of their common beginnings, after the prompt in one row.
//! Each token of the tree sees the prompt and its own ancestors. It has the place in the text that
//! it would have alone. So the prompt and common beginnings are computed once, and the result is
//! that of one pass per continuation.

use tch::{Device, Kind, Tensor};

use super::Lm;
use super::attention::{
    At, Pattern, Seen, cat, count_attention, joined, scaled_dot_product, slice,
};

/// Rows of logits that are computed at a time.
const CHUNK: i64 = 512;

/// The continuations of one prompt as a tree without their last tokens, which nothing follows.
#[derive(Debug, Default)]
struct Tree {
    tokens: Vec<i64>,
    /// The node before; `None`: the prompt.
    parents: Vec<Option<usize>>,
    depths: Vec<usize>,
}

impl Tree {
    fn enter(&mut self, parent: Option<usize>, token: u32) -> usize {
        let token = i64::from(token);
        let known = (0..self.tokens.len())
            .find(|&node| self.tokens[node] == token && self.parents[node] == parent);
        known.unwrap_or_else(|| {
            self.tokens.push(token);
            self.parents.push(parent);
            self.depths
                .push(parent.map_or(0, |node| self.depths[node] + 1));
            self.tokens.len() - 1
        })
    }

    /// What the prompt's last token and the nodes see of `prompt` tokens and the nodes, [1 + M,
    /// prompt + M]. With a window, only what is that near.
    fn mask(&self, prompt: usize, window: Option<usize>) -> Tensor {
        let (count, width) = (self.tokens.len(), prompt + self.tokens.len());
        let first = |place: usize| window.map_or(0, |window| (place + 1).saturating_sub(window));
        let mut seen = vec![false; (1 + count) * width];
        let (before, nodes) = seen.split_at_mut(width);
        before[first(prompt - 1)..prompt].fill(true);
        for (node, row) in nodes.chunks_mut(width).enumerate() {
            let first = first(prompt + self.depths[node]);
            row[first.min(prompt)..prompt].fill(true);
            let mut ancestor = Some(node);
            while let Some(at) = ancestor.filter(|&at| prompt + self.depths[at] >= first) {
                row[prompt + at] = true;
                ancestor = self.parents[at];
            }
        }
        Tensor::from_slice(&seen).view([1 + count as i64, width as i64])
    }
}

/// A target: the token that should follow a state of the pass, for one continuation.
#[derive(Clone, Copy, Debug)]
struct Target {
    state: i64,
    token: i64,
}

/// Rows of a prompt and a tree after it.
#[derive(Debug)]
struct Branching {
    /// The prompts, each causal.
    prompts: Vec<usize>,
    trees: Vec<usize>,
    masks: Vec<Tensor>,
    /// Tokens that a token sees in layers with a window, and what is seen there.
    window: Option<usize>,
    local_masks: Vec<Tensor>,
}

impl Pattern for Branching {
    fn attend(&mut self, at: At, [query, key, value]: [&Tensor; 3]) -> Tensor {
        let window = self.window.filter(|_| at.local);
        let masks = match window {
            Some(_) => &self.local_masks,
            None => &self.masks,
        };
        let part = |x: &Tensor, from: usize, count: usize| x.narrow(0, from as i64, count as i64);
        let mut mixed = Vec::new();
        let (mut asked, mut start) = (0, 0);
        for ((&prompt, &nodes), mask) in self.prompts.iter().zip(&self.trees).zip(masks) {
            if !at.last {
                let own = part(query, asked, prompt);
                let [key, value] = [key, value].map(|x| part(x, start, prompt));
                let range = 0..prompt;
                mixed.push(Seen { range, window }.attend([&own, &key, &value]));
                asked += prompt;
            }
            // In the last block the prompt's last token is a query too: it predicts the first
            // token.
            let skipped = usize::from(!at.last);
            let queries = 1 + nodes - skipped;
            let of_prompt = if at.last { 0 } else { prompt * prompt };
            let pairs = of_prompt + queries * (prompt + nodes);
            count_attention(pairs, [query, key, value]);
            if queries > 0 {
                let own = slice(query, asked..asked + queries);
                let [key, value] = [key, value].map(|x| slice(x, start..start + prompt + nodes));
                let mask = mask.narrow(0, skipped as i64, queries as i64);
                mixed.push(joined(&scaled_dot_product(
                    &own,
                    &key,
                    &value,
                    Some(&mask),
                    false,
                )));
                asked += queries;
            }
            start += prompt + nodes;
        }
        cat(mixed)
    }
}

impl Lm {
    /// Sums of log-likelihoods of each row's continuations, given the row of input vectors [t, W].
    ///
    /// An empty continuation is certain: 0.
    ///
    /// # Panics
    /// When a row is empty, or a row with its longest continuation is longer than the model's
    /// positions: callers check.
    pub fn score(&self, rows: &[Tensor], continuations: &[Vec<Vec<u32>>]) -> Vec<Vec<f64>> {
        let _frozen = tch::no_grad_guard();
        let scores = self.scored_groups(rows, continuations).flat_map(|group| {
            let Scored { tokens, targets } = group;
            let tokens = tokens.to_kind(Kind::Double).to_device(Device::Cpu);
            let tokens = Vec::<f64>::try_from(tokens).expect("numbers");
            let mut tokens = tokens.into_iter();
            let mut sum = |&count: &usize| tokens.by_ref().take(count).sum();
            let rows = targets.iter();
            let rows = rows.map(|row| row.iter().map(&mut sum).collect());
            rows.collect::<Vec<Vec<f64>>>()
        });
        scores.collect()
    }

    /// The same sums as [`Lm::score`], of all continuations of all rows in order, `[C]`. They carry
    /// gradients of the rows.
    ///
    /// # Panics
    /// As [`Lm::score`], and when there is no row.
    pub fn score_with_gradient(&self, rows: &[Tensor], continuations: &[Vec<Vec<u32>>]) -> Tensor {
        let scores = self.scored_groups(rows, continuations).map(|group| {
            let counts: Vec<usize> = group.targets.into_iter().flatten().collect();
            let owners = counts.iter().zip(0i64..);
            let owners = owners.flat_map(|(&count, owner)| std::iter::repeat_n(owner, count));
            let owners = Tensor::from_slice(&owners.collect::<Vec<_>>()).to_device(self.device());
            Tensor::zeros([counts.len() as i64], (Kind::Float, self.device())).index_add(
                0,
                &owners,
                &group.tokens,
            )
        });
        cat(scores.collect())
    }

    /// The likelihoods of rows that are computed together, group by group.
    fn scored_groups<'a>(
        &'a self,
        rows: &'a [Tensor],
        continuations: &'a [Vec<Vec<u32>>],
    ) -> impl Iterator<Item = Scored> + 'a {
        assert_eq!(
            rows.len(),
            continuations.len(),
            "each row has continuations"
        );
        let lengths: Vec<usize> = rows.iter().map(|row| row.size()[0] as usize).collect();
        let groups = self.groups(&lengths).into_iter();
        let groups = groups.filter(|group| !group.is_empty());
        groups.map(|group| self.score_group(&rows[group.clone()], &continuations[group]))
    }

    fn score_group(&self, rows: &[Tensor], continuations: &[Vec<Vec<u32>>]) -> Scored {
        let lengths: Vec<usize> = rows.iter().map(|row| row.size()[0] as usize).collect();
        let (trees, targets) = grow(continuations);
        let masks = |window| {
            let masks = trees.iter().zip(&lengths);
            let masks = masks.map(|(tree, &length)| tree.mask(length, window));
            masks.map(|mask| mask.to_device(self.device())).collect()
        };
        let window = self.window();
        let mut pattern = Branching {
            prompts: lengths.clone(),
            trees: trees.iter().map(|tree| tree.tokens.len()).collect(),
            masks: masks(None),
            window,
            local_masks: window.map_or_else(Vec::new, |window| masks(Some(window))),
        };
        let (mut parts, mut places, mut wanted) = (Vec::new(), Vec::new(), Vec::new());
        for ((row, tree), &length) in rows.iter().zip(&trees).zip(&lengths) {
            wanted.extend(
                (0..1 + tree.tokens.len()).map(|node| (places.len() + length - 1 + node) as i64),
            );
            places.extend(0..length as i64);
            places.extend(tree.depths.iter().map(|&depth| (length + depth) as i64));
            let nodes = self.embed(&Tensor::from_slice(&tree.tokens).to_device(self.device()));
            parts.extend([row.to_kind(self.kind()), nodes]);
        }
        let hidden = self.pass(&parts, &places, &mut pattern, Some(&wanted));
        let flat: Vec<Target> = targets.iter().flatten().flatten().copied().collect();
        Scored {
            tokens: self.likelihoods(&hidden, &flat),
            targets: targets
                .iter()
                .map(|row| row.iter().map(Vec::len).collect())
                .collect(),
        }
    }

    /// Log-likelihoods [T] of tokens that should follow states of `hidden` [S, W].
    fn likelihoods(&self, hidden: &Tensor, targets: &[Target]) -> Tensor {
        let list = |of: fn(&Target) -> i64| {
            let all: Vec<i64> = targets.iter().map(of).collect();
            Tensor::from_slice(&all).to_device(self.device())
        };
        let (states, tokens) = (list(|target| target.state), list(|target| target.token));
        // The logit of each target, and the sum over the vocabulary once a state.
        let count = hidden.size()[0];
        let mut found = Vec::new();
        for start in (0..count).step_by(CHUNK as usize) {
            let size = CHUNK.min(count - start);
            let logits = self
                .logits(&hidden.narrow(0, start, size))
                .to_kind(Kind::Float);
            let sums = logits.logsumexp([-1], true);
            let inside = states.ge(start).logical_and(&states.lt(start + size));
            let at = inside.nonzero().squeeze_dim(1);
            let rows = states.index_select(0, &at) - start;
            let chosen = [
                Some(rows.shallow_clone()),
                Some(tokens.index_select(0, &at)),
            ];
            found.push((
                at,
                logits.index(&chosen) - sums.squeeze_dim(1).index_select(0, &rows),
            ));
        }
        let (at, values): (Vec<Tensor>, Vec<Tensor>) = found.into_iter().unzip();
        let all = Tensor::zeros([targets.len() as i64], (Kind::Float, self.device()));
        all.index_copy(0, &cat(at), &cat(values))
    }
}

/// Likelihoods of the continuations of some rows.
struct Scored {
    /// Log-likelihoods of all tokens, continuation after continuation, [T].
    tokens: Tensor,
    /// Tokens of each row's continuations.
    targets: Vec<Vec<usize>>,
}

/// The trees of all rows, and each continuation's targets among the computed states. These are, for
/// each row, the prompt's last token and then the nodes.
fn grow(continuations: &[Vec<Vec<u32>>]) -> (Vec<Tree>, Vec<Vec<Vec<Target>>>) {
    let mut first = 0;
    let rows = continuations.iter().map(|row| {
        let mut tree = Tree::default();
        let mut targets = |sequence: &Vec<u32>| {
            let mut node = None;
            let mut found = Vec::with_capacity(sequence.len());
            for (number, &token) in sequence.iter().enumerate() {
                let state = first + node.map_or(0, |node: usize| 1 + node as i64);
                found.push(Target {
                    state,
                    token: i64::from(token),
                });
                if number + 1 < sequence.len() {
                    node = Some(tree.enter(node, token));
                }
            }
            found
        };
        let targets = row.iter().map(&mut targets).collect();
        first += 1 + tree.tokens.len() as i64;
        (tree, targets)
    });
    rows.unzip()
}

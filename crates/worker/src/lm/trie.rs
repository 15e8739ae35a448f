//! Token sequences as a tree of their common beginnings.

/// A tree of token sequences; node 0 is the empty beginning.
#[derive(Clone, Debug)]
pub struct Trie {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Tokens that continue, in the order in which they came, with the node they lead to.
    next: Vec<(u32, usize)>,
    /// Whether a sequence ends here.
    ends: bool,
}

impl Trie {
    /// The tree of these sequences.
    pub fn new<'a>(sequences: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut trie = Self {
            nodes: vec![Node::default()],
        };
        for sequence in sequences {
            let end = sequence
                .iter()
                .fold(0, |node, &token| trie.enter(node, token));
            trie.nodes[end].ends = true;
        }
        trie
    }

    fn enter(&mut self, node: usize, token: u32) -> usize {
        if let Some(next) = self.step(node, token) {
            return next;
        }
        let next = self.nodes.len();
        self.nodes.push(Node::default());
        self.nodes[node].next.push((token, next));
        next
    }

    /// The node that `token` leads to.
    pub fn step(&self, node: usize, token: u32) -> Option<usize> {
        let mut next = self.nodes[node].next.iter();
        next.find(|(other, _)| *other == token)
            .map(|&(_, node)| node)
    }

    /// Tokens that continue from a node.
    pub fn tokens(&self, node: usize) -> impl Iterator<Item = u32> {
        self.nodes[node].next.iter().map(|&(token, _)| token)
    }

    /// Whether a sequence ends at a node.
    pub fn ends(&self, node: usize) -> bool {
        self.nodes[node].ends
    }

    /// Whether no sequence continues from a node.
    pub fn is_leaf(&self, node: usize) -> bool {
        self.nodes[node].next.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_that_is_a_sequence_of_its_own_ends_and_goes_on() {
        let trie = Trie::new([&[5, 6][..], &[5, 7, 8], &[5]]);
        let five = trie.step(0, 5).unwrap();
        assert!(trie.ends(five) && !trie.is_leaf(five));
        assert_eq!(trie.tokens(five).collect::<Vec<_>>(), [6, 7]);
        assert_eq!(trie.step(five, 8), None);
        assert!(trie.is_leaf(trie.step(five, 6).unwrap()));
    }
}

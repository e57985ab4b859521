//! A Merkle tree after RFC 6962, section 2.1: hashes of nodes, roots, proofs, and how proofs are checked
//! (RFC 9162, sections 2.1.3.2 and 2.1.4.2). Where hashes are kept is the caller's matter; in which order
//! is said here: as in Go's `golang.org/x/mod/sumdb/tlog`, each hash behind the last of the leaves below it.

use sha2::{Digest, Sha256};

use crate::events::log::LeafHash;

pub type Hash = LeafHash;

/// The root of the tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [1; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    Sha256::digest(bytes).into()
}

/// How many hashes a tree of so many leaves keeps: one a leaf, and one for each complete pair.
#[must_use]
pub const fn stored_count(leaves: u64) -> u64 {
    // n + n/2 + n/4 + …
    2 * leaves - leaves.count_ones() as u64
}

/// Where the hash of the `n`th complete subtree of 2^`level` leaves is kept.
#[must_use]
pub const fn stored_index(level: u32, n: u64) -> u64 {
    let last_leaf = ((n + 1) << level) - 1;
    stored_count(last_leaf) + level as u64
}

/// The right edge of a growing tree: the complete subtrees it consists of, largest first. All that is
/// needed to add leaves and to know the root.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Edge {
    /// The edge of a tree whose hashes are kept.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn load<E>(size: u64, read: impl Fn(u64) -> Result<Hash, E>) -> Result<Self, E> {
        let mut subtrees = Vec::new();
        let mut start = 0;
        while start < size {
            let level = (size - start).ilog2();
            subtrees.push(read(stored_index(level, start >> level))?);
            start += 1 << level;
        }
        Ok(Self { size, subtrees })
    }

    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf and hands out the hashes that are now complete, in the order in which they are kept.
    pub fn push(&mut self, leaf: Hash, mut complete: impl FnMut(&Hash)) {
        complete(&leaf);
        let mut hash = leaf;
        // As many pairs are complete as the size so far has ones at its end.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                hash = node_hash(&left, &hash);
                complete(&hash);
            }
        }
        self.subtrees.push(hash);
        self.size += 1;
    }

    #[must_use]
    pub fn root(&self) -> Hash {
        let mut from_the_right = self.subtrees.iter().rev();
        let Some(last) = from_the_right.next() else {
            return EMPTY_ROOT;
        };
        from_the_right.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// The kept hashes of a tree, from which roots and proofs are made.
pub struct Kept<R>(pub R);

impl<R: Fn(u64) -> Result<Hash, E>, E> Kept<R> {
    /// The root of the first `size` leaves.
    ///
    /// # Errors
    /// Those of the reader, as everywhere here.
    pub fn root(&self, size: u64) -> Result<Hash, E> {
        if size == 0 {
            return Ok(EMPTY_ROOT);
        }
        self.hash(0, size)
    }

    /// PATH of RFC 6962, section 2.1.1: from the leaf's sibling up. `index` is below `size`.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Vec<Hash>, E> {
        let (mut start, mut end) = (0, size);
        let mut down = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                down.push(self.hash(middle, end)?);
                end = middle;
            } else {
                down.push(self.hash(start, middle)?);
                start = middle;
            }
        }
        down.reverse();
        Ok(down)
    }

    /// PROOF of RFC 6962, section 2.1.2, for 0 < `from` ≤ `to`.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn consistency(&self, from: u64, to: u64) -> Result<Vec<Hash>, E> {
        let (mut start, mut end) = (0, to);
        let mut down = Vec::new();
        // Whether what is left of the old tree is the old tree, whole: its root is known then.
        let mut whole = true;
        while from < end {
            let middle = start + split(end - start);
            if from <= middle {
                down.push(self.hash(middle, end)?);
                end = middle;
            } else {
                down.push(self.hash(start, middle)?);
                start = middle;
                whole = false;
            }
        }
        if !whole {
            down.push(self.hash(start, end)?);
        }
        down.reverse();
        Ok(down)
    }

    /// MTH of the leaves from `start` to before `end`; `start` is a multiple of the largest power of two
    /// in their number, as it is wherever a tree is split.
    fn hash(&self, start: u64, end: u64) -> Result<Hash, E> {
        let leaves = end - start;
        if leaves.is_power_of_two() {
            let level = leaves.ilog2();
            return (self.0)(stored_index(level, start >> level));
        }
        let middle = start + split(leaves);
        Ok(node_hash(
            &self.hash(start, middle)?,
            &self.hash(middle, end)?,
        ))
    }
}

/// Whether the leaf is in the tree with this root.
#[must_use]
pub fn includes(root: &Hash, size: u64, index: u64, leaf: &Hash, proof: &[Hash]) -> bool {
    if index >= size {
        return false;
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            skip_lone(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Whether the tree of the second root begins with the tree of the first.
#[must_use]
pub fn continues(from: (u64, &Hash), to: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((from, from_root), (to, to_root)) = (from, to);
    if from == 0 {
        return *from_root == EMPTY_ROOT && proof.is_empty();
    }
    if from >= to {
        return from == to && from_root == to_root && proof.is_empty();
    }
    let (mut node, mut last) = (from - 1, to - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let mut hashes = proof.iter();
    // A complete old tree is a node of the new one, and its root is not said again.
    let first = if from.is_power_of_two() {
        Some(from_root)
    } else {
        hashes.next()
    };
    let Some(first) = first else { return false };
    let (mut old, mut new) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node & 1 == 1 || node == last {
            old = node_hash(hash, &old);
            new = node_hash(hash, &new);
            skip_lone(&mut node, &mut last);
        } else {
            new = node_hash(&new, hash);
        }
        node >>= 1;
        last >>= 1;
    }
    last == 0 && old == *from_root && new == *to_root
}

/// A last node without a sibling goes up unchanged until it is one on the right.
fn skip_lone(node: &mut u64, last: &mut u64) {
    while *node & 1 == 0 && *node != 0 {
        *node >>= 1;
        *last >>= 1;
    }
}

/// The largest power of two below a number of leaves of at least two.
const fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

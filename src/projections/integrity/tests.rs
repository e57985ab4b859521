//! The tree and its proofs against Cloudflare's `tlog_tiles` (a port of Go's `sumdb/tlog`), notes against
//! their `signed_note`, trees against `ct-merkle`, and all against published vectors. Nobody here wrote
//! those.

use proptest::prelude::*;
use signed_note::{StandardSigner, StandardVerifier, VerifierList};
use tlog_tiles::tlog as theirs;

use super::{
    Checkpoint,
    note::{NoteError, NoteKey, VerifierKey},
    proof::{InclusionProof, ProofError},
    tree::{self, EMPTY_ROOT, Edge, Hash, Kept},
};
use crate::events::log::leaf_hash;

const SIZE_MAX: u64 = 300;

/// Every hash of a tree over `size` records, in the order in which they are kept, and its edge.
fn grown(size: u64) -> (Vec<Hash>, Edge) {
    let (mut hashes, mut edge) = (Vec::new(), Edge::default());
    for n in 0..size {
        edge.push(leaf_hash(&record(n)), |hash| hashes.push(*hash));
    }
    (hashes, edge)
}

fn record(n: u64) -> Vec<u8> {
    format!("record {n}").into_bytes()
}

fn reader(hashes: &[Hash]) -> Kept<impl Fn(u64) -> Result<Hash, usize> + '_> {
    Kept(|index| {
        let index = index as usize;
        hashes.get(index).copied().ok_or(index)
    })
}

struct Theirs<'h>(&'h [Hash]);

impl theirs::HashReader for Theirs<'_> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<theirs::Hash>, theirs::Error> {
        Ok((indexes.iter())
            .map(|index| theirs::Hash(self.0[*index as usize]))
            .collect())
    }
}

#[test]
fn the_tree_is_that_of_the_published_vectors() {
    // certificate-transparency-go and transparency-dev/merkle, testonly/reference_test.go and
    // testonly/constants.go: LeafInputs and RootHashes, hexadecimal.
    let inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut edge = Edge::default();
    assert_eq!(hex::encode(edge.root()), roots[0]);
    assert_eq!(edge.root(), EMPTY_ROOT);
    for (input, root) in inputs.iter().zip(&roots[1..]) {
        edge.push(leaf_hash(&hex::decode(input).unwrap()), |_| ());
        assert_eq!(hex::encode(edge.root()), *root);
    }
}

#[test]
fn hashes_are_kept_where_gos_sumdb_keeps_them_and_make_the_same_roots() {
    let (mut kept, mut edge) = (Vec::new(), Edge::default());
    for n in 0..SIZE_MAX {
        let expected = theirs::stored_hashes(n, &record(n), &Theirs(&kept)).unwrap();
        let before = kept.len();
        edge.push(leaf_hash(&record(n)), |hash| kept.push(*hash));
        let added: Vec<_> = kept[before..]
            .iter()
            .map(|hash| theirs::Hash(*hash))
            .collect();
        assert_eq!(added, expected);
        assert_eq!(kept.len() as u64, tree::stored_count(n + 1));
        assert_eq!(tree::stored_count(n + 1), theirs::stored_hash_count(n + 1));
        assert_eq!(tree::stored_index(0, n), theirs::stored_hash_index(0, n));
        let root = theirs::tree_hash(n + 1, &Theirs(&kept)).unwrap();
        assert_eq!(edge.root(), root.0);
        assert_eq!(reader(&kept).root(n + 1).unwrap(), root.0);
        let loaded = Edge::load(n + 1, |index| Ok::<_, ()>(kept[index as usize])).unwrap();
        assert_eq!(loaded, edge);
    }
    for level in 0..40 {
        for n in [0, 1, 2, 5, 1_000_003] {
            let index = tree::stored_index(level, n);
            assert_eq!(index, theirs::stored_hash_index(level as u8, n));
        }
    }
}

#[test]
fn a_second_library_comes_to_the_same_roots() {
    let mut other = ct_merkle::mem_backed_tree::MemoryBackedTree::<sha2::Sha256, Vec<u8>>::new();
    let mut edge = Edge::default();
    for n in 0..SIZE_MAX {
        other.push(record(n));
        edge.push(leaf_hash(&record(n)), |_| ());
        assert_eq!(other.root().as_bytes()[..], edge.root());
    }
}

/// The proof with one thing wrong, in every way.
fn spoiled(proof: &[Hash]) -> Vec<Vec<Hash>> {
    let mut spoiled = vec![[proof, &[[7; 32]]].concat()];
    for at in 0..proof.len() {
        let mut changed = proof.to_vec();
        changed[at][at % 32] ^= 1 << (at % 8);
        spoiled.push(changed);
        spoiled.push([&proof[..at], &proof[at + 1..]].concat());
        if at > 0 {
            let mut swapped = proof.to_vec();
            swapped.swap(at - 1, at);
            spoiled.push(swapped);
        }
    }
    spoiled
}

proptest! {
    #[test]
    fn inclusion_proofs_are_theirs_and_nothing_else_passes(
        size in 1..SIZE_MAX, more in 0..SIZE_MAX, index in any::<u64>()
    ) {
        let index = index % size;
        let (hashes, _) = grown(size + more);
        let ours = reader(&hashes).inclusion(index, size).unwrap();
        let root = reader(&hashes).root(size).unwrap();
        let theirs = theirs::prove_record(size, index, &Theirs(&hashes)).unwrap();
        prop_assert_eq!(theirs.iter().map(|hash| hash.0).collect::<Vec<_>>(), ours.clone());
        let leaf = leaf_hash(&record(index));
        prop_assert!(tree::includes(&root, size, index, &leaf, &ours));
        for wrong in spoiled(&ours) {
            prop_assert!(!tree::includes(&root, size, index, &leaf, &wrong));
        }
        prop_assert!(!tree::includes(&root, size, index, &leaf_hash(b"another"), &ours));
        let mut other = root;
        other[31] ^= 1;
        prop_assert!(!tree::includes(&other, size, index, &leaf, &ours));
        prop_assert!(!tree::includes(&root, size, size, &leaf, &ours));
        for place in (0..size).filter(|place| *place != index) {
            prop_assert!(!tree::includes(&root, size, place, &leaf, &ours));
        }
    }

    #[test]
    fn consistency_proofs_are_theirs_and_nothing_else_passes(
        a in 1..=SIZE_MAX, b in 1..=SIZE_MAX
    ) {
        let (from, to) = (a.min(b), a.max(b));
        let (hashes, _) = grown(to);
        let kept = reader(&hashes);
        let (old, new) = (kept.root(from).unwrap(), kept.root(to).unwrap());
        let ours = kept.consistency(from, to).unwrap();
        let theirs = theirs::prove_tree(to, from, &Theirs(&hashes)).unwrap();
        prop_assert_eq!(theirs.iter().map(|hash| hash.0).collect::<Vec<_>>(), ours.clone());
        prop_assert!(tree::continues((from, &old), (to, &new), &ours));
        for wrong in spoiled(&ours) {
            prop_assert!(!tree::continues((from, &old), (to, &new), &wrong));
        }
        let mut other = old;
        other[0] ^= 1;
        prop_assert!(!tree::continues((from, &other), (to, &new), &ours));
        prop_assert!(!tree::continues((from, &old), (to, &other), &ours));
        prop_assert_eq!(tree::continues((to, &new), (from, &old), &ours), from == to);
        for size in (1..=to).filter(|size| *size != from) {
            prop_assert!(!tree::continues((size, &old), (to, &new), &ours));
        }
    }
}

/// Of `golang.org/x/mod/sumdb/note`, note_test.go and doc: PeterNeumann and his note.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETERS_KEY: &str =
    "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const PETERS_TEXT: &str = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";

fn peters_note() -> String {
    format!(
        "{PETERS_TEXT}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )
}

#[test]
fn a_note_of_gos_documentation_is_read_and_written_alike() {
    let verifier: VerifierKey = PETER.parse().unwrap();
    assert_eq!(verifier.to_string(), PETER);
    assert_eq!(verifier.open(&peters_note()).unwrap(), PETERS_TEXT);
    let key = NoteKey::parse(PETERS_KEY).unwrap();
    assert_eq!(*key.text(), PETERS_KEY);
    assert_eq!(key.verifier(), &verifier);
    assert_eq!(key.sign(PETERS_TEXT), peters_note());
    assert!(!format!("{key:?}").contains("AYEKFALV"));
}

#[test]
fn cloudflares_notes_are_ours_and_ours_theirs() {
    let key = NoteKey::new("doorbook/0a1b2c3d", &[9; 32]);
    let text = "doorbook/0a1b2c3d\n3\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let theirs = StandardVerifier::new(&key.verifier().to_string()).unwrap();
    let note = signed_note::Note::from_bytes(key.sign(text).as_bytes()).unwrap();
    let known = VerifierList::new(vec![Box::new(theirs)]);
    let (verified, unverified) = note.verify(&known).unwrap();
    assert_eq!((verified.len(), unverified.len()), (1, 0));
    let said = tlog_tiles::Checkpoint::from_bytes(note.text()).unwrap();
    assert_eq!(
        (said.origin(), said.size(), said.hash().0),
        ("doorbook/0a1b2c3d", 3, EMPTY_ROOT)
    );

    let signer = StandardSigner::new(&key.text()).unwrap();
    let mut note = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&signer]).unwrap();
    let note = String::from_utf8(note.to_bytes()).unwrap();
    assert_eq!(note, key.sign(text));
    assert_eq!(key.verifier().open(&note).unwrap(), text);
}

#[test]
fn a_note_with_anything_changed_is_refused() {
    let verifier: VerifierKey = PETER.parse().unwrap();
    let note = peters_note();
    for at in 0..note.len() {
        for bit in 0..8 {
            let mut bytes = note.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(changed) = String::from_utf8(bytes) else {
                continue;
            };
            assert!(verifier.open(&changed).is_err(), "{changed}");
        }
    }
    let other = NoteKey::new("PeterNeumann", &[1; 32]);
    assert!(matches!(
        other.verifier().open(&note),
        Err(NoteError::NotSigned(_))
    ));
    for not_a_note in [
        "",
        "\n",
        "\n\n",
        "text\n",
        "text\n\n",
        "text\n\nno signature\n",
    ] {
        assert!(verifier.open(not_a_note).is_err());
    }
    for wrong in [
        "",
        "PeterNeumann",
        "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
    ] {
        assert!(wrong.parse::<VerifierKey>().is_err());
        let said = NoteKey::parse(PETERS_KEY.trim_end_matches('z')).unwrap_err();
        assert!(!said.to_string().contains("AYEK"));
    }
}

#[test]
fn signatures_of_others_are_passed_over_as_witnesses_would_add_them() {
    let key = NoteKey::new("doorbook/0a1b2c3d", &[9; 32]);
    let witness = NoteKey::new("witness.example.org", &[8; 32]);
    let text = "doorbook/0a1b2c3d\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let added = witness.sign(text).rsplit_once("\n\n").unwrap().1.to_owned();
    let note = key.sign(text) + &added;
    assert_eq!(Checkpoint::open(&note, key.verifier()).unwrap().size, 0);
    assert_eq!(witness.verifier().open(&note).unwrap(), text);
    // Signed by a key that we trust for its own log, which this is not.
    assert!(Checkpoint::open(&note, witness.verifier()).is_err());
}

#[test]
fn a_proof_file_is_read_as_it_was_written_and_fails_when_a_byte_of_it_changes() {
    let key = NoteKey::new("doorbook/0a1b2c3d", &[9; 32]);
    let (size, index) = (21, 12);
    let (hashes, edge) = grown(size);
    let checkpoint = Checkpoint {
        origin: key.verifier().name().to_owned(),
        size,
        root: edge.root(),
    };
    let proof = InclusionProof {
        offset: index + 1,
        hashes: reader(&hashes).inclusion(index, size).unwrap(),
        record: Some(record(index)),
        checkpoint: checkpoint.sign(&key).note,
    };
    let text = proof.text();
    assert_eq!(InclusionProof::parse(&text).unwrap(), proof);
    assert_eq!(proof.verify(key.verifier(), None).unwrap(), checkpoint);
    for at in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else {
            continue;
        };
        let passes = InclusionProof::parse(&changed)
            .and_then(|proof| proof.verify(key.verifier(), None))
            .is_ok();
        assert!(!passes, "{changed}");
        let cut = text.get(..at).map(InclusionProof::parse);
        let passes = cut.is_some_and(|cut| {
            cut.and_then(|proof| proof.verify(key.verifier(), None))
                .is_ok()
        });
        assert!(!passes, "cut at {at}");
    }
    let other = record(index + 1);
    let refused = proof.verify(key.verifier(), Some(&other));
    assert_eq!(refused, Err(ProofError::NotIncluded(index + 1)));
    let without = InclusionProof {
        record: None,
        ..proof.clone()
    };
    assert!(!without.text().contains("extra"));
    assert_eq!(
        without.verify(key.verifier(), None),
        Err(ProofError::NoRecord)
    );
    assert!(without.verify(key.verifier(), Some(&record(index))).is_ok());
    let stranger = NoteKey::new("doorbook/0a1b2c3d", &[10; 32]);
    assert!(proof.verify(stranger.verifier(), None).is_err());
    let renamed = NoteKey::new("doorbook/ffffffff", &[9; 32]);
    assert!(proof.verify(renamed.verifier(), None).is_err());
}

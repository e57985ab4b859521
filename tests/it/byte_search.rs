//! Looking for words in every byte of every file below a directory: in UTF-8 and UTF-16, plain and in
//! base64, wherever in a group of it they begin.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE},
};

use crate::log_history::files_below;

/// What is looked for, by its first two bytes.
#[derive(Default)]
pub(crate) struct Needles {
    by_start: HashMap<[u8; 2], Vec<(String, Vec<u8>)>>,
}

impl Needles {
    /// Words, in every form in which they could lie on a disk. Short ones would be found by chance.
    pub(crate) fn of_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut needles = Self::default();
        for word in words {
            assert!(word.len() >= 6, "{word} is too short to look for");
            for (form, bytes) in forms(word) {
                needles.add(&format!("{word} in {form}"), bytes);
            }
        }
        needles
    }

    pub(crate) fn add(&mut self, name: &str, bytes: Vec<u8>) {
        let needle = (name.to_owned(), bytes);
        let start = [needle.1[0], needle.1[1]];
        self.by_start.entry(start).or_default().push(needle);
    }

    /// What is in which file.
    pub(crate) fn found_below(&self, dir: &Path) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        for file in files_below(dir).unwrap() {
            // What is moved away while it is looked for is looked for where it has come to.
            let Ok(bytes) = fs::read(dir.join(&file)) else {
                continue;
            };
            let names = self.found_in(&bytes).into_iter();
            found.extend(names.map(|name| (file.clone(), name)));
        }
        found
    }

    fn found_in(&self, bytes: &[u8]) -> Vec<String> {
        let mut known = vec![false; 1 << 16];
        for start in self.by_start.keys() {
            known[usize::from(u16::from_be_bytes(*start))] = true;
        }
        let mut found = Vec::new();
        for (at, pair) in bytes.array_windows::<2>().enumerate() {
            if !known[usize::from(u16::from_be_bytes(*pair))] {
                continue;
            }
            let here = self.by_start[pair].iter();
            let here = here.filter(|(_, needle)| bytes[at..].starts_with(needle));
            found.extend(here.map(|(name, _)| name.clone()));
        }
        found
    }
}

fn forms(word: &str) -> Vec<(String, Vec<u8>)> {
    let wide = |bytes: fn(u16) -> [u8; 2]| word.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let encodings = [
        ("UTF-8", word.as_bytes().to_vec()),
        ("UTF-16 LE", wide(u16::to_le_bytes)),
        ("UTF-16 BE", wide(u16::to_be_bytes)),
    ];
    let mut forms = Vec::new();
    for (encoding, bytes) in encodings {
        for (alphabet, engine) in [("base64", &STANDARD), ("base64url", &URL_SAFE)] {
            for before in 0..3 {
                let form = format!("{alphabet} of {encoding} after {before}");
                let padded = [&[0; 2][..before], &bytes].concat();
                let text = engine.encode(&padded);
                // Characters that a neighbour has a part in are not the word's alone.
                let start = [0, 2, 3][before];
                let end = padded.len() / 3 * 4 + [0, 1, 2][padded.len() % 3];
                forms.push((form, text.as_bytes()[start..end].to_vec()));
            }
        }
        forms.push((encoding.to_owned(), bytes));
    }
    forms
}

#[test]
fn every_form_is_found_wherever_it_lies() {
    let needles = Needles::of_words(["Zoë Lovelace"]);
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("deep");
    fs::create_dir(&below).unwrap();
    let text = "Zoë Lovelace";
    let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide_be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [text.as_bytes(), &wide, &wide_be] {
        for before in 0..7 {
            for after in 0..4 {
                let around = [&vec![0xB5; before][..], bytes, &vec![0x7A; after][..]].concat();
                for content in [
                    around.clone(),
                    STANDARD.encode(&around).into_bytes(),
                    URL_SAFE.encode(&around).into_bytes(),
                ] {
                    fs::write(below.join("file"), content).unwrap();
                    assert!(!needles.found_below(dir.path()).is_empty());
                }
            }
        }
    }
    fs::write(below.join("file"), "Zoe Lovelace, Zoë Lovelac").unwrap();
    assert_eq!(needles.found_below(dir.path()), []);
}

//! How `q` finds people: case and accents folded away, every word of the question a part of
//! something about the person, in any order.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longest question that is looked at, characters; the rest is ignored.
const QUESTION_CHARS_MAX: usize = 200;

/// A question, folded once and asked of every row.
pub(super) struct Question {
    words: Vec<String>,
}

impl Question {
    pub(super) fn new(text: &str) -> Self {
        let text: String = text.chars().take(QUESTION_CHARS_MAX).collect();
        Self {
            words: fold(&text).split_whitespace().map(str::to_owned).collect(),
        }
    }

    /// Whether every word is somewhere in the folded haystack. An empty question matches all.
    pub(super) fn matches(&self, haystack: &str) -> bool {
        self.words
            .iter()
            .all(|word| haystack.contains(word.as_str()))
    }
}

/// Text without case, accents and the letters that Unicode does not take apart (ß, ø, ł …).
pub(super) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let stripped = text.nfkd().filter(|letter| !is_combining_mark(*letter));
    for letter in stripped.flat_map(char::to_lowercase) {
        match letter {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'þ' => folded.push_str("th"),
            'ø' => folded.push('o'),
            'ł' => folded.push('l'),
            'đ' | 'ð' => folded.push('d'),
            'ħ' => folded.push('h'),
            'ı' => folded.push('i'),
            'ŧ' => folded.push('t'),
            'ς' => folded.push('σ'),
            // İ lowers to an i and a dot of its own.
            letter if is_combining_mark(letter) => {}
            letter => folded.push(letter),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_and_special_letters_fold_away() {
        assert_eq!(fold("Łukasz STRAßE Øre"), "lukasz strasse ore");
        assert_eq!(fold("Ænéas Þór Đặng İIı"), "aeneas thor dang iii");
        assert_eq!(fold("ＡＢＣ ﬁ"), "abc fi");
    }

    #[test]
    fn words_match_parts_in_any_order() {
        let haystack = fold("Zoë\nMüller-Lüdenscheidt\nzoe@example.org\nVIP-17");
        for question in ["zoe", "mull ZOË", "denscheidt vip", "17 example", "  "] {
            assert!(Question::new(question).matches(&haystack), "{question}");
        }
        for question in ["zoey", "zoe anders", "vip-18"] {
            assert!(!Question::new(question).matches(&haystack), "{question}");
        }
    }
}

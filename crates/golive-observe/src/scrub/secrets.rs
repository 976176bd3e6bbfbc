//! The registered secrets: a program's own live ones, found wherever they stand and in every form they are written in.
//! What secrets look like that nobody registered is in `scan`.

use std::borrow::Cow;

use aho_corasick::{AhoCorasick, MatchKind, packed};
use secrecy::{ExposeSecret, SecretString};

use super::MASK;

/// Registered secrets shorter than this are not searched for: they would tear up ordinary text.
pub(super) const SHORTEST_SECRET_BYTES: usize = 6;

/// The registered secrets in all their forms, and what finds any of them in one pass.
#[derive(Clone, Default)]
pub(super) struct Secrets {
    forms: Vec<String>,
    /// Bytes of the shortest form: most texts are shorter, and cannot hold any.
    shortest: usize,
    search: Option<AhoCorasick>,
    /// Says in a fraction of the time that a text holds none, which is what is nearly always so. Vectors of bytes
    /// instead of an automaton; there is none where forms are too many for it.
    quick: Option<packed::Searcher>,
}

impl Secrets {
    pub(super) fn count(&self) -> usize {
        self.forms.len()
    }

    /// Is one of them made of digits and dots alone?
    #[cfg(feature = "axum")]
    pub(super) fn any_number(&self) -> bool {
        self.forms.iter().any(|form| form.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
    }

    /// Registers one more; nothing happens when it is too short to be searched for.
    pub(super) fn add(&mut self, secret: &SecretString) {
        let plain = secret.expose_secret();
        if plain.len() < SHORTEST_SECRET_BYTES {
            return;
        }
        let percent: String = url::form_urlencoded::byte_serialize(plain.as_bytes()).collect();
        let json = serde_json::to_string(plain).expect("a string always serializes");
        let debug = format!("{plain:?}");
        let unquoted = |text: &str| text[1..text.len() - 1].to_owned();
        for form in
            [plain.to_owned(), percent.replace('+', "%20"), percent, unquoted(&json), unquoted(&debug)]
        {
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        self.shortest = self.forms.iter().map(String::len).min().unwrap_or(0);
        // A secret may contain another: the longest goes, so that no tail of it stays.
        let search = AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&self.forms);
        self.search = Some(search.expect("a few short texts are far below every limit"));
        self.quick = packed::Searcher::new(&self.forms);
    }

    /// The text without them; borrowed when there were none.
    pub(super) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(search) = self.search.as_ref().filter(|_| text.len() >= self.shortest) else {
            return Cow::Borrowed(text);
        };
        let is_there = match &self.quick {
            Some(quick) => quick.find(text).is_some(),
            None => search.is_match(text),
        };
        match is_there {
            true => Cow::Owned(search.replace_all(text, &vec![MASK; self.forms.len()])),
            false => Cow::Borrowed(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        // Few, because building an automaton without optimization takes its time.
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn the_quick_look_misses_nothing(
            secrets in prop::collection::vec("[ab%+\"\\\\ é]{3,20}", 1..14),
            text in "[ab%+\"\\\\ é]{0,200}",
            planted in any::<prop::sample::Index>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut registered = Secrets::default();
            secrets.iter().for_each(|secret| registered.add(&SecretString::from(secret.clone())));
            let slow = Secrets { quick: None, shortest: 0, ..registered.clone() };
            let at = text.char_indices().map(|(at, _)| at).nth(cut.index(text.chars().count().max(1))).unwrap_or(0);
            let with = format!("{}{}{}", &text[..at], planted.get(&secrets), &text[at..]);
            for text in [text, with] {
                prop_assert_eq!(registered.hide(&text), slow.hide(&text));
            }
        }
    }
}

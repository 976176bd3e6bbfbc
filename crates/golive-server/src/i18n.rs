//! The console's texts: one Fluent catalog a language, chosen by cookie, else by what the browser asks for.
//!
//! Not here: what golive saw. Evidence, errors and reasons stand as they were recorded, in English.

use std::sync::LazyLock;

use axum::http::{HeaderMap, header};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use unic_langid::LanguageIdentifier;

/// A language that the console speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    German,
}

impl Language {
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::German];

    /// Its tag, as HTML and HTTP write it.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// What its speakers call it.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split('-').next().unwrap_or_default();
        Self::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(primary))
    }

    /// The language of a request: as chosen before, else the first acceptable one that is spoken here, else English.
    pub(crate) fn of_request(headers: &HeaderMap, chosen: Option<&str>) -> Self {
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        chosen.and_then(Self::of_tag).or_else(|| accepted.and_then(of_accepted)).unwrap_or(Self::English)
    }
}

/// RFC 9110 section 12.5.4: the highest weight wins, of equal ones the first; a weight of 0 is a refusal.
fn of_accepted(accepted: &str) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    for range in accepted.split(',').take(MOST_RANGES) {
        let (tag, parameters) = range.split_once(';').unwrap_or((range, ""));
        let weight = parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse().ok());
        let Some(weight) = weight.filter(|weight: &f32| *weight > 0.0) else { continue };
        let Some(language) = Language::of_tag(tag.trim()) else { continue };
        if best.is_none_or(|(_, known)| weight > known) {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

/// The texts in one language. Cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Words {
    language: Language,
    bundle: &'static FluentBundle<FluentResource>,
}

impl Words {
    pub(crate) fn new(language: Language) -> Self {
        let bundle = match language {
            Language::English => &*ENGLISH,
            Language::German => &*GERMAN,
        };
        Self { language, bundle }
    }

    pub(crate) fn language(self) -> Language {
        self.language
    }

    /// The text of this name. A test sees to it that every name used here is in every catalog.
    pub(crate) fn t(self, key: &str) -> String {
        self.format(key, None).unwrap_or_else(|| key.to_owned())
    }

    /// The text of this name with something filled in.
    pub(crate) fn with<'a>(self, key: &str, values: &[(&'static str, FluentValue<'a>)]) -> String {
        let arguments: FluentArgs<'_> = values.iter().cloned().collect();
        self.format(key, Some(&arguments)).unwrap_or_else(|| key.to_owned())
    }

    /// The text with a number filled in, by which its plural is chosen.
    pub(crate) fn count(self, key: &str, count: usize) -> String {
        self.with(key, &[("count", count.into())])
    }

    /// The text of this name if there is one: for what a later version of golive may say and no catalog knows.
    pub(crate) fn maybe(self, key: &str) -> Option<String> {
        self.format(key, None)
    }

    /// What a step does.
    pub(crate) fn step(self, id: &str, title: &str) -> String {
        self.maybe(&format!("step-{id}")).unwrap_or_else(|| title.to_owned())
    }

    /// What a criterion is.
    pub(crate) fn criterion(self, key: &str, title: &str) -> String {
        self.maybe(&format!("criterion-{key}")).unwrap_or_else(|| title.to_owned())
    }

    /// What a requirement says.
    pub(crate) fn says(self, fact: &str, says: &str) -> String {
        self.maybe(&format!("says-{}", identifier(fact))).unwrap_or_else(|| says.to_owned())
    }

    /// What a fact is called, if there is a name for it.
    pub(crate) fn fact(self, fact: &str) -> Option<String> {
        self.maybe(&format!("fact-{}", identifier(fact)))
    }

    /// The name of a phase.
    pub(crate) fn phase(self, phase: u8) -> String {
        self.t(match phase {
            0 => "phase-0",
            1 => "phase-1",
            2 => "phase-2",
            3 => "phase-3",
            4 => "phase-4",
            5 => "phase-5",
            6 => "phase-6",
            _ => "phase-gate",
        })
    }

    fn format(self, key: &str, arguments: Option<&FluentArgs<'_>>) -> Option<String> {
        let pattern = self.bundle.get_message(key)?.value()?;
        let mut errors = Vec::new();
        Some(self.bundle.format_pattern(pattern, arguments, &mut errors).into_owned())
    }
}

/// Fluent's names have no dots.
fn identifier(fact: &str) -> String {
    fact.replace('.', "-")
}

static ENGLISH: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle("en", &[include_str!("i18n/en.ftl"), include_str!("i18n/en.flow.ftl")]));
static GERMAN: LazyLock<FluentBundle<FluentResource>> =
    LazyLock::new(|| bundle("de", &[include_str!("i18n/de.ftl"), include_str!("i18n/de.flow.ftl")]));

fn bundle(tag: &str, texts: &[&str]) -> FluentBundle<FluentResource> {
    let language: LanguageIdentifier = tag.parse().expect("a constant tag");
    let mut bundle = FluentBundle::new_concurrent(vec![language]);
    // Both languages run from left to right; marks around every value would be in the way of whoever copies a command.
    bundle.set_use_isolating(false);
    for text in texts {
        let resource = FluentResource::try_new((*text).to_owned());
        let resource = resource.unwrap_or_else(|(_, errors)| panic!("a catalog is no Fluent: {errors:?}"));
        bundle.add_resource(resource).unwrap_or_else(|errors| panic!("a name stands twice: {errors:?}"));
    }
    bundle
}

/// More ranges than a browser sends are not read.
const MOST_RANGES: usize = 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const TEXTS: [(&str, [&str; 2]); 2] = [
        ("en", [include_str!("i18n/en.ftl"), include_str!("i18n/en.flow.ftl")]),
        ("de", [include_str!("i18n/de.ftl"), include_str!("i18n/de.flow.ftl")]),
    ];

    /// The names of a catalog, each with the variables that its text takes.
    fn names(texts: &[&str]) -> BTreeSet<(String, BTreeSet<String>)> {
        let mut all = BTreeSet::new();
        let lines = texts.iter().flat_map(|text| text.lines());
        let mut message: Option<(String, String)> = None;
        for line in lines.chain(["end = end"]) {
            if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
                if let Some((name, text)) = message.take() {
                    let variables = text.split('$').skip(1).map(|rest| {
                        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
                    });
                    all.insert((name, variables.collect()));
                }
                let (name, text) = line.split_once(" = ").unwrap_or_else(|| line.split_once(" =").unwrap());
                message = Some((name.trim().to_owned(), text.to_owned()));
            } else if let Some((_, text)) = &mut message {
                text.push_str(line);
            }
        }
        all
    }

    #[test]
    fn both_catalogs_have_the_same_names_with_the_same_variables_and_no_empty_text() {
        let [english, german] = TEXTS.map(|(_, texts)| names(&texts));
        assert!(english.len() > 200);
        assert_eq!(english.difference(&german).collect::<Vec<_>>(), Vec::<&_>::new(), "not in German");
        assert_eq!(german.difference(&english).collect::<Vec<_>>(), Vec::<&_>::new(), "not in English");
        for (name, _) in english {
            for language in Language::ALL {
                assert!(
                    Words::new(language).maybe(&name).is_some_and(|text| !text.trim().is_empty()),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn every_name_in_the_code_is_in_the_catalogs_and_none_lies_idle() {
        let mut code = String::new();
        collect(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut code);
        let known: BTreeSet<String> = names(&TEXTS[0].1).into_iter().map(|(name, _)| name).collect();
        let mut used = BTreeSet::new();
        for opening in [".t(\"", ".with(\"", ".count(\"", ".key(\""] {
            for rest in code.split(opening).skip(1) {
                used.insert(rest.split('"').next().unwrap().to_owned());
            }
        }
        // Names in tables, where a match or a field chooses one.
        used.extend(known.iter().filter(|name| code.contains(&format!("\"{name}\""))).cloned());
        assert_eq!(used.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new(), "not in the catalogs");
        let by_table = ["step-", "criterion-", "says-", "fact-"];
        let idle = known.difference(&used).filter(|name| !by_table.iter().any(|kind| name.starts_with(kind)));
        assert_eq!(idle.collect::<Vec<_>>(), Vec::<&String>::new(), "used nowhere");
    }

    fn collect(folder: &std::path::Path, code: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, code);
            } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("i18n.rs") {
                code.push_str(&std::fs::read_to_string(&path).unwrap());
            } else if path.ends_with("i18n.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                code.push_str(text.split("#[cfg(test)]").next().unwrap());
            }
        }
    }

    #[test]
    fn what_golive_says_is_in_the_catalogs_as_it_says_it() {
        let (english, german) = (Words::new(Language::English), Words::new(Language::German));
        for step in golive::list() {
            assert_eq!(english.t(&format!("step-{}", step.id)), step.title);
            assert_ne!(german.t(&format!("step-{}", step.id)), format!("step-{}", step.id));
        }
        for criterion in golive_gate::criteria() {
            assert_eq!(english.t(&format!("criterion-{}", criterion.key)), criterion.title);
            for need in criterion.requirements {
                assert_eq!(english.t(&format!("says-{}", identifier(need.fact))), need.says);
                assert!(german.maybe(&format!("says-{}", identifier(need.fact))).is_some());
            }
        }
    }

    #[test]
    fn the_language_is_the_chosen_one_else_the_one_preferred_of_those_spoken() {
        let of = |accepted: &str, chosen| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, accepted.parse().unwrap());
            Language::of_request(&headers, chosen).tag()
        };
        assert_eq!(of("de-AT,de;q=0.9,en;q=0.8", None), "de");
        assert_eq!(of("fr, en;q=0.4, de;q=0.6", None), "de");
        assert_eq!(of("de;q=0, fr", None), "en");
        assert_eq!(of("de", Some("en")), "en");
        assert_eq!(of("de", Some("tlh")), "de");
        assert_eq!(of(&"de;q=x,".repeat(4000), None), "en");
    }
}

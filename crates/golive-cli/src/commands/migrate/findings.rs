//! How findings read in a terminal: by id, worst first, what they share said once. JSON has each on its own.
//!
//! Not here: what is found, and how much it matters (golive-migrate).

use std::fmt::Write;

use golive_migrate::{Finding, Policy, Severity};

use crate::output;

/// How much is said of what is only worth knowing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notes {
    /// Every place.
    Full,
    /// A few places, and how many more.
    Short,
}

/// All of them, with their number.
pub(super) fn all(text: &mut String, findings: &[Finding], notes: Notes) {
    wrapped(text, output::width(), findings, notes);
}

fn wrapped(text: &mut String, width: usize, findings: &[Finding], notes: Notes) {
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (blocks, changes) = (count(Severity::Blocks), count(Severity::ChangesData));
    let _ = writeln!(
        text,
        "{} findings: {blocks} block, {changes} change data, {} are only worth knowing",
        findings.len(),
        findings.len() - blocks - changes
    );
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| (finding.severity, finding.id));
    for kind in sorted.chunk_by(|one, next| (one.severity, one.id) == (next.severity, next.id)) {
        group(text, width, kind, notes);
    }
    if !findings.is_empty() {
        text.push_str("  `golive explain ID` tells what each means\n");
    }
}

/// One finding with all that is known of it.
pub(super) fn one(text: &mut String, finding: &Finding) {
    group(text, output::width(), &[finding], Notes::Full);
}

/// Findings of one id.
fn group(text: &mut String, width: usize, kind: &[&Finding], notes: Notes) {
    let [first, others @ ..] = kind else { return };
    let times = if others.is_empty() { String::new() } else { format!(", {} times", kind.len()) };
    let _ = writeln!(text, "  {} ({}){times}", first.id, first.severity);
    let alike = others.iter().all(|other| other.what == first.what);
    if alike && !others.is_empty() {
        paragraph(text, width, 4, &first.what);
    }
    let is_short = notes == Notes::Short && first.severity == Severity::Note;
    let shown = if is_short { kind.len().min(FEW) } else { kind.len() };
    for finding in &kind[..shown] {
        let what = if alike && !others.is_empty() { "" } else { finding.what.as_str() };
        paragraph(text, width, 6, &place(finding, what));
    }
    if shown < kind.len() {
        let _ = writeln!(text, "      and {} more: `golive migrate survey` names them", kind.len() - shown);
    }
    let mut remedies: Vec<&str> = kind.iter().map(|finding| finding.remedy.as_str()).collect();
    remedies.dedup();
    for remedy in remedies.iter().filter(|remedy| **remedy != NOTHING).take(FEW) {
        paragraph(text, width, 4, &format!("→ {remedy}"));
    }
    // What may only be made to stop is no decision that settles anything.
    if first.severity != Severity::Note && first.offers.iter().any(|offer| *offer != Policy::Stop) {
        let selector = if others.is_empty() { first.selector() } else { first.id.to_owned() };
        let mut words: Vec<String> = first.offers.iter().map(ToString::to_string).collect();
        if words.len() > MOST_OFFERS {
            words
                .iter_mut()
                .filter(|word| word.starts_with("convert:"))
                .for_each(|word| "convert:NAME".clone_into(word));
            words.dedup();
        }
        paragraph(text, width, 4, &format!("decide: {}", decision(&selector, &words)));
    }
}

/// The line of golive.toml that decides, with what it may say.
pub(crate) fn decision(selector: &str, words: &[String]) -> String {
    format!("[migrate.policy] \"{selector}\" = \"{}\"", words.join("\" | \""))
}

/// Where, what, how often, and which rows for example.
fn place(finding: &Finding, what: &str) -> String {
    let mut parts = Vec::new();
    if !what.is_empty() {
        parts.push(what.to_owned());
    }
    if finding.count > 1 {
        parts.push(format!("{} times", finding.count));
    }
    let examples = finding.keys.iter().enumerate().map(|(at, key)| match finding.values.get(at) {
        Some(value) => format!("{key}: {value}"),
        None => key.clone(),
    });
    let examples: Vec<String> = examples.collect();
    if !examples.is_empty() {
        parts.push(format!("for example {}", examples.join("; ")));
    }
    if let Some(policy) = finding.policy {
        parts.push(format!("policy: {policy}"));
    }
    match parts.is_empty() {
        true => finding.place(),
        false => format!("{}: {}", finding.place(), parts.join(", ")),
    }
}

/// Breaks a text between words; a word that is longer than a line stands alone.
fn paragraph(text: &mut String, width: usize, indent: usize, words: &str) {
    let (mut column, mut indent, set_in) = (0, indent, indent + 2);
    for word in words.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            text.push('\n');
            // What goes on in the next line stands a little further in.
            indent = set_in;
            column = 0;
        }
        if column == 0 {
            text.extend(std::iter::repeat_n(' ', indent));
            column = indent + length;
        } else {
            text.push(' ');
            column += 1 + length;
        }
        text.push_str(word);
    }
    text.push('\n');
}

/// Of many notes that differ in a name only, so many are shown.
const FEW: usize = 3;
/// Where more than so many things may be decided, they are conversions, which `golive explain` names.
const MOST_OFFERS: usize = 8;
/// A remedy that asks for nothing need not be said.
const NOTHING: &str = "nothing";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_broken_between_words_and_set_in() {
        let mut text = String::new();
        paragraph(&mut text, 20, 4, "one two three four five supercalifragilisticexpialidocious six");
        assert_eq!(
            text,
            "    one two three\n      four five\n      supercalifragilisticexpialidocious\n      six\n"
        );
    }
}

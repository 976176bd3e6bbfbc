//! Where in its line a finding stands, and whether the line may be shown. No rule is decided here.

use crate::finding::{Finding, Span};

/// Underlines what each finding is about: its token, else the first word of the line.
pub(super) fn place(findings: &mut [Finding], name: &str, text: &str) {
    let lines: Vec<&str> = text.lines().collect();
    for finding in findings.iter_mut().filter(|finding| finding.file.as_deref() == Some(name)) {
        let number = finding.line.and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
        let Some(line) = number.and_then(|number| lines.get(number)) else { continue };
        let token = finding.token.as_deref().filter(|token| !token.is_empty() && line.contains(token));
        let Some(token) = token.or_else(|| line.split_whitespace().next()) else { continue };
        let start = line.find(token).unwrap_or(0);
        let characters = |text: &str| u32::try_from(text.chars().count()).unwrap_or(u32::MAX);
        finding.span = Some(Span::new(characters(&line[..start]).saturating_add(1), characters(token)));
        finding.excerpt = may_be_shown(line).then(|| (*line).to_owned());
    }
}

/// Reports are kept and passed on: a line that might hold a secret is not shown, even if most such lines do not.
fn may_be_shown(line: &str) -> bool {
    const WORDS: &[&str] =
        &["pass", "pwd", "secret", "token", "key", "auth", "bearer", "credential", "private", "cookie"];
    let lower = line.to_lowercase();
    let is_random = |word: &str| {
        word.len() >= 20
            && word.contains(|c: char| c.is_ascii_digit())
            && word.contains(|c: char| c.is_ascii_alphabetic())
    };
    let is_suspect = WORDS.iter().any(|word| lower.contains(word))
        || (line.contains("://") && line.contains('@'))
        || line.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random);
    let is_plain = line.chars().count() <= LONGEST && !line.chars().any(|c| c.is_control() && c != '\t');
    is_plain && !is_suspect
}

/// Characters of a line that fits a terminal.
const LONGEST: usize = 160;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_underlined() {
        let text = "a b\n  listen  täst:80;\n";
        let mut findings = [
            Finding::of("DEP-307", "m").at("f", 2).about("täst:80"),
            Finding::of("DEP-307", "m").at("f", 2),
            Finding::of("DEP-307", "m").at("f", 2).about("nowhere"),
            Finding::of("DEP-307", "m").at("f", 9),
            Finding::of("DEP-307", "m"),
        ];
        place(&mut findings, "f", text);
        let spans: Vec<_> = findings.iter().map(|f| f.span.map(|span| (span.column, span.length))).collect();
        assert_eq!(spans, [Some((11, 7)), Some((3, 6)), Some((3, 6)), None, None]);
        assert_eq!(findings[0].excerpt.as_deref(), Some("  listen  täst:80;"));
    }

    #[test]
    fn lines_that_might_hold_a_secret_are_not_shown() {
        for line in [
            "ENV DB_PASSWORD=hunter2",
            "  test: curl -H 'Authorization: x' http://a",
            "url: mysql://a:b@c/d",
            "RUN x 0123456789abcdef0123456789abcdef",
            "proxy_set_header X-Api-Key abc;",
        ] {
            assert!(!may_be_shown(line), "{line}");
        }
        assert!(may_be_shown("FROM debian:12-slim") && may_be_shown("    listen 443 ssl;"));
    }
}

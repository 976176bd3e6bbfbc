//! One pass over a text that finds the spans to hide. Works on bytes and cuts only at ASCII bytes, so that a cut
//! never splits a character. What a *name* means is decided in `names`.

use super::{EmailPolicy, MASK, Scrubber, candidates, names};

/// Bytes looked at before a separator to find the name.
const NAME_WINDOW_BYTES: usize = 64;

/// Bytes looked at for the end of an address, and for the first dot of a JWT: without these bounds a hostile text would
/// take quadratic time.
const LONGEST_AUTHORITY_BYTES: usize = 2048;
const LONGEST_TOKEN_HEAD_BYTES: usize = 512;

/// The longest parts of a mail address (RFC 5321, 4.5.3.1).
const LONGEST_LOCAL_PART_BYTES: usize = 64;
const LONGEST_DOMAIN_BYTES: usize = 255;

/// Beginnings of well-known keys, with the least length of the whole word.
const KEY_PREFIXES: &[(&str, usize)] = &[
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghs_", 16),
    ("github_pat_", 20),
    ("glpat-", 16),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
];

const HASH_PREFIXES: &[&str] = &["$argon2", "$2a$", "$2b$", "$2y$", "$scrypt$", "$pbkdf2"];

/// The bytes that names are made of.
const IS_OF_NAME: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%');
        byte += 1;
    }
    table
};

type Range = std::ops::Range<usize>;

/// The text with every secret masked, or nothing if there was none.
pub(super) fn scan(text: &str, scrubber: &Scrubber) -> Option<String> {
    hide(text, scrubber, |from| candidates::next(text.as_bytes(), from))
}

/// Hides what stands at any of the places that `next` names, of which it is asked for one not before another.
fn hide(text: &str, scrubber: &Scrubber, next: impl Fn(usize) -> Option<usize>) -> Option<String> {
    let mut cleaned = String::new();
    let mut copied = 0;
    let mut from = 0;
    while let Some(at) = next(from) {
        from = at + 1;
        if let Some(range) =
            secret_at(text, at, copied, scrubber).filter(|range| &text[range.clone()] != MASK)
        {
            cleaned.push_str(&text[copied..range.start]);
            cleaned.push_str(MASK);
            copied = range.end;
            from = range.end.max(from);
        }
    }
    if copied == 0 {
        return None;
    }
    cleaned.push_str(&text[copied..]);
    Some(cleaned)
}

/// What to hide of that which begins, or whose name ends, at this byte.
fn secret_at(text: &str, at: usize, copied: usize, scrubber: &Scrubber) -> Option<Range> {
    let bytes = text.as_bytes();
    match bytes[at] {
        b':' | b'=' | b'%' => {
            after_separator(text, at, scrubber).or_else(|| email(text, at, copied, scrubber.emails))
        }
        b'@' => email(text, at, copied, scrubber.emails),
        b'-' => private_key(text, at),
        b'$' => password_hash(text, at),
        byte if byte.is_ascii_alphanumeric() && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric()) => {
            word(text, at)
        }
        _ => None,
    }
}

/// What follows `name:`, `name=`, `name =>` or `name%3D` when the name is sensitive, or a URL's credentials.
fn after_separator(text: &str, at: usize, scrubber: &Scrubber) -> Option<Range> {
    let bytes = text.as_bytes();
    let rest = &bytes[at..];
    if rest.starts_with(b"://") {
        return url_credentials(text, at + 3);
    }
    let encoded = rest[0] == b'%';
    if encoded && !(rest.len() >= 3 && rest[1] == b'3' && matches!(rest[2] | 0x20, b'd' | b'a')) {
        return None;
    }
    // `module::item` is a path, not a name and its value.
    if rest[0] == b':' && (rest.get(1) == Some(&b':') || (at > 0 && bytes[at - 1] == b':')) {
        return None;
    }
    let name = name_before(text, at);
    if !scrubber.is_sensitive(name) && !two_words_before(text, at, name) {
        return None;
    }
    let mut start = at + if encoded { 3 } else { 1 };
    while bytes.get(start).is_some_and(|byte| matches!(byte, b'=' | b'>')) {
        start += 1;
    }
    let range = value(bytes, start, names::is_whole_line(name));
    (!range.is_empty()).then_some(range)
}

/// The identifier that ends just before `at`, quotes and spaces between them skipped.
fn name_before(text: &str, at: usize) -> &str {
    let bytes = text.as_bytes();
    let mut end = at;
    while end > 0 && matches!(bytes[end - 1], b' ' | b'"' | b'\'' | b'\\' | b'`' | b']') {
        end -= 1;
    }
    let floor = end.saturating_sub(NAME_WINDOW_BYTES);
    let mut start = end;
    while start > floor && IS_OF_NAME[usize::from(bytes[start - 1])] {
        start -= 1;
    }
    &text[start..end]
}

/// "api key: …", "secret key = …": the name written as two words.
fn two_words_before(text: &str, at: usize, last: &str) -> bool {
    if !["key", "number", "id"].iter().any(|known| last.eq_ignore_ascii_case(known)) {
        return false;
    }
    let Some(before) = text[..at].rfind(last) else { return false };
    let first = name_before(text, before).to_ascii_lowercase();
    matches!(first.as_str(), "api" | "access" | "private" | "signing" | "encryption" | "card" | "session")
        || first.ends_with("secret")
}

/// The value that starts at `start`: a quoted text, a bracketed one, or a run up to the next delimiter.
fn value(bytes: &[u8], mut start: usize, whole_line: bool) -> Range {
    while bytes.get(start).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        start += 1;
    }
    let escapes = bytes[start.min(bytes.len())..].iter().take_while(|byte| **byte == b'\\').count();
    if let Some(quote @ (b'"' | b'\'' | b'`')) = bytes.get(start + escapes) {
        let begin = start + escapes + 1;
        return begin..closing_quote(bytes, begin, *quote, escapes > 0);
    }
    let mut end = start;
    let mut depth = 0_u32;
    while let Some(byte) = bytes.get(end) {
        match byte {
            b'\n' | b'\r' if depth == 0 => break,
            _ if whole_line => {}
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth > 0 => depth -= 1,
            b'"' | b'\'' if depth > 0 => end = closing_quote(bytes, end + 1, *byte, false),
            b' ' | b'\t' | b',' | b';' | b'&' | b')' | b']' | b'}' | b'"' | b'\'' | b'<' | b'>'
                if depth == 0 =>
            {
                break;
            }
            _ => {}
        }
        end += 1;
    }
    start..end.min(bytes.len())
}

/// Where the quote closes; the end of the text when it does not.
fn closing_quote(bytes: &[u8], mut at: usize, quote: u8, escaped: bool) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if escaped && bytes.get(at + 1) == Some(&quote) => return at,
            b'\\' if !escaped => at += 1,
            byte if byte == quote => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

/// The password of `scheme://user:password@host`, or a lone key before the `@`.
fn url_credentials(text: &str, start: usize) -> Option<Range> {
    let bytes = &text.as_bytes()[start..];
    let bytes = &bytes[..bytes.len().min(LONGEST_AUTHORITY_BYTES)];
    let word_end = bytes.iter().position(|byte| is_blank_or_quote(*byte)).unwrap_or(bytes.len());
    let authority_end =
        bytes[..word_end].iter().position(|byte| matches!(byte, b'/' | b'?' | b'#')).unwrap_or(word_end);
    let colon = bytes[..authority_end].iter().position(|byte| *byte == b':');
    let at_sign = bytes[..authority_end].iter().rposition(|byte| *byte == b'@').or_else(|| {
        // A password with an unencoded slash ends the authority early; `host:8080/a@b` must not be taken for one.
        let colon = colon?;
        let port = &bytes[colon + 1..authority_end];
        let is_port = port.iter().all(u8::is_ascii_digit) || bytes[0] == b'[';
        (!is_port).then(|| bytes[..word_end].iter().rposition(|byte| *byte == b'@')).flatten()
    })?;
    match colon.filter(|colon| *colon < at_sign) {
        Some(colon) if colon + 1 < at_sign => Some(start + colon + 1..start + at_sign),
        None if at_sign >= 16 => Some(start..start + at_sign),
        _ => None,
    }
}

/// The address around an `@` or `%40`; of what was copied already nothing is looked at.
fn email(text: &str, at: usize, copied: usize, policy: EmailPolicy) -> Option<Range> {
    let bytes = text.as_bytes();
    let sign = match bytes[at] {
        b'@' => 1,
        b'%' if bytes[at..].starts_with(b"%40") => 3,
        _ => return None,
    };
    if policy == EmailPolicy::Keep {
        return None;
    }
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-".contains(byte);
    let floor = copied.max(at.saturating_sub(LONGEST_LOCAL_PART_BYTES));
    let length = bytes[floor..at].iter().rev().take_while(|byte| is_local(byte)).count();
    let start = at - length;
    // `scheme://user@host` names a server's account, not a mailbox.
    if length == 0 || bytes[..start].ends_with(b"//") {
        return None;
    }
    let domain = &bytes[at + sign..bytes.len().min(at + sign + LONGEST_DOMAIN_BYTES)];
    let length =
        domain.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte)).count();
    let domain = domain[..length].trim_ascii_end();
    let domain = domain.strip_suffix(b".").unwrap_or(domain);
    let last = domain.rsplit(|byte| *byte == b'.').next()?;
    let has_top = last.len() >= 2 && last.len() < domain.len() && last.iter().all(u8::is_ascii_alphabetic);
    has_top.then(|| match policy {
        EmailPolicy::KeepDomain => start..at,
        _ => start..at + sign + domain.len(),
    })
}

/// A private key in PEM, up to its end line or, cut off, to the end of the text.
fn private_key(text: &str, at: usize) -> Option<Range> {
    let rest = &text[at..];
    let head = rest.strip_prefix("-----BEGIN ")?;
    let kind_end = head.find("-----")?;
    if !head[..kind_end].ends_with("PRIVATE KEY") {
        return None;
    }
    let end =
        rest.find("-----END ").and_then(|end| rest[end + 9..].find("-----").map(|more| end + 14 + more));
    Some(at..at + end.unwrap_or(rest.len()))
}

fn password_hash(text: &str, at: usize) -> Option<Range> {
    let rest = &text[at..];
    HASH_PREFIXES.iter().any(|prefix| rest.starts_with(prefix)).then(|| {
        let length = rest.bytes().position(is_blank_or_quote).unwrap_or(rest.len());
        at..at + length
    })
}

/// A word that is a secret by its shape.
fn word(text: &str, at: usize) -> Option<Range> {
    let rest = &text.as_bytes()[at..];
    if rest[0].is_ascii_digit() {
        return card_number(rest).map(|length| at..at + length);
    }
    let run_to = |from: usize, allowed: &[u8], most: usize| {
        let bytes = rest[from..].iter().take(most);
        bytes.take_while(|byte| byte.is_ascii_alphanumeric() || allowed.contains(byte)).count()
    };
    let run = |from: usize, allowed: &[u8]| run_to(from, allowed, usize::MAX);
    match rest[0] {
        b'e' if rest.starts_with(b"eyJ") => {
            let head = run_to(0, b"_-", LONGEST_TOKEN_HEAD_BYTES);
            if rest.get(head) != Some(&b'.') {
                return None;
            }
            let length = run(0, b"_-.=");
            (length >= 16).then_some(at..at + length)
        }
        b'b' | b'B' => {
            let scheme = run(0, b"");
            let is_bearer = rest[..scheme].eq_ignore_ascii_case(b"bearer");
            let is_basic = rest[..scheme].eq_ignore_ascii_case(b"basic");
            if !is_bearer && !is_basic {
                return None;
            }
            let blanks = rest[scheme..].iter().take_while(|byte| **byte == b' ').count();
            let start = scheme + blanks;
            let length = run(start, b"._~+/=-");
            let is_word = rest[start..start + length].iter().all(u8::is_ascii_lowercase);
            (blanks > 0 && length >= 6 && (is_bearer || !is_word)).then_some(at + start..at + start + length)
        }
        _ => {
            let known = KEY_PREFIXES.iter().find(|(prefix, _)| rest.starts_with(prefix.as_bytes()))?;
            let length = run(0, b"_-");
            (length >= known.1).then_some(at..at + length)
        }
    }
}

/// The length of a payment card number at the start: 13 to 19 digits, perhaps in groups, with a valid check digit.
fn card_number(bytes: &[u8]) -> Option<usize> {
    if !matches!(bytes[0], b'2'..=b'6') {
        return None;
    }
    let mut digits = [0_u8; 19];
    let (mut count, mut at, mut found) = (0, 0, None);
    while let Some(byte) = bytes.get(at) {
        if byte.is_ascii_digit() {
            if count == digits.len() {
                break;
            }
            digits[count] = byte - b'0';
            count += 1;
            let ends = !bytes.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
            if ends && count >= 13 && has_check_digit(&digits[..count]) {
                found = Some(at + 1);
            }
        } else if !(matches!(byte, b' ' | b'-') && bytes.get(at + 1).is_some_and(u8::is_ascii_digit)) {
            break;
        }
        at += 1;
    }
    found
}

/// The Luhn check of ISO/IEC 7812-1.
fn has_check_digit(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10)
}

fn is_blank_or_quote(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is found when every byte is looked at: the quick way must find the same.
    fn scan_everywhere(text: &str, scrubber: &Scrubber) -> Option<String> {
        hide(text, scrubber, |from| (from < text.len()).then_some(from))
    }

    fn both_agree(text: &str) {
        for policy in [EmailPolicy::Mask, EmailPolicy::KeepDomain, EmailPolicy::Keep] {
            let scrubber = Scrubber::new().with_emails(policy).with_name("employee no");
            assert_eq!(scan(text, &scrubber), scan_everywhere(text, &scrubber), "{text:?}");
        }
    }

    #[test]
    fn whatever_is_known_by_its_beginning_is_looked_at() {
        let beginnings = KEY_PREFIXES.iter().map(|(prefix, _)| *prefix).chain(HASH_PREFIXES.iter().copied());
        let shapes =
            ["eyJ", "Bearer", "bEARER", "basic", "BASIC", "-----BEGIN ", "://", "%3D", "%3a", "%40", "@a"];
        for beginning in beginnings.chain(shapes).chain(["=x", ":x", "=\u{e9}", "20", "4 1", "6-1"]) {
            assert_eq!(candidates::next(beginning.as_bytes(), 0), Some(0), "{beginning}");
        }
        assert_eq!(candidates::next(b"plain words only", 0), None);
        assert_eq!(candidates::next(b"", 0), None);
        assert_eq!(candidates::next(b"x", 1), None);
    }

    #[test]
    fn every_pair_of_bytes_is_judged_as_when_every_byte_is() {
        // With what comes after them, every pair that begins something.
        for end in [
            "",
            "J0123456789.abcdefghij",
            "arer abcdef",
            "sic abcdef1",
            "4111111111111111",
            "----BEGIN PRIVATE KEY-----x",
        ] {
            for first in 0..128_u8 {
                for second in 0..128_u8 {
                    both_agree(&format!("{}{}{end}", char::from(first), char::from(second)));
                }
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn the_quick_way_hides_what_a_look_at_every_byte_hides(
            parts in prop::collection::vec(prop_oneof![
                "\\PC{0,4}",
                "[ -~]{0,8}",
                "[0-9 -]{0,20}",
                "[a-zA-Z0-9_.+-]{1,20}(@|%40)[a-z.]{1,8}",
                "(password|API-Key|api key|x-token|employee_no|cookie|Authorization|key|id|%70ass)",
                "( = |=|: |:|::|=>|%3D|%3a|\" : \"|\\\\\"|'|=Some\\(\")",
                "(eyJ|Bearer |basic |AKIA|ghp_|sk_live_|xoxb-|\\$argon2|\\$2b\\$|-----BEGIN |PRIVATE KEY-----|://|@)",
                "[A-Za-z0-9]{6,40}",
                "4111 1111 1111 1111",
            ], 0..14),
        ) {
            both_agree(&parts.concat());
        }
    }
}

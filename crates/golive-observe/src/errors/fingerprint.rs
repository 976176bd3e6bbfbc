//! Which errors are the same one: by kind, place and message without its changing parts. Pure.

/// Longest part of a message that tells errors apart.
const LONGEST_MESSAGE_CHARS: usize = 160;

/// The fingerprint of an error. Never contains ids, numbers or quoted values, so that one bug stays one group.
pub(super) fn of(kind: &str, target: &str, location: Option<&str>, message: &str) -> Vec<String> {
    let place = location.map_or(target, |location| location);
    vec![kind.to_owned(), place.to_owned(), normalize(message)]
}

/// The message with quoted texts, numbers and identifiers replaced.
fn normalize(message: &str) -> String {
    let mut normal = String::new();
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        if normal.chars().count() >= LONGEST_MESSAGE_CHARS {
            break;
        }
        if matches!(first, '"' | '\'' | '`')
            && let Some(close) = rest[1..].find(first)
        {
            normal.push_str("\"…\"");
            rest = &rest[close + 2..];
        } else if first.is_alphanumeric() {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let word = &rest[..end];
            normal.push_str(if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word });
            rest = &rest[end..];
        } else {
            normal.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_parts_do_not_change_the_fingerprint() {
        let first = of("Db", "app", None, "order 17 of 'ACME' (4bf92f3577b3) failed: timeout");
        let second = of("Db", "app", None, "order 4711 of 'É' (00f067aa0ba9) failed: timeout");
        assert_eq!(first, second);
        assert_ne!(first, of("Db", "app", None, "order 17 of 'ACME' (4bf92f3577b3) failed: refused"));
        assert_ne!(
            first,
            of("Db", "app", Some("src/a.rs:3"), "order 17 of 'ACME' (4bf92f3577b3) failed: timeout")
        );
    }
}

//! The one place where a name becomes SQL text. Values never come here: they are bound.

/// Quotes an identifier for MariaDB, doubling backticks.
pub(crate) fn quote(name: &str) -> String {
    let mut quoted = String::with_capacity(name.len() + 2);
    quoted.push('`');
    for character in name.chars() {
        if character == '`' {
            quoted.push('`');
        }
        quoted.push(character);
    }
    quoted.push('`');
    quoted
}

/// The name that was quoted so, if it was.
pub(crate) fn unquote(quoted: &str) -> Option<String> {
    let name = quoted.strip_prefix('`')?.strip_suffix('`')?.replace("``", "`");
    (quote(&name) == quoted).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{quote, unquote};

    #[test]
    fn a_backtick_cannot_leave_the_quotes() {
        assert_eq!(quote("order"), "`order`");
        assert_eq!(quote("a`; DROP TABLE b; --"), "`a``; DROP TABLE b; --`");
        assert_eq!(unquote("`a``b`").as_deref(), Some("a`b"));
        assert_eq!((unquote("`a`b`"), unquote("a"), unquote("`")), (None, None, None));
    }
}

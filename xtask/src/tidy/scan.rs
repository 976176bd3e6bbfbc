//! Rust text without its comments and without the content of its literals, so that rules look at code only; and which
//! of its lines are compiled for tests alone.
//!
//! A scanner, not a parser: it knows literals, comments and matching brackets, which is all that the rules ask.

/// Replaces comments and the content of literals by spaces; lines and columns stay where they are.
pub(super) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out: Vec<char> = Vec::with_capacity(chars.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_or_comment_end(&chars, at);
        match end {
            Some(end) => {
                out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
                at = end;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out.into_iter().collect()
}

fn literal_or_comment_end(chars: &[char], at: usize) -> Option<usize> {
    let next = |offset: usize| chars.get(at + offset).copied().unwrap_or('\0');
    match (chars[at], next(1)) {
        ('/', '/') => Some(find(chars, at, |c| c == '\n')),
        ('/', '*') => Some(block_comment_end(chars, at)),
        ('"', _) => Some(string_end(chars, at + 1)),
        ('r', '"' | '#') if !is_word(chars, at) => raw_string_end(chars, at + 1),
        ('b', 'r') if !is_word(chars, at) && matches!(next(2), '"' | '#') => raw_string_end(chars, at + 2),
        ('\'', '\\') => Some((find(chars, at + 3, |c| c == '\'') + 1).min(chars.len())),
        // A lifetime has no closing quote two characters on.
        ('\'', _) if next(2) == '\'' => Some(at + 3),
        _ => None,
    }
}

/// Whether the character before belongs to the same word.
fn is_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

fn find(chars: &[char], from: usize, stop: impl Fn(char) -> bool) -> usize {
    (from..chars.len()).find(|at| stop(chars[*at])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], mut at: usize) -> usize {
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let quote = find(chars, from, |c| c != '#');
    if chars.get(quote) != Some(&'"') {
        return None; // a raw identifier
    }
    let hashes = quote - from;
    let closes = |at: &usize| {
        let tail = chars.get(at + 1..at + 1 + hashes);
        chars[*at] == '"' && tail.is_some_and(|tail| tail.iter().all(|c| *c == '#'))
    };
    Some((quote + 1..chars.len()).find(closes).map_or(chars.len(), |at| at + 1 + hashes))
}

/// What `#[cfg(test)]` covers in code without comments: lines (counted from 1), and modules that are files.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct TestParts {
    pub(super) lines: Vec<std::ops::RangeInclusive<usize>>,
    pub(super) modules: Vec<String>,
}

impl TestParts {
    pub(super) fn of(code: &str) -> Self {
        let mut parts = Self::default();
        let mut from = 0;
        while let Some(found) = code[from..].find("#[cfg(test)]") {
            let start = from + found;
            let after = start + "#[cfg(test)]".len();
            let end = item_end(code, after);
            parts.lines.push(line_of(code, start)..=line_of(code, end.saturating_sub(1).max(start)));
            parts.modules.extend(file_module(&code[after..end]));
            from = end.max(after);
        }
        parts
    }

    pub(super) fn covers(&self, line: usize) -> bool {
        self.lines.iter().any(|range| range.contains(&line))
    }
}

/// The end of the item that follows: its `;` outside brackets, or the brace that closes its first one.
fn item_end(code: &str, from: usize) -> usize {
    let mut depth = 0_usize;
    for (offset, byte) in code[from..].bytes().enumerate() {
        match byte {
            b'{' | b'(' | b'[' => depth += 1,
            b'}' | b')' | b']' => {
                depth = depth.saturating_sub(1);
                if byte == b'}' && depth == 0 {
                    return from + offset + 1;
                }
            }
            b';' if depth == 0 => return from + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// The name in `mod name;`.
fn file_module(item: &str) -> Option<String> {
    let declaration = item.trim().strip_suffix(';')?;
    let (before, name) = declaration.rsplit_once(char::is_whitespace)?;
    before.trim_end().ends_with("mod").then(|| name.to_owned())
}

/// The line, from 1, of a byte offset.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].bytes().filter(|byte| *byte == b'\n').count() + 1
}

/// The lines, from 1, on which a needle stands.
pub(super) fn lines_with<'a>(text: &'a str, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.lines().enumerate().filter(move |(_, line)| line.contains(needle)).map(|(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank(n: usize) -> String {
        " ".repeat(n)
    }

    #[test]
    fn comments_and_literals_are_blanked_and_columns_stay() {
        assert_eq!(code_only("a // b\nc"), format!("a {}\nc", blank(4)));
        assert_eq!(code_only("a /* b /* c */ d */ e"), format!("a {} e", blank(17)));
        assert_eq!(code_only(r#"f("x\"y", 1)"#), format!("f({}, 1)", blank(6)));
        assert_eq!(code_only(r###"f(r#"x"y"#, 1)"###), format!("f({}, 1)", blank(8)));
        assert_eq!(code_only("f(br\"x\", b\"y\")"), format!("f({}, b{})", blank(5), blank(3)));
        assert_eq!(
            code_only("'{' '\\'' '\\u{1F600}' &'a str"),
            format!("{} {} {} &'a str", blank(3), blank(4), blank(11))
        );
        assert_eq!(code_only("r#type; for\"x\""), format!("r#type; for{}", blank(3)));
    }

    #[test]
    fn what_does_not_end_ends_with_the_file() {
        for text in ["\"a", "r#\"a\"", "/* a", "'\\", "// a", "\"a\\"] {
            assert_eq!(code_only(text).len(), text.len());
        }
    }

    #[test]
    fn test_modules_are_found_with_their_braces() {
        let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { c(); }\n}\nfn d() {}\n";
        let parts = TestParts::of(code);
        assert_eq!(parts.lines, [2..=5]);
        assert!(parts.covers(4) && !parts.covers(1) && !parts.covers(6));
    }

    #[test]
    fn test_modules_in_files_are_named() {
        let parts =
            TestParts::of("#[cfg(test)]\nmod far_tests;\n#[cfg(test)]\npub(crate) mod near { }\nfn a() {}\n");
        assert_eq!(parts.modules, ["far_tests"]);
        assert_eq!(parts.lines, [1..=2, 3..=4]);
    }
}

//! The syntax of a Caddyfile: words, quotes, heredocs, comments, lines and blocks. No meaning.

/// A line of words, and its block when it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) line: u32,
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Statement>>,
}

/// Where and why the text is no Caddyfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: u32,
    pub(super) reason: &'static str,
}

const MAX_DEPTH: usize = 32;
/// Far more than any configuration has.
const MAX_STATEMENTS: usize = 20_000;

impl Statement {
    pub(super) fn children(&self) -> &[Statement] {
        self.block.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The words after the name.
    pub(super) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// A word, or the end of a line.
enum Token {
    Word { text: String, is_bare: bool },
    End,
}

/// Parses a whole file.
pub(super) fn parse(text: &str) -> Result<Vec<Statement>, SyntaxError> {
    let mut stack: Vec<(Statement, Vec<Statement>)> = Vec::new();
    let mut current: Vec<Statement> = Vec::new();
    let mut words: Vec<(u32, String, bool)> = Vec::new();
    let mut count = 0;
    for (line, token) in tokenize(text)? {
        match token {
            Token::Word { text, is_bare } => words.push((line, text, is_bare)),
            Token::End => {
                let Some((begun, ..)) = words.first() else { continue };
                let begun = *begun;
                count += 1;
                if count > MAX_STATEMENTS {
                    return Err(SyntaxError { line, reason: "too many lines" });
                }
                let is_bare = |word: Option<&(u32, String, bool)>, brace: &str| {
                    word.is_some_and(|(_, text, is_bare)| *is_bare && text == brace)
                };
                if words.len() == 1 && is_bare(words.first(), "}") {
                    words.clear();
                    let closing = SyntaxError { line, reason: "a closing brace without an opening one" };
                    let (mut opened, outer) = stack.pop().ok_or(closing)?;
                    opened.block = Some(std::mem::replace(&mut current, outer));
                    current.push(opened);
                    continue;
                }
                let opens = is_bare(words.last(), "{");
                if opens {
                    words.pop();
                }
                let words = words.drain(..).map(|(_, text, _)| text).collect();
                let statement = Statement { line: begun, words, block: None };
                if !opens {
                    current.push(statement);
                } else if stack.len() >= MAX_DEPTH {
                    return Err(SyntaxError { line, reason: "nested too deeply" });
                } else {
                    stack.push((statement, std::mem::take(&mut current)));
                }
            }
        }
    }
    match stack.pop() {
        Some((opened, _)) => Err(SyntaxError { line: opened.line, reason: "this block is never closed" }),
        None => Ok(current),
    }
}

fn tokenize(text: &str) -> Result<Vec<(u32, Token)>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start_matches('\u{feff}');
    let mut line = 1_u32;
    while let Some(c) = rest.chars().next() {
        let started = line;
        match c {
            '\n' => {
                tokens.push((line, Token::End));
                line += 1;
                rest = &rest[1..];
            }
            '\\' if rest[1..].trim_start_matches('\r').starts_with('\n') => {
                rest = rest[1..].trim_start_matches('\r');
                rest = &rest[1..];
                line += 1;
            }
            c if c.is_whitespace() => rest = &rest[c.len_utf8()..],
            '#' => rest = &rest[rest.find('\n').unwrap_or(rest.len())..],
            '"' | '`' => {
                let (word, after) = quoted(&rest[1..], c)
                    .ok_or(SyntaxError { line, reason: "this quote is never closed" })?;
                line += newlines(&rest[..rest.len() - after.len()]);
                rest = after;
                tokens.push((started, Token::Word { text: word, is_bare: false }));
            }
            _ => {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                let (word, after) = rest.split_at(end);
                if let Some(marker) = word.strip_prefix("<<").filter(|marker| is_marker(marker)) {
                    let (word, after) = heredoc(after, marker)
                        .ok_or(SyntaxError { line, reason: "this heredoc is never closed" })?;
                    line += newlines(&rest[..rest.len() - after.len()]);
                    rest = after;
                    tokens.push((started, Token::Word { text: word, is_bare: false }));
                } else {
                    rest = after;
                    tokens.push((started, Token::Word { text: word.to_owned(), is_bare: true }));
                }
            }
        }
    }
    tokens.push((line, Token::End));
    Ok(tokens)
}

/// What stands before the closing quote, and what comes after it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut word = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((word, &text[at + 1..])),
            '\\' if quote == '"' => match chars.next() {
                Some((_, '"')) => word.push('"'),
                Some((_, other)) => word.extend(['\\', other]),
                None => return None,
            },
            c => word.push(c),
        }
    }
    None
}

fn is_marker(marker: &str) -> bool {
    !marker.is_empty() && marker.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The lines up to the one that begins with the marker, and what comes after it.
fn heredoc<'a>(text: &'a str, marker: &str) -> Option<(String, &'a str)> {
    let body = text.split_once('\n')?.1;
    let mut at = 0;
    for line in body.split_inclusive('\n') {
        let indented = line.trim_start();
        if let Some(after) = indented.strip_prefix(marker)
            && after.chars().next().is_none_or(char::is_whitespace)
        {
            let end = at + (line.len() - indented.len()) + marker.len();
            return Some((body[..at].trim_end_matches('\n').to_owned(), &body[end..]));
        }
        at += line.len();
    }
    None
}

fn newlines(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_shapes() {
        let text = "{\n\temail a@b.c # who\n}\n(common) {\n\tencode gzip\n}\nexample.com, {$EXTRA} {\n\trespond \"a \\\"b\\\" {\n}\" 200\n\theader {\n\t\t-Server\n\t}\n\trespond <<HTML\n\t\t<p>\n\t\tHTML 404\n\troot * \\\n\t\t/srv\n}\n";
        let parsed = parse(text).expect("valid");
        assert_eq!(
            parsed.iter().map(|s| (s.line, s.name())).collect::<Vec<_>>(),
            [(1, ""), (4, "(common)"), (7, "example.com,")]
        );
        assert_eq!(parsed[2].words, ["example.com,", "{$EXTRA}"]);
        let site = parsed[2].children();
        assert_eq!(site[0].words, ["respond", "a \"b\" {\n}", "200"]);
        assert_eq!((site[1].line, site[1].children()[0].name()), (10, "-Server"));
        assert_eq!(site[2].words, ["respond", "\t\t<p>", "404"]);
        assert_eq!(
            (site[3].line, site[3].words.as_slice()),
            (16, ["root", "*", "/srv"].map(str::to_owned).as_slice())
        );
    }

    #[test]
    fn errors_name_their_line() {
        assert_eq!(parse("a\nb {\n c\n").map_err(|e| e.line), Err(2));
        assert_eq!(parse("a\n}\n").map_err(|e| e.line), Err(2));
        assert_eq!(parse("a \"b\n").map_err(|e| e.line), Err(1));
        assert_eq!(parse("a\nb <<X\n c\n").map_err(|e| e.line), Err(2));
        assert!(parse(&"a {\n".repeat(100)).is_err() && parse(&"a\n".repeat(30_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-zä$\\\\{}<`'\"# \n\r]{0,200}") {
            let _ = parse(&text);
        }
    }
}

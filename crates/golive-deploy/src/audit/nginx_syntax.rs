//! The syntax of nginx files: words, quotes, comments, `;`, `{` and `}`, with places; `include` where its files are at hand.
//! No meaning.

use super::AuditFile;

/// Where something stands: which of the files, counted from the first, and the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: usize,
    pub(super) line: u32,
}

/// A directive with its words, and its block when it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directive {
    pub(super) place: Place,
    pub(super) name: String,
    pub(super) words: Vec<String>,
    pub(super) block: Option<Vec<Directive>>,
}

/// Where and why the text is not an nginx file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: u32,
    pub(super) reason: &'static str,
}

const MAX_DEPTH: usize = 32;
/// Files that include one another; nginx itself knows no end.
const MAX_INCLUDES_DEEP: usize = 8;
/// Far more than any configuration has; the audit compares blocks with one another.
const MAX_DIRECTIVES: usize = 20_000;

impl Directive {
    pub(super) fn children(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }

    /// Is this the directive `name` with this as its first word?
    pub(super) fn first(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
    End,
}

/// A file with what its includes bring, as far as that was read.
pub(super) struct Whole<'a> {
    pub(super) directives: Vec<Directive>,
    /// The file and the included ones, as places count them.
    pub(super) files: Vec<&'a AuditFile>,
    /// Files that cannot be parsed.
    pub(super) errors: Vec<(usize, SyntaxError)>,
}

/// Parses a file and puts in place of each `include` what it brings. One whose files are not at hand stays.
pub(super) fn parse_whole(file: &AuditFile) -> Whole<'_> {
    let mut whole = Whole { directives: Vec::new(), files: Vec::new(), errors: Vec::new() };
    whole.directives = read(&mut whole, file, 0).unwrap_or_default();
    whole
}

fn read<'a>(whole: &mut Whole<'a>, file: &'a AuditFile, depth: usize) -> Option<Vec<Directive>> {
    let index = whole.files.len();
    whole.files.push(file);
    match parse(&file.text, index) {
        Ok(directives) => Some(expand(whole, file, directives, depth)),
        Err(error) => {
            whole.errors.push((index, error));
            None
        }
    }
}

fn expand<'a>(
    whole: &mut Whole<'a>,
    file: &'a AuditFile,
    directives: Vec<Directive>,
    depth: usize,
) -> Vec<Directive> {
    let mut out = Vec::new();
    for mut directive in directives {
        let brought = file.includes.iter().find(|include| {
            directive.name == "include" && include.pattern == directive.first() && depth < MAX_INCLUDES_DEEP
        });
        if let Some(include) = brought {
            for included in &include.files {
                match read(whole, included, depth + 1) {
                    Some(directives) => out.extend(directives),
                    None => out.push(directive.clone()),
                }
            }
            continue;
        }
        directive.block = directive.block.take().map(|block| expand(whole, file, block, depth));
        out.push(directive);
    }
    out
}

/// The patterns of every `include` in a text; none when it cannot be parsed.
pub(super) fn includes(text: &str) -> Vec<String> {
    fn collect(directives: &[Directive], found: &mut Vec<String>) {
        for directive in directives {
            if directive.name == "include" && !found.iter().any(|known| known == directive.first()) {
                found.push(directive.first().to_owned());
            }
            collect(directive.children(), found);
        }
    }
    let mut found = Vec::new();
    collect(&parse(text, 0).unwrap_or_default(), &mut found);
    found
}

/// Parses a file, or a part of one.
fn parse(text: &str, file: usize) -> Result<Vec<Directive>, SyntaxError> {
    let tokens = tokenize(text)?;
    let mut stack: Vec<(Directive, Vec<Directive>)> = Vec::new();
    let mut current: Vec<Directive> = Vec::new();
    let mut words: Vec<(u32, String)> = Vec::new();
    let mut last = 1;
    let mut count = 0;
    for (line, token) in tokens {
        last = line;
        count += usize::from(matches!(token, Token::End | Token::Open));
        if count > MAX_DIRECTIVES {
            return Err(SyntaxError { line, reason: "too many directives" });
        }
        match token {
            Token::Word(word) => words.push((line, word)),
            Token::End => current.push(directive(&mut words, Place { file, line })?),
            Token::Open => {
                if stack.len() >= MAX_DEPTH {
                    return Err(SyntaxError { line, reason: "nested too deeply" });
                }
                let opened = directive(&mut words, Place { file, line })?;
                stack.push((opened, std::mem::take(&mut current)));
            }
            Token::Close => {
                if !words.is_empty() {
                    return Err(SyntaxError { line, reason: "a semicolon is missing before the brace" });
                }
                let Some((mut opened, outer)) = stack.pop() else {
                    return Err(SyntaxError { line, reason: "a closing brace without an opening one" });
                };
                opened.block = Some(std::mem::replace(&mut current, outer));
                current.push(opened);
            }
        }
    }
    if let Some((opened, _)) = stack.pop() {
        return Err(SyntaxError { line: opened.place.line, reason: "this block is never closed" });
    }
    if !words.is_empty() {
        return Err(SyntaxError { line: last, reason: "a semicolon is missing at the end" });
    }
    Ok(current)
}

fn directive(words: &mut Vec<(u32, String)>, end: Place) -> Result<Directive, SyntaxError> {
    let mut taken = std::mem::take(words).into_iter();
    let nameless = SyntaxError { line: end.line, reason: "a directive without a name" };
    let (line, name) = taken.next().ok_or(nameless)?;
    let place = Place { line, ..end };
    Ok(Directive { place, name, words: taken.map(|(_, word)| word).collect(), block: None })
}

fn tokenize(text: &str) -> Result<Vec<(u32, Token)>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    let mut line = 1;
    while let Some(c) = chars.next() {
        let started = line;
        match c {
            '\n' => line += 1,
            c if c.is_whitespace() => {}
            '#' => while chars.next_if(|&c| c != '\n').is_some() {},
            ';' => tokens.push((line, Token::End)),
            '{' => tokens.push((line, Token::Open)),
            '}' => tokens.push((line, Token::Close)),
            '"' | '\'' => {
                let mut word = String::new();
                loop {
                    match chars.next() {
                        None => {
                            return Err(SyntaxError { line: started, reason: "this quote is never closed" });
                        }
                        Some(end) if end == c => break,
                        Some('\\') => match chars.next() {
                            Some(next) if next == c || next == '\\' => word.push(next),
                            Some(next) => word.extend(['\\', next]),
                            None => {}
                        },
                        Some(next) => {
                            line += u32::from(next == '\n');
                            word.push(next);
                        }
                    }
                }
                tokens.push((started, Token::Word(word)));
            }
            c => {
                let mut word = String::from(c);
                while let Some(&next) = chars.peek() {
                    // `${name}` keeps its braces.
                    let variable = next == '{' && word.ends_with('$');
                    let inside = next == '}' && word.rfind("${").is_some_and(|at| !word[at..].contains('}'));
                    if next.is_whitespace()
                        || next == ';'
                        || (next == '{' && !variable)
                        || (next == '}' && !inside)
                    {
                        break;
                    }
                    word.push(next);
                    chars.next();
                    if next == '\\' || word == "\\" {
                        word.extend(chars.next_if(|c| !c.is_whitespace()));
                    }
                }
                tokens.push((started, Token::Word(word)));
            }
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_usual_shapes() {
        let text = "user www; # c\nhttp {\n  log_format m '$a \"$b\"'\n    'more';\n  server { listen [::]:443 ssl; location ~ \\.php$ { return 301 https://${host}$uri; } }\n}\n";
        let parsed = parse(text, 0).expect("valid");
        assert_eq!(parsed[0].words, ["www"]);
        let http = parsed[1].children();
        assert_eq!((http[0].place.line, http[0].words.len()), (3, 3));
        let server = http[1].children();
        assert_eq!(server[0].words, ["[::]:443", "ssl"]);
        assert_eq!(server[1].words, ["~", "\\.php$"]);
        assert_eq!(server[1].children()[0].words, ["301", "https://${host}$uri"]);
    }

    #[test]
    fn errors_name_their_line() {
        assert_eq!(parse("a b;\nhttp {\n", 0).map_err(|e| e.line), Err(2));
        assert_eq!(parse("a b;\n}", 0).map_err(|e| e.line), Err(2));
        assert_eq!(parse("a \"b", 0).map_err(|e| e.line), Err(1));
        assert!(parse("server { listen 80 }", 0).is_err());
        assert!(parse(&"a;".repeat(30_000), 0).is_err() && parse(&"a{".repeat(100), 0).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z$\\\\{};'\"# \n]{0,200}") {
            let _ = parse(&text, 0);
        }
    }
}

//! Splits a migration file into its statements: strings, comments, quoted names, executable comments and `DELIMITER` are
//! understood as the `mariadb` client understands them. Pure text; what a statement does is not known here.

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The text, without its delimiter and without comments before it; line ends are `\n`.
    pub(crate) sql: String,
    /// The line on which it begins, from 1.
    pub(crate) line: usize,
}

/// Why a file cannot be split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SplitError {
    pub(crate) line: usize,
    pub(crate) what: &'static str,
}

/// Line ends become `\n`, a byte order mark goes, blanks at the end go: what an editor or git may change.
pub(crate) fn normalize(text: &str) -> String {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut normal = text.replace("\r\n", "\n").replace('\r', "\n");
    normal.truncate(normal.trim_end().len());
    normal
}

/// The statements of a text whose line ends are `\n`.
pub(crate) fn split(text: &str) -> Result<Vec<Piece>, SplitError> {
    let mut reader = Reader { text, at: 0, start: None, delimiter: ";".to_owned(), pieces: Vec::new() };
    while reader.at < text.len() {
        reader.step()?;
    }
    reader.finish(text.len());
    Ok(reader.pieces)
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Where the statement under way begins; none between statements.
    start: Option<usize>,
    delimiter: String,
    pieces: Vec<Piece>,
}

impl Reader<'_> {
    fn step(&mut self) -> Result<(), SplitError> {
        let rest = &self.text[self.at..];
        if self.start.is_none() && self.at_line_start() && self.read_delimiter()? {
            return Ok(());
        }
        if rest.starts_with(&self.delimiter) {
            self.finish(self.at);
            self.at += self.delimiter.len();
        } else if rest.starts_with("/*!") || rest.starts_with("/*M!") {
            self.begin();
            self.skip_executable()?;
        } else if let Some(length) = comment(rest).map_err(|what| self.error(what))? {
            self.at += length;
        } else if let Some(quote) = rest.chars().next().filter(|c| matches!(c, '\'' | '"' | '`')) {
            self.begin();
            self.at += quoted(rest, quote).ok_or_else(|| self.error("a quote opens and never closes"))?;
        } else {
            let first = rest.chars().next().expect("the reader stands before the end");
            if !first.is_whitespace() {
                self.begin();
            }
            self.at += first.len_utf8();
        }
        Ok(())
    }

    fn begin(&mut self) {
        self.start.get_or_insert(self.at);
    }

    fn finish(&mut self, end: usize) {
        if let Some(start) = self.start.take() {
            let sql = self.text[start..end].trim_end().to_owned();
            self.pieces.push(Piece { sql, line: line_of(self.text, start) });
        }
    }

    fn at_line_start(&self) -> bool {
        let line = self.text[..self.at].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[line..self.at].trim().is_empty()
    }

    /// A command of the client, not of the server: it has a line of its own.
    fn read_delimiter(&mut self) -> Result<bool, SplitError> {
        let line = self.text[self.at..].lines().next().unwrap_or_default();
        let mut words = line.split_whitespace();
        if !words.next().is_some_and(|word| word.eq_ignore_ascii_case("delimiter")) {
            return Ok(false);
        }
        let delimiter = words.next().ok_or_else(|| self.error("DELIMITER names none"))?;
        if delimiter.contains(['\\', '\'', '"', '`']) {
            return Err(self.error("this DELIMITER would be taken for a quote or an escape"));
        }
        self.delimiter = delimiter.to_owned();
        self.at += line.len();
        Ok(true)
    }

    /// `/*! … */` is code to MariaDB; delimiters inside of it end nothing, and quotes may hold its end.
    fn skip_executable(&mut self) -> Result<(), SplitError> {
        let begin = self.at;
        self.at += 2;
        while !self.text[self.at..].starts_with("*/") {
            let rest = &self.text[self.at..];
            let Some(first) = rest.chars().next() else {
                self.at = begin;
                return Err(self.error("a comment opens and never closes"));
            };
            let quote = matches!(first, '\'' | '"' | '`');
            self.at += match quote {
                true => quoted(rest, first).ok_or_else(|| self.error("a quote opens and never closes"))?,
                false => first.len_utf8(),
            };
        }
        self.at += 2;
        Ok(())
    }

    fn error(&self, what: &'static str) -> SplitError {
        SplitError { line: line_of(self.text, self.at), what }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// The length of the comment that begins here, if one does.
pub(crate) fn comment(rest: &str) -> Result<Option<usize>, &'static str> {
    let dashes = rest
        .strip_prefix("--")
        .is_some_and(|after| after.is_empty() || after.starts_with(char::is_whitespace));
    if dashes || rest.starts_with('#') {
        return Ok(Some(rest.find('\n').unwrap_or(rest.len())));
    }
    if let Some(inside) = rest.strip_prefix("/*") {
        let length = inside.find("*/").ok_or("a comment opens and never closes")?;
        return Ok(Some(length + 4));
    }
    Ok(None)
}

/// The length of what is quoted here, its quotes included. Backslashes escape in strings, not in names.
pub(crate) fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && quote != '`' {
            chars.next();
        } else if c == quote && chars.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(text: &str) -> Vec<String> {
        split(text).unwrap().into_iter().map(|piece| piece.sql).collect()
    }

    #[test]
    fn delimiters_in_strings_names_and_comments_end_nothing() {
        let text = "-- a; b\nINSERT INTO t VALUES ('a;''b\\';', \"c;\"); # x;\n/* y; */ CREATE TABLE `p;q` (id INT);\n";
        assert_eq!(
            texts(text),
            ["INSERT INTO t VALUES ('a;''b\\';', \"c;\")", "CREATE TABLE `p;q` (id INT)"]
        );
    }

    #[test]
    fn a_delimiter_of_ones_own_holds_a_body_together() {
        let text = "SELECT 1;\ndelimiter $$\nCREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW BEGIN\n  SET NEW.x = 1;\nEND$$\n\
                    DELIMITER ;\nSELECT 2";
        let pieces = split(text).unwrap();
        assert_eq!(pieces.len(), 3);
        assert!(pieces[1].sql.ends_with("END") && pieces[1].sql.contains("= 1;\n"));
        assert_eq!((pieces[1].line, pieces[2].line), (3, 7));
    }

    #[test]
    fn an_executable_comment_is_code() {
        let text = "/*!50003 CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW BEGIN SET @a = '*/'; END */;\nSELECT 1 -- end";
        assert_eq!(texts(text).len(), 2);
        assert_eq!(texts("/*M!100 SET a = 1 */"), ["/*M!100 SET a = 1 */"]);
    }

    #[test]
    fn nothing_but_comments_is_no_statement_and_minus_minus_needs_a_blank() {
        assert!(texts("-- a\n/* b */ ;; \n# c").is_empty());
        assert_eq!(texts("SELECT 1--1"), ["SELECT 1--1"]);
    }

    #[test]
    fn what_never_closes_is_told_with_its_line() {
        for text in ["SELECT 1;\nSELECT 'a", "SELECT 1;\n/* a", "SELECT 1;\n/*! a", "SELECT 1;\nDELIMITER\n"]
        {
            assert_eq!(split(text).unwrap_err().line, 2, "{text}");
        }
    }

    #[test]
    fn line_ends_and_a_mark_at_the_beginning_do_not_matter() {
        assert_eq!(normalize("\u{feff}a\r\nb\rc\n\n"), "a\nb\nc");
    }

    proptest! {
        #[test]
        fn statements_come_back_as_they_went_in(values in prop::collection::vec("[a-z;'\"`\\\\#/*\n -]{0,12}", 1..8)) {
            let statements: Vec<String> = values
                .iter()
                .map(|value| format!("INSERT INTO t VALUES ('{}')", value.replace('\\', "\\\\").replace('\'', "''")))
                .collect();
            prop_assert_eq!(texts(&format!("{};\n", statements.join(";\n-- it's; a comment\n"))), statements);
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,60}|[;'\"`\\\\#/*!\n dDelimtr-]{0,60}") {
            let _ = split(&normalize(&text));
        }
    }
}

//! The comparison as Markdown. Pure: from what was read to a page, and from a page to what is wrong with its form.

use std::fmt::Write as _;

use super::row::Row;

/// One database, moved by every tool.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: String,
    /// What it is called on the command line, with its file where it is the caller's own.
    pub(super) name: String,
    pub(super) origin: String,
    pub(super) rows: Vec<Row>,
}

/// The page.
#[derive(Debug)]
pub(super) struct Page {
    versions: Vec<String>,
    sections: Vec<Section>,
    left_out: Vec<(String, String)>,
}

impl Page {
    /// `versions` begins with the date.
    pub(super) fn new(versions: Vec<String>) -> Self {
        Self { versions, sections: Vec::new(), left_out: Vec::new() }
    }

    pub(super) fn add(&mut self, section: Section) {
        self.sections.push(section);
    }

    pub(super) fn left_out(&mut self, title: &str, why: &str) {
        self.left_out.push((title.to_owned(), why.to_owned()));
    }

    /// Whether golive ended with 0 although something is lost or changed that no finding named.
    pub(super) fn golive_lost_silently(&self) -> bool {
        let mut rows = self.sections.iter().flat_map(|section| &section.rows);
        rows.any(|row| row.tool.starts_with("golive") && row.lost_silently())
    }

    pub(super) fn text(&self) -> String {
        let mut page = HEAD.to_owned();
        for section in &self.sections {
            let said = |peer: bool| {
                let rows = section.rows.iter().filter(|row| row.tool.starts_with("golive") != peer);
                rows.map(Row::in_a_word).collect::<Vec<_>>().join("; **decided:** ")
            };
            let rows_in = section.rows.first().map_or(0, |row| row.rows_in);
            let _ = writeln!(page, "| {} | {rows_in} | {} | {} |", section.title, said(false), said(true));
        }
        for (title, why) in &self.left_out {
            let _ = writeln!(page, "\nNot compared here: {title}, since {why}.");
        }
        for section in &self.sections {
            write_section(&mut page, section);
        }
        let (date, programs) =
            self.versions.split_first().map_or(("", [].as_slice()), |(date, rest)| (date.as_str(), rest));
        let _ = write!(page, "\nMade on {date} by `cargo xtask compare`, with {}.\n", programs.join(", "));
        page
    }
}

fn write_section(page: &mut String, section: &Section) {
    let Section { title, name, origin, rows } = section;
    let _ = writeln!(page, "\n## {}{}", title[..1].to_uppercase(), &title[1..]);
    let held = rows.first().map(Row::held).unwrap_or_default();
    let _ = writeln!(page, "\nFrom {origin}; {held}. Again: `cargo xtask compare {name}`.\n");
    let mut line = |head: &str, cell: &dyn Fn(&Row) -> String| {
        let cells: Vec<String> = rows.iter().map(cell).collect();
        let _ = writeln!(page, "| {head} | {} |", cells.join(" | "));
    };
    line("", &|row| row.tool.to_owned());
    line("---", &|_| "---".to_owned());
    line(LINES[0], &Row::ended);
    line(LINES[1], &|row| format!("{} of {}", row.rows_out, row.rows_in));
    line(LINES[2], &|row| row.lost.to_string());
    line(LINES[3], &Row::changed);
    line(LINES[4], &Row::not_carried);
    line(LINES[5], &|row| safe(&row.said));
    let fastest = rows.iter().filter(|row| row.code == 0 && row.tool.starts_with("golive"));
    let base = fastest.map(|row| row.seconds).next();
    line(LINES[6], &|row| match base {
        Some(base) if row.code == 0 && !row.tool.starts_with("golive") => {
            format!("{:.1} ({:.1} × golive's)", row.seconds, row.seconds / base.max(0.1))
        }
        _ => format!("{:.1}", row.seconds),
    });
}

pub(super) fn safe(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// The lines of every database's table.
const LINES: [&str; 7] =
    ["exit code", "rows arrived", "rows lost", "values changed", "not carried", "what it named", "seconds"];

const HEAD: &str = "\
# Databases in common use, moved by two tools

Each database is made by the program that owns it or comes as a package carries it, and is moved by `golive migrate survey`, `run` and
`verify`, and by sqlite3-to-mysql with its defaults, to two empty databases of one server. Then a reader that belongs to neither
(`xtask/compare/read.py`) holds both results against the source, value by value. All of it again: `cargo xtask compare`; one of them:
`cargo xtask compare NAME`; a file of your own: `cargo xtask compare --database NAME=FILE`. It needs python3 with venv and a MariaDB server,
for some databases also apt-get with Debian's sources, npm, chromium or firefox-esr, and leaves out, with its reason, what it cannot make.

*Lost*: a row of the source whose key is not in the target. *Changed*: a value that does not mean the same in its new type: the same number,
text, bytes, instant. *Not carried*: what the source promises beside its rows and the target lacks. **Silently**: it ended with 0, and
something is lost, changed or not carried that it did not name. *Decided*: with an operator's decisions about the findings, which lie in
`xtask/compare`; rows set aside count as lost here. Exit codes of golive: 10, it refused before it wrote a row, or its verification found
a difference; 12, it could not read the source. Its seconds hold the survey, the copy and the proof of every value, by a build without
optimization; those of sqlite3-to-mysql hold the copy, since it proves nothing.

| database | rows | golive | sqlite3-to-mysql |
|---|---:|---|---|
";

/// What is wrong with a page's form. Its figures are a machine's and are not looked at.
#[cfg(test)]
fn malformed(page: &str, databases: &[(&str, &str)]) -> Vec<String> {
    let mut wrong = Vec::new();
    if !page.starts_with(HEAD) {
        wrong.push("its head is another".to_owned());
    }
    for (name, title) in databases {
        if page.contains(&format!("\nNot compared here: {title}, since ")) {
            wrong.push(format!("{title} was left out"));
            continue;
        }
        if !page.contains(&format!("\n| {title} | ")) {
            wrong.push(format!("the overview lacks {title}"));
        }
        let heading = format!("\n## {}{}\n", title[..1].to_uppercase(), &title[1..]);
        let Some((_, rest)) = page.split_once(&heading) else {
            wrong.push(format!("{title} has no section"));
            continue;
        };
        let section = rest.split("\n## ").next().unwrap_or_default();
        if !section.contains(&format!("Again: `cargo xtask compare {name}`.")) {
            wrong.push(format!("{title} does not say how it is repeated"));
        }
        let lines = LINES.iter().filter(|line| !section.contains(&format!("\n| {line} | ")));
        wrong.extend(lines.map(|line| format!("{title} lacks the line `{line}`")));
        // The peer is the last column.
        let ended = section.lines().find(|line| line.starts_with("| exit code |")).unwrap_or_default();
        if ended.rsplit(" | ").skip(1).any(|cell| cell.contains("silently")) {
            wrong.push(format!("golive lost something of {title} silently"));
        }
    }
    let sections = page.matches("\n## ").count();
    if sections != databases.len() {
        wrong.push(format!("it has {sections} sections for {} databases", databases.len()));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::super::DATABASES;
    use super::super::row::{Outcome, Row, tests::read};
    use super::*;

    fn page() -> Page {
        let mut page = Page::new(vec!["2026-01-01".to_owned(), "golive 1".to_owned()]);
        let outcome = Outcome::peer(0, "x WARNING  a | b\nfine");
        page.add(Section {
            title: "cards (Anki)".to_owned(),
            name: "cards".to_owned(),
            origin: "a package".to_owned(),
            rows: vec![
                Row::new("golive", 10, 2.0, &read(), Outcome::default()),
                Row::new("sqlite3-to-mysql", 0, 1.25, &read(), outcome),
            ],
        });
        page
    }

    #[test]
    fn the_page_shows_the_figures_and_what_was_left_out() {
        let mut page = page();
        page.left_out("places", "it is not installed");
        let text = page.text();
        for line in [
            "| cards (Anki) | 10 | exit 10: 7 rows lost, 3 values changed | exit 0, **silently**: 7 rows lost, 3 values changed, 1 of 1 view not carried |",
            "| exit code | 10 | **silently** 0 |",
            "| values changed | 3 (card.made × 3) | 3 (card.made × 3) |",
            "| what it named | nothing | WARNING a \\| b |",
            "Not compared here: places, since it is not installed.",
            "From a package; 10 rows in 1 table, 1 view. Again: `cargo xtask compare cards`.",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.ends_with("Made on 2026-01-01 by `cargo xtask compare`, with golive 1.\n"), "{text}");
        assert!(!page.golive_lost_silently());
    }

    #[test]
    fn a_page_of_another_form_is_seen() {
        let text = page().text();
        let databases = [("cards", "cards (Anki)")];
        assert_eq!(malformed(&text, &databases), Vec::<String>::new());
        for (from, to) in [
            ("\n| rows lost |", "\n| rows |"),
            ("## Cards", "## Places"),
            ("Again: `cargo xtask compare cards`", "Again: somehow"),
            ("| exit code | 10 |", "| exit code | **silently** 0 |"),
            ("# Databases in common use", "# Databases"),
            ("\n| cards (Anki) |", "\n| places |"),
        ] {
            let other = text.replace(from, to);
            assert_ne!(other, text, "{from}");
            assert!(!malformed(&other, &databases).is_empty(), "{from}");
        }
        assert!(!malformed(&text, &[]).is_empty());
    }

    #[test]
    fn the_page_in_the_documentation_is_of_this_form_and_of_every_database() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/comparison.md");
        let page = std::fs::read_to_string(path).unwrap();
        let databases: Vec<(&str, &str)> = DATABASES.iter().map(|one| (one.name, one.title)).collect();
        assert_eq!(malformed(&page, &databases), Vec::<String>::new(), "write it anew: cargo xtask compare");
    }
}

//! `cargo xtask book`: makes the book out of docs/ with mdBook, and follows every link of what was made.
//!
//! What must not be here: rules about the pages as they are written (`tidy`).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;

use crate::run::{Failure, Workspace, captured, program, say};
use crate::tools::Tool;

/// Without what serves and watches. Each version renders a little otherwise.
const MDBOOK: Tool =
    Tool { package: "mdbook", version: "0.5.4", options: &["--no-default-features"], probe: &["--version"] };

pub(crate) fn run(arguments: &[OsString]) -> Result<u8, Failure> {
    if let Some(argument) = arguments.first() {
        let argument = argument.to_string_lossy();
        return Err(Failure::usage(format!("`cargo xtask book` takes no arguments, and got `{argument}`")));
    }
    let workspace = Workspace::find()?;
    let made = workspace.target.join("book");
    let mut build = program(&MDBOOK.installed(&workspace)?);
    build.current_dir(&workspace.root).args(["build", "docs", "--dest-dir"]).arg(&made);
    let ended = captured(build)?;
    // What mdBook warns of, a tag that is not closed for example, hides what stands behind it.
    if ended.code != 0 || ended.errors.contains("WARN") {
        return Err(Failure::not_ready(format!("mdbook build docs: {}", ended.errors.trim_end())));
    }
    let mut pages = BTreeMap::new();
    read(&made, &made, &mut pages)?;
    let lost = lost_links(&pages, &|path| made.join(path).is_file());
    if lost.is_empty() {
        say(&format!("book: {} pages in {}, and every link leads somewhere\n", pages.len(), made.display()));
        return Ok(0);
    }
    say(&lost.iter().map(|line| format!("{line}\n")).collect::<String>());
    Err(Failure::not_ready(format!("book: {} links lead nowhere", lost.len())))
}

/// The pages of the book by their paths in it.
fn read(root: &Path, directory: &Path, pages: &mut BTreeMap<String, String>) -> Result<(), Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::out_of_reach(format!("{} cannot be read: {error}", directory.display()))
    };
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.is_dir() {
            read(root, &path, pages)?;
        } else if path.extension().is_some_and(|end| end == "html") {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            pages.insert(name, fs::read_to_string(&path).map_err(unreadable)?);
        }
    }
    Ok(())
}

/// `page: link` for every link of the book's own that leads nowhere.
fn lost_links(pages: &BTreeMap<String, String>, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut lost = Vec::new();
    for (page, text) in pages {
        for link in links(text).filter(|link| !is_foreign(link)) {
            let (path, part) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { page.clone() } else { below(page, path) };
            let is_there = match pages.get(&path) {
                Some(text) => part.is_empty() || text.contains(&format!("id=\"{part}\"")),
                None => exists(&path),
            };
            if !is_there {
                lost.push(format!("{page}: {link}"));
            }
        }
    }
    lost
}

/// What `href` and `src` say.
fn links(text: &str) -> impl Iterator<Item = &str> {
    [" href=\"", " src=\""].into_iter().flat_map(|attribute| {
        text.split(attribute)
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .filter(|link| !link.is_empty())
    })
}

fn is_foreign(link: &str) -> bool {
    link.contains("://") || link.starts_with("mailto:") || link.starts_with("data:")
}

/// A path that a page names, from the book's root.
fn below(page: &str, path: &str) -> String {
    let mut parts: Vec<&str> = page.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_leads_nowhere_is_found_and_no_other() {
        let pages = [
            (
                "a.html",
                "<h1 id=\"one\">1</h1><a href=\"how/b.html#two\"><img src=\"p.png\"><a href=\"#gone\">",
            ),
            (
                "how/b.html",
                "<h2 id=\"two\">2</h2><a href=\"../a.html#one\"><a class=\"x\" href=\"../c.html\">",
            ),
            ("d.html", "<a href=\"https://example.org/x\"><a href=\"how/b.html#none\"><link href=\"s.css\">"),
        ];
        let pages = pages.map(|(path, text)| (path.to_owned(), text.to_owned())).into();
        let lost = lost_links(&pages, &|path| path == "p.png");
        assert_eq!(
            lost,
            ["a.html: #gone", "d.html: how/b.html#none", "d.html: s.css", "how/b.html: ../c.html"]
        );
    }
}

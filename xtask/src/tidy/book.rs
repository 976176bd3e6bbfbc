//! The rules about the book that docs/ makes: each page is listed, and a link that works where the pages lie works in the
//! book too.
//!
//! Not here: whether what a link points at is there at all (`documents`).

use std::collections::{BTreeMap, BTreeSet};

use super::documents::{from_root, link_targets};
use super::{Finding, TextFile};

pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let Some(summary) = files.iter().find(|file| file.path == SUMMARY) else { return Vec::new() };
    let documents = files.iter().filter(|file| file.path.ends_with(".md"));
    let headings: BTreeMap<&str, BTreeSet<String>> =
        documents.clone().map(|file| (file.path.as_str(), parts(&file.text))).collect();
    let pages = || documents.clone().filter(|file| file.path.starts_with(BOOK) && file.path != SUMMARY);
    unlisted(summary, pages())
        .chain(pages().flat_map(leaving))
        .chain(documents.clone().flat_map(|file| lost_parts(file, &headings)))
        .collect()
}

const BOOK: &str = "docs/";
const SUMMARY: &str = "docs/SUMMARY.md";

/// A page that the book does not list is one that nobody finds.
fn unlisted<'a>(
    summary: &TextFile,
    pages: impl Iterator<Item = &'a TextFile>,
) -> impl Iterator<Item = Finding> {
    let listed: BTreeSet<String> =
        link_targets(&summary.text).filter_map(|target| from_root(SUMMARY, target)).collect();
    let missing = pages.filter(move |page| !listed.contains(&page.path));
    missing.map(|page| Finding::new(&page.path, 1, format!("it is not in the book: list it in {SUMMARY}")))
}

/// Links of a page that lead nowhere once it is a page of the book.
fn leaving(page: &TextFile) -> Vec<Finding> {
    links(page)
        .filter(|(_, target)| !target.contains("://"))
        .filter(|(_, target)| {
            let is_inside = from_root(&page.path, target).is_none_or(|path| path.starts_with(BOOK));
            let is_file = target.split('#').next().is_some_and(|path| !path.ends_with('/'));
            !(is_inside && is_file)
        })
        .map(|(line, target)| {
            let text = format!("`{target}` is no page of the book: link to one, or name it as code");
            Finding::new(&page.path, line, text)
        })
        .collect()
}

/// Links to a part of a page that has no such heading.
fn lost_parts(page: &TextFile, headings: &BTreeMap<&str, BTreeSet<String>>) -> Vec<Finding> {
    links(page)
        .filter(|(_, target)| !target.contains("://"))
        .filter_map(|(line, target)| Some((line, target, target.split_once('#')?)))
        .filter(|(_, _, (path, part))| {
            let path = match path.is_empty() {
                true => Some(page.path.clone()),
                false => from_root(&page.path, path),
            };
            let known = path.as_deref().and_then(|path| headings.get(path));
            known.is_some_and(|headings| !headings.contains(*part))
        })
        .map(|(line, target, _)| {
            Finding::new(&page.path, line, format!("`{target}`: there is no such heading on that page"))
        })
        .collect()
}

/// The links of a page with their lines, but for those in what is code.
fn links(page: &TextFile) -> impl Iterator<Item = (usize, &str)> {
    prose(&page.text).flat_map(|(line, text)| link_targets(text).map(move |target| (line, target)))
}

/// Lines outside of fenced blocks, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut is_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        (!is_code && !is_fence).then_some((index + 1, line))
    })
}

/// The names under which headings are linked to: small letters, a dash for a space, nothing else but letters and digits.
fn parts(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let headings = prose(text).filter(|(_, line)| line.starts_with('#'));
    for (_, heading) in headings {
        let words = heading.trim_start_matches('#').trim();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
        let name: String =
            kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let again = (1..).map(|count| format!("{name}-{count}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !names.contains(name));
        names.extend(free);
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn found(files: &[TextFile]) -> Vec<String> {
        check(files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_page_that_the_book_does_not_list_is_found() {
        let pages = [
            file(SUMMARY, "- [a](a.md)\n- [c](how/c.md)\n"),
            file("docs/a.md", ""),
            file("docs/how/b.md", ""),
        ];
        let findings = found(&pages);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("docs/how/b.md:1: "), "{findings:?}");
    }

    #[test]
    fn a_link_that_the_book_would_break_is_found() {
        let page = "[a](a.md) [p](p.png) [w](https://example.org/x/)\n[all](how/)\n[r](../README.md)\n```\n[x](../y)\n```\n";
        let findings = found(&[file(SUMMARY, "[a](a.md)"), file("docs/a.md", page)]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("docs/a.md:2: ") && findings[1].starts_with("docs/a.md:3: "));
    }

    #[test]
    fn a_part_that_is_on_no_page_is_found() {
        let one =
            "# One: the `first`\n## Again\n## Again\n[1](#one-the-first) [2](b.md#again-1) [3](b.md#gone)\n";
        let other = "# Again\n## Again\n```\n# gone\n```\n[4](#gone) [5](a.md#again-1) [6](https://example.org#gone)\n";
        let summary = file(SUMMARY, "[a](a.md) [b](b.md)");
        let findings = found(&[summary, file("docs/a.md", one), file("docs/b.md", other)]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].starts_with("docs/a.md:4: `b.md#gone`"), "{findings:?}");
        assert!(findings[1].starts_with("docs/b.md:6: `#gone`"), "{findings:?}");
    }
}

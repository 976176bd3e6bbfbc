//! How an error is told: what failed, where, why, and what to do next.
//!
//! Not here: the exit code (`exit`).
//!
//! An error's text is a fragment that fits after "failed to", with what to do next behind a semicolon; its sources say why.

use std::error::Error;

use golive::ReadConfigError;

/// The report of an error; with `verbose`, every link of its chain on a line of its own.
pub(crate) fn text(error: &(dyn Error + 'static), verbose: bool) -> String {
    let links: Vec<String> = links(error);
    let (what, next) = advice(&links[0]);
    let mut lines = vec![format!("golive failed to {what}")];
    let mut nexts: Vec<&str> = Vec::new();
    let mut whys = Vec::new();
    for link in &links[1..] {
        let (why, next) = advice(link);
        whys.push(why);
        nexts.extend(next);
    }
    // The innermost knows best.
    nexts.reverse();
    nexts.extend(next);
    if let Some(config) = error.downcast_ref::<ReadConfigError>() {
        lines.extend(place(config));
        if let Some(meant) = config.did_you_mean() {
            nexts.insert(0, "");
            lines.push(format!("  next: did you mean `{meant}`?"));
        }
    } else if !verbose && !whys.is_empty() {
        lines.push(indented("  why:  ", &whys.join(": ")));
    }
    nexts.retain(|next| !next.is_empty());
    lines.extend(nexts.iter().map(|next| indented("  next: ", next)));
    if verbose {
        lines.push("  chain:".to_owned());
        let number = |(place, link): (usize, &String)| indented(&format!("    {}. ", place + 1), link);
        lines.extend(links.iter().enumerate().map(number));
    }
    lines.join("\n")
}

/// The error and its sources, outermost first; a source that says only what the one above it said is left out.
fn links(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut links: Vec<String> = vec![error.to_string()];
    let mut source = error.source();
    while let Some(link) = source {
        let text = link.to_string();
        if links.last().is_none_or(|last| !last.ends_with(&text)) {
            links.push(text);
        }
        source = link.source();
    }
    links
}

/// What stands before the first semicolon, and what stands behind it.
fn advice(link: &str) -> (&str, Option<&str>) {
    match link.split_once("; ") {
        Some((what, next)) => (what, Some(next)),
        None => (link, None),
    }
}

/// Where in golive.toml, with the line itself.
fn place(error: &ReadConfigError) -> Option<String> {
    let ReadConfigError::Invalid { path, line, column, source, .. } = error else { return None };
    let shown = source.to_string();
    let excerpt = shown.lines().filter(|line| line.contains(" |") || line.trim() == "|");
    let mut text = match (line, column) {
        (Some(line), Some(column)) => format!("  --> {}:{line}:{column}", path.display()),
        _ => format!("  --> {}", path.display()),
    };
    for line in excerpt {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text.push('\n');
    text.push_str(&indented("  why:  ", source.message()));
    Some(text)
}

/// Lines below the first stand under it.
fn indented(head: &str, text: &str) -> String {
    let pad = format!("\n{}", " ".repeat(head.len()));
    format!("{head}{}", text.trim_end().replace('\n', &pad))
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::path::Path;

    use super::*;

    #[derive(Debug)]
    struct Told(&'static str, Option<Box<Told>>);

    impl fmt::Display for Told {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Told {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|told| told as _)
        }
    }

    #[test]
    fn an_error_says_what_why_and_what_next_and_the_chain_on_demand() {
        let inner = Told("permission denied (os error 13)", None);
        let middle = Told("open run.log; check who owns it", Some(Box::new(inner)));
        let outer = Told("keep the journal /srv/run.log; free some space", Some(Box::new(middle)));
        insta::assert_snapshot!(text(&outer, false), @r"
        golive failed to keep the journal /srv/run.log
          why:  open run.log: permission denied (os error 13)
          next: check who owns it
          next: free some space
        ");
        insta::assert_snapshot!(text(&outer, true), @r"
        golive failed to keep the journal /srv/run.log
          next: check who owns it
          next: free some space
          chain:
            1. keep the journal /srv/run.log; free some space
            2. open run.log; check who owns it
            3. permission denied (os error 13)
        ");
    }

    #[test]
    fn a_wrong_golive_toml_is_shown_at_its_place_with_what_was_meant() {
        let folder = tempfile::tempdir().unwrap();
        let shown = |toml: &str| {
            let path = folder.path().join("golive.toml");
            std::fs::write(&path, toml).unwrap();
            let error = golive::Config::read(&path).unwrap_err();
            text(&error, false).replace(&folder.path().display().to_string(), "/app")
        };
        insta::assert_snapshot!(
            "unknown_key",
            shown("[application]\nname = \"x\"\n[target]\nulr = \"env:T\"\n")
        );
        insta::assert_snapshot!("wrong_kind", shown("[application]\nname = 7\n"));
        insta::assert_snapshot!("no_toml", shown("[application\n"));
        assert!(golive::Config::read(Path::new("/nowhere/golive.toml")).is_err());
    }
}

//! The rule about licenses: every package has an SPDX expression that the allowed ones satisfy.

use super::Finding;
use super::graph::{Graph, Package};
use super::policy::Policy;

pub(super) fn check(graph: &Graph, policy: &Policy) -> Vec<Finding> {
    graph.packages.iter().filter_map(|package| check_package(package, &policy.licenses)).collect()
}

fn check_package(package: &Package, allowed: &[String]) -> Option<Finding> {
    let (name, version) = (&package.name, &package.version);
    let text = match package.license.as_deref() {
        None => format!("{name} {version} states no license: it cannot be used"),
        Some(expression) => match satisfied(expression, allowed) {
            Some(true) => return None,
            Some(false) => {
                format!("{name} {version} is under `{expression}`, which `[licenses] allow` does not cover")
            }
            None => format!("{name} {version} states `{expression}`, which is no SPDX expression"),
        },
    };
    Some(Finding::new("Cargo.lock", 1, text))
}

/// Whether the allowed licenses satisfy an SPDX expression; None where it is none. `/` is the old way to say OR.
fn satisfied(expression: &str, allowed: &[String]) -> Option<bool> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, allowed };
    let answer = parser.either()?;
    parser.words.is_empty().then_some(answer)
}

struct Parser<'a> {
    words: &'a [&'a str],
    allowed: &'a [String],
}

impl Parser<'_> {
    /// AND binds tighter than OR.
    fn either(&mut self) -> Option<bool> {
        let mut answer = self.both()?;
        while self.take("OR") {
            answer |= self.both()?;
        }
        Some(answer)
    }

    fn both(&mut self) -> Option<bool> {
        let mut answer = self.one()?;
        while self.take("AND") {
            answer &= self.one()?;
        }
        Some(answer)
    }

    fn one(&mut self) -> Option<bool> {
        if self.take("(") {
            let answer = self.either()?;
            return self.take(")").then_some(answer);
        }
        let (name, rest) = self.words.split_first()?;
        if matches!(*name, "OR" | "AND" | "WITH" | ")") {
            return None;
        }
        self.words = rest;
        if !self.take("WITH") {
            return Some(self.allowed.iter().any(|allowed| allowed == name));
        }
        // An exception is allowed only where it is listed with its license.
        let (exception, rest) = self.words.split_first()?;
        self.words = rest;
        Some(self.allowed.iter().any(|allowed| *allowed == format!("{name} WITH {exception}")))
    }

    fn take(&mut self, word: &str) -> bool {
        let taken = self.words.first() == Some(&word);
        if taken {
            self.words = &self.words[1..];
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(expression: &str) -> Option<bool> {
        satisfied(expression, &["MIT".to_owned(), "ISC".to_owned()])
    }

    #[test]
    fn expressions_are_judged() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "GPL-3.0 / MIT",
            "MIT AND ISC",
            "(GPL-3.0 OR MIT) AND ISC",
            "GPL-3.0 OR MIT AND ISC",
        ] {
            assert_eq!(answer(good), Some(true), "{good}");
        }
        for bad in
            ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND GPL-3.0", "MIT WITH LLVM-exception", "mit"]
        {
            assert_eq!(answer(bad), Some(false), "{bad}");
        }
        for nonsense in ["", "MIT OR", "(MIT", "MIT ISC", "OR MIT", "MIT)", "MIT WITH"] {
            assert_eq!(answer(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn packages_are_named() {
        let package = |license: Option<&str>| Package {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(ToOwned::to_owned),
            source: None,
            manifest: String::new(),
            published: true,
        };
        let allowed = ["MIT".to_owned()];
        assert_eq!(check_package(&package(Some("MIT")), &allowed), None);
        for license in [None, Some("GPL-3.0"), Some("see the file")] {
            let finding = check_package(&package(license), &allowed).unwrap();
            assert!(finding.text.starts_with("a 1.0.0 "), "{finding}");
        }
    }
}

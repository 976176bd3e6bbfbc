//! Which sections of `golive.toml` each step depends on, in its own file or in those it uses: where one of them changed, what
//! the step had shown is no proof any more, and a run that is taken up again runs it again.
//!
//! Not here: the comparison (`flow`). A test reads the steps' own files, so that the list says what they do.

/// The sections that a step reads. `[gate]` is none of them: it is judged by at the end, whatever ran.
pub(crate) fn reads(step: &str) -> &'static [&'static str] {
    let known = READS.iter().find(|(id, _)| *id == step);
    known.map_or(&[], |(_, sections)| sections)
}

#[rustfmt::skip]
const READS: &[(&str, &[&str])] = &[
    ("admin-login", &["accounts", "admin", "application", "environment", "http", "journeys", "target", "tenant"]),
    ("archive-binlog", &["backup", "target"]),
    ("backup", &["backup", "target"]),
    ("baseline", &["accounts", "admin", "application", "demo_environment", "errors", "http", "journeys", "redis", "source", "target", "tenant"]),
    ("cache", &["admin", "application", "environment", "http", "journeys", "tenant"]),
    ("ci", &["ci"]),
    ("config", &["deploy", "environment", "errors", "redis", "source", "target"]),
    ("constraints", &["migrate", "source", "target"]),
    ("containers", &["deploy"]),
    ("copy", &["migrate", "source", "target"]),
    ("credentials", &["accounts", "admin", "application", "environment", "http", "journeys", "target", "team", "tenant", "tenants"]),
    ("database-outage", &["application", "environment", "http"]),
    ("demo-tenants", &["target", "tenant", "tenants"]),
    ("demo-users", &["accounts", "admin", "http", "journeys", "target", "tenant"]),
    ("environment", &["environment", "errors", "redis", "source", "target"]),
    ("errors", &["admin", "application", "environment", "errors", "http", "journeys", "tenant"]),
    ("health", &["application", "environment", "http"]),
    ("in-use", &["application", "environment", "errors", "http", "migrate", "redis", "source", "target"]),
    ("load", &["accounts", "admin", "application", "environment", "http", "journeys", "load", "target", "team", "tenant"]),
    ("logs", &["accounts", "admin", "application", "environment", "http", "journeys", "target", "team", "tenant"]),
    ("metrics", &["application", "environment", "http"]),
    ("old-token", &["accounts", "admin", "application", "demo_environment", "environment", "errors", "http", "journeys", "redis", "source", "target", "tenant"]),
    ("pool", &["environment", "target"]),
    ("production-admin", &["accounts", "admin", "http", "journeys", "target", "tenant"]),
    ("queries", &["accounts", "admin", "application", "environment", "http", "journeys", "load", "target", "team", "tenant"]),
    ("rate-limit", &["admin", "application", "environment", "http", "journeys", "rate_limit", "tenant"]),
    ("recovery", &["application", "backup", "http", "target"]),
    ("redis", &["redis"]),
    ("redis-outage", &["admin", "application", "environment", "http", "journeys", "tenant"]),
    ("restore-drill", &["backup", "target"]),
    ("revocation", &["accounts", "admin", "application", "environment", "http", "journeys", "target", "team", "tenant"]),
    ("rollback", &["admin", "application", "environment", "http", "journeys", "tenant"]),
    ("schema", &["migrate", "source", "target"]),
    ("secret-key", &["demo_environment", "deploy", "environment"]),
    ("state-backup", &["application", "backup", "environment", "errors", "redis", "source", "target"]),
    ("survey", &["migrate", "source", "target"]),
    ("switch", &["migrate", "source", "target"]),
    ("team", &["accounts", "admin", "application", "environment", "http", "journeys", "target", "team", "tenant"]),
    ("tls", &["application", "environment", "http", "tls"]),
    ("verify", &["migrate", "source", "target"]),
    ("versioned-schema", &["application", "environment", "errors", "redis", "source", "target"]),
];

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;

    use super::*;

    /// What the context reads on behalf of a step.
    const THROUGH_CONTEXT: [(&str, &[&str]); 13] = [
        ("context.application(", &["application", "environment", "http"]),
        ("context.restart_application(", &["application", "environment", "http"]),
        ("context.start_instance(", &["application", "environment", "http"]),
        ("context.start_previous(", &["application", "environment", "http"]),
        ("context.previous_version(", &["application"]),
        ("context.serving(", &["application"]),
        ("context.runs_application(", &["application", "http"]),
        ("context.request(", &["http"]),
        ("context.source(", &["source"]),
        ("context.target(", &["target"]),
        ("context.redis(", &["redis"]),
        (".common_values(", &["source", "target", "redis", "errors"]),
        (".production_values(", &["source", "target", "redis", "errors"]),
    ];

    #[test]
    fn the_list_is_what_the_steps_files_read() {
        let files = files();
        let listed: BTreeMap<&str, BTreeSet<&str>> =
            READS.iter().map(|(id, sections)| (*id, sections.iter().copied().collect())).collect();
        let mut steps = 0;
        for (module, text) in &files {
            let Some(id) = id_of(text) else { continue };
            let mut found = BTreeSet::new();
            collect(&files, module, &mut found, &mut BTreeSet::new());
            let found: BTreeSet<&str> = found.iter().map(String::as_str).collect();
            assert_eq!(
                listed.get(id),
                Some(&found),
                "`{id}` reads these sections: correct its line in READS"
            );
            steps += 1;
        }
        assert_eq!((steps, READS.len()), (crate::steps::list().len(), steps));
    }

    /// The files of the steps without their tests, by module.
    fn files() -> BTreeMap<String, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/steps");
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries
            .filter_map(|path| {
                let module = path.file_stem()?.to_str()?.to_owned();
                let text = std::fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]").next()?.to_owned();
                (module != "mod" && module != "reads").then_some((module, text))
            })
            .collect()
    }

    fn id_of(text: &str) -> Option<&str> {
        let after = text.split_once("About::new(")?.1.trim_start();
        let quoted = if after.starts_with("ID") { text.split_once("const ID: &str = ")?.1 } else { after };
        quoted.split('"').nth(1)
    }

    fn collect(
        files: &BTreeMap<String, String>,
        module: &str,
        found: &mut BTreeSet<String>,
        seen: &mut BTreeSet<String>,
    ) {
        let Some(text) = files.get(module).filter(|_| seen.insert(module.to_owned())) else { return };
        // A chain of calls may stand on many lines.
        let text = &text.split_whitespace().collect::<String>();
        let sections = include_str!("../config.rs");
        for name in words_after(text, "config.") {
            if sections.contains(&format!("    pub {name}: ")) && name != "gate" && name != "directory" {
                found.insert(name.to_owned());
            }
        }
        for (call, sections) in THROUGH_CONTEXT {
            if text.contains(call) {
                found.extend(sections.iter().map(|&section| section.to_owned()));
            }
        }
        for used in words_after(text, "super::") {
            collect(files, used, found, seen);
        }
    }

    fn words_after<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
        let word =
            |rest: &'a str| rest.split(|letter: char| !letter.is_ascii_lowercase() && letter != '_').next();
        text.split(mark).skip(1).filter_map(word).collect()
    }
}

//! What needs no server: help, keys, explanations, a first golive.toml, deployment files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::{run, sqlite};

#[test]
fn help_names_every_verb() {
    let folder = tempfile::tempdir().unwrap();
    let help = run(folder.path(), "", &["--help"]).with(0);
    insta::assert_snapshot!(help.stdout);
}

#[test]
fn a_key_is_made_judged_and_shown_only_on_demand() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    run(here, "", &["secret", "generate"]).with(2);
    let made = run(here, "", &["secret", "generate", "--output", "key"]).with(0);
    let key = std::fs::read_to_string(here.join("key")).unwrap();
    assert_eq!(std::fs::metadata(here.join("key")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(key.trim().len() >= 64 && !made.all().contains(key.trim()));
    run(here, "", &["secret", "generate", "--output", "key"]).with(2).says(&["exists"]);
    assert!(run(here, "", &["secret", "generate", "--show"]).with(0).stdout.trim().len() >= 64);

    let checked = run(here, "", &["secret", "check", "--file", "key"]).with(0);
    assert!(!checked.all().contains(key.trim()));
    std::fs::write(here.join("app.env"), format!("SECRET_KEY={}\nDEBUG=false\n", key.trim())).unwrap();
    run(here, "", &["secret", "check", "--file", "app.env"]).with(0);
    let leaked = ["secret", "check", "--file", "key", "--example", "app.env", "--format", "json"];
    let leaked = run(here, "", &leaked).with(10);
    assert_eq!(leaked.json()["accepted"], false);
    assert!(!leaked.all().contains(key.trim()));
    let weak = run(here, "change-me-please", &["secret", "check", "--env", "TARGET"]).with(10);
    assert!(!weak.all().contains("change-me-please"));
}

#[test]
fn a_ring_of_keys_is_made_rotated_and_judged_and_never_shown() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let ring = |arguments: &[&str]| {
        let run = run(here, "", &[&["secret"], arguments, &["--ring", "ring", "--format", "json"]].concat());
        let text = std::fs::read_to_string(here.join("ring")).unwrap_or_default();
        let secrets = text.split("\"secret\": \"").skip(1).map(|rest| rest.split('"').next().unwrap());
        assert!(secrets.into_iter().all(|secret| !run.all().contains(secret)), "no secret is shown");
        run
    };
    ring(&["generate", "--algorithm", "eddsa"]).with(0);
    assert_eq!(std::fs::metadata(here.join("ring")).unwrap().permissions().mode() & 0o777, 0o600);
    ring(&["generate"]).with(2).says(&["exists"]);
    ring(&["rotate"]).with(2);
    ring(&["rotate", "--stage", "--algorithm", "es256"]).with(0);
    let checked = ring(&["check"]).with(0).json();
    let first = checked["keys"][0]["id"].as_str().unwrap().to_owned();
    let staged = checked["keys"][1]["id"].as_str().unwrap().to_owned();
    let published: Vec<&str> =
        checked["jwks"]["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
    assert_eq!(published, [first.as_str(), staged.as_str()], "the next key is published before it signs");
    ring(&["rotate", "--overlap", "60"]).with(0).says(&["is accepted until"]);
    let checked = ring(&["check"]).with(0).json();
    assert_eq!(
        (&checked["keys"][1]["id"], &checked["keys"][1]["state"]),
        (&staged.clone().into(), &"active".into())
    );
    ring(&["rotate", "--revoke", &staged]).with(2).says(&["immediate cut"]);
    ring(&["rotate", "--revoke", &first]).with(0);
    let cut = ring(&["rotate", "--immediate"]).with(0).json();
    let usable = cut["keys"].as_array().unwrap().iter().filter(|key| key["state"] != "revoked").count();
    assert_eq!(usable, 1);
    std::fs::set_permissions(here.join("ring"), std::fs::Permissions::from_mode(0o644)).unwrap();
    ring(&["check"]).with(10).says(&["chmod 600"]);
    ring(&["rotate", "--immediate"]).with(2);

    run(here, "", &["secret", "generate", "--output", "key"]).with(0);
    let old = std::fs::read_to_string(here.join("key")).unwrap();
    run(here, "", &["secret", "rotate", "--file", "key", "--overlap", "5"]).with(2).says(&["--ring"]);
    let rotated = run(here, "", &["secret", "rotate", "--file", "key", "--immediate"]).with(0);
    let new = std::fs::read_to_string(here.join("key")).unwrap();
    assert!(new != old && !rotated.all().contains(new.trim()));
    std::fs::write(here.join("notes"), "not a key").unwrap();
    run(here, "", &["secret", "rotate", "--file", "notes", "--immediate"]).with(2);
    assert_eq!(std::fs::read_to_string(here.join("notes")).unwrap(), "not a key");
}

#[test]
fn every_identity_that_is_listed_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let all = run(here, "", &["explain", "--format", "json"]).with(0).json();
    let items = all["items"].as_array().unwrap();
    assert_eq!(items.iter().filter(|item| item["kind"] == "criterion").count(), 13);
    for id in ["9", "tls", "cfg-001", "exit-75", "switch"] {
        run(here, "", &["explain", id]).with(0);
    }
    run(here, "", &["explain", "MIG-FK-ORPHAN"]).with(0).says(&["quarantine", "golive migrate survey"]);
    run(here, "", &["explain", "nonsense"]).with(2).says(&["lists all"]);
}

/// Whatever stands in the code as an identity can be printed, and whoever meets it asks for it.
#[test]
fn every_identity_in_the_code_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let all = run(folder.path(), "", &["explain", "--format", "json"]).with(0).json();
    let items = all["items"].as_array().unwrap();
    let known: std::collections::BTreeSet<&str> =
        items.iter().map(|item| item["id"].as_str().unwrap()).collect();
    let mut used = std::collections::BTreeSet::new();
    ids_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), &mut used);
    assert!(used.len() > 150, "only {} were found: {used:?}", used.len());
    let missing: Vec<&String> = used.iter().filter(|id| !known.contains(id.as_str())).collect();
    assert!(missing.is_empty(), "`golive explain` does not know {missing:?}");
}

fn ids_in(folder: &Path, found: &mut std::collections::BTreeSet<String>) {
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() && !path.ends_with("tests") && !path.ends_with("target") {
            ids_in(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.split("#[cfg(test)]").next().unwrap();
            let in_cache = path.components().any(|part| part.as_os_str() == "golive-cache");
            let prefixes = ["MIG-", "CFG-", "DEP-", "SCH-", "redis."];
            // A fact may be called redis.something too; the findings are those of the cache.
            for prefix in prefixes.into_iter().filter(|prefix| in_cache || *prefix != "redis.") {
                let opening = format!("\"{prefix}");
                let quoted = text.split(&opening).skip(1).filter_map(|rest| rest.split('"').next());
                let plain = |rest: &&str| {
                    rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
                };
                // `SCH-HALF` is the beginning of three.
                let whole =
                    quoted.filter(plain).map(|rest| format!("{prefix}{rest}")).filter(|id| id != "SCH-HALF");
                found.extend(whole);
            }
        }
    }
}

#[test]
fn init_looks_at_the_file_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    sqlite(&here.join("app.db"));
    let made = run(here, "", &["init", "--source", "app.db", "--name", "ledger"]).with(0);
    made.says(&["3 tables", "`users`"]);
    let text = std::fs::read_to_string(here.join("golive.toml")).unwrap();
    insta::assert_snapshot!(text);
    let config = golive::Config::read(&here.join("golive.toml")).expect("what init writes can be read");
    assert_eq!(config.accounts.unwrap().table, "users");
    assert_eq!(config.tenants.unwrap().table, "company");
    run(here, "", &["migrate", "survey"]).with(0).says(&["3 tables"]);
    run(here, "", &["init", "--source", "app.db"]).with(2).says(&["exists already"]);
    assert_eq!(std::fs::read_to_string(here.join("golive.toml")).unwrap(), text);
}

#[test]
fn what_is_rendered_for_a_service_passes_the_audit_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    std::fs::write(
        here.join("golive.toml"),
        "[application]\nname = \"Line Tracker\"\n[application.commands]\nserve = [\"/usr/local/bin/app\"]\n\
         [environment]\nAPP_ENV = \"production\"\nSECRET_KEY = \"{secret_key}\"\n\
         [deploy]\nruleset = \"2026.1\"\n",
    )
    .unwrap();
    for (kind, file) in
        [("dockerfile", "Dockerfile"), ("compose", "compose.yml"), ("unit", "app.service"), ("env", "env")]
    {
        let render = ["deploy", "render", kind, "--language", "rust", "--output", file];
        run(here, "", &render).with(0);
        run(here, "", &render).with(0);
        run(here, "", &[&render[..], &["--diff"]].concat()).with(0).says(&["is as rendered"]);
        let text = std::fs::read_to_string(here.join(file)).unwrap();
        std::fs::write(here.join(file), text.replacen("golive", "by hand", 1)).unwrap();
        run(here, "", &render).with(2).says(&["--diff", "--overwrite"]);
        let shown = run(here, "", &[&render[..], &["--diff"]].concat()).with(10);
        shown.says(&["-# Rendered by by hand", "+# Rendered by golive"]);
        assert!(std::fs::read_to_string(here.join(file)).unwrap().contains("by hand"), "{kind}");
        run(here, "", &[&render[..], &["--overwrite"]].concat()).with(0);
        assert_eq!(std::fs::read_to_string(here.join(file)).unwrap(), text, "{kind}");
    }
    let audit = ["deploy", "audit", "Dockerfile", "compose.yml", "--deny-warnings", "--sarif", "out.sarif"];
    run(here, "", &audit).with(0);
    let log: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(here.join("out.sarif")).unwrap()).unwrap();
    assert_eq!(log["version"], "2.1.0");
    run(here, "", &["deploy", "render", "unit", "--language", "node", "--", "app"])
        .with(2)
        .says(&["command"]);
}

#[test]
fn what_is_rendered_passes_the_audit_and_a_bad_file_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    let render = [
        "deploy",
        "render",
        "nginx",
        "--server-name",
        "app.example.com",
        "--upstream",
        "127.0.0.1:8000",
        "--certificate",
        "/etc/tls/chain.pem",
        "--key",
        "/etc/tls/key.pem",
        "--output",
        "site.conf",
    ];
    run(here, "", &render).with(0);
    run(here, "", &["deploy", "audit", "site.conf", "--deny-warnings"]).with(0);
    std::fs::write(here.join("Dockerfile"), "FROM debian:latest\nENV SECRET_KEY=abc\nUSER root\n").unwrap();
    run(here, "", &["deploy", "audit", "Dockerfile"]).with(10).says(&["Dockerfile:", "DEP-"]);
    std::fs::write(
        here.join("app.env"),
        "ENVIRONMENT=production\nDEBUG=true\nSECRET_KEY=dev-secret-planted\n",
    )
    .unwrap();
    let checked = run(here, "", &["deploy", "check-config", "app.env"]).with(10);
    checked.says(&["CFG-"]);
    assert!(!checked.all().contains("dev-secret-planted"));
    run(here, "", &["deploy", "audit", "absent.conf"]).with(12);
    run(here, "", &["deploy", "audit", "letter.odt"]).with(2);
}

#[test]
fn the_report_is_served_to_this_machine_only() {
    let folder = tempfile::tempdir().unwrap();
    run(folder.path(), "", &["serve", "--listen", "0.0.0.0:0"]).with(2).says(&["use a loopback address"]);
}

#[test]
fn the_error_journal_is_shown_and_a_missing_one_is_no_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    run(here, "", &["observe", "errors", "--journal", "absent.jsonl"]).with(12).says(&["absent.jsonl"]);
    run(here, "", &["observe", "errors"]).with(2);
    let lines: String = (1..=30)
        .map(|number| {
            format!(
                "{{\"timestamp\":\"2026-11-26T05:00:00Z\",\"level\":\"error\",\"message\":\"lost {number}\",\
                 \"exceptions\":[\"Io: gone \\u001b[2J\"],\"location\":\"src/a.rs:3\",\"client_id\":\"ACME\"}}\n"
            )
        })
        .collect();
    std::fs::write(here.join("errors.jsonl"), lines + "{\"message\":\"cut").unwrap();
    let shown = run(here, "", &["observe", "errors", "--journal", "errors.jsonl", "--last", "2"]).with(0);
    shown.says(&["lost 29\n", "lost 30\n    Io: gone", "at src/a.rs:3, client ACME", "2 of 30 errors"]);
    assert!(!shown.all().contains("lost 28") && !shown.all().contains('\u{1b}'));
    let document = ["observe", "errors", "--journal", "errors.jsonl", "--format", "json"];
    let document = run(here, "", &document).with(0).json();
    assert_eq!((&document["total"], document["errors"].as_array().unwrap().len()), (&30.into(), 20));
}

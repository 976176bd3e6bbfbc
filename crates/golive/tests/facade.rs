//! A service that asks for one part gets that part: each feature brings its crate, none of the others, and nothing heavy that the
//! crate does not need.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::collections::BTreeSet;
use std::process::Command;

/// Every package that `golive` with these features alone would compile.
#[expect(clippy::disallowed_methods, reason = "the one place of this test that starts a program")]
fn packages(arguments: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args([
            "tree",
            "--package",
            "golive",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--locked",
            "--offline",
        ])
        .args(arguments)
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn with(features: &str) -> BTreeSet<String> {
    packages(&["--no-default-features", "--features", features])
}

fn ours(packages: &BTreeSet<String>) -> Vec<&str> {
    packages.iter().filter_map(|name| name.strip_prefix("golive-")).collect()
}

const PARTS: [&str; 9] =
    ["auth", "backup", "cache", "deploy", "gate", "load", "migrate", "observe", "sandbox"];

#[test]
fn each_feature_brings_its_crate_alone_and_nothing_heavy_that_it_does_not_need() {
    // What takes long to compile, with the parts that stand on it.
    let heavy: [(&str, &[&str]); 9] = [
        ("tokio", &["auth", "backup", "cache", "deploy", "load", "migrate", "observe", "sandbox"]),
        ("sqlx", &["auth", "backup", "load", "migrate"]),
        ("sea-orm", &["auth", "migrate"]),
        ("mysql_async", &["migrate"]),
        ("rusqlite", &["migrate"]),
        ("hyper", &["backup", "load", "observe", "sandbox"]),
        ("axum", &["observe"]),
        ("opentelemetry", &["observe"]),
        ("fred", &["cache"]),
    ];
    for part in PARTS {
        let packages = with(part);
        assert_eq!(ours(&packages), [part]);
        for (name, users) in heavy {
            assert_eq!(packages.contains(name), users.contains(&part), "{name} with the feature {part}");
        }
    }
}

#[test]
fn features_add_up_and_the_flow_has_them_all() {
    let nothing: [&str; 0] = [];
    assert_eq!(ours(&packages(&["--no-default-features"])), nothing);
    assert_eq!(ours(&packages(&[])), PARTS);
    let both = with("auth,cache");
    assert_eq!(ours(&both), ["auth", "cache"]);
    assert!(both.contains("fred") && !with("auth").contains("fred"));
    assert!(!with("auth").contains("axum") && with("auth,axum").contains("axum"));
    assert!(!with("cache").contains("tower") && with("cache,axum").contains("tower"));
    // No crate comes in by a layer of one that was not chosen.
    assert_eq!(ours(&with("axum")), nothing);
}

//! Each rule about sources with a text that breaks it and one that keeps it.

use super::*;

fn file(path: &str, text: &str) -> TextFile {
    TextFile { path: path.to_owned(), text: text.to_owned() }
}

fn found(path: &str, text: &str) -> Vec<String> {
    check(&[file(path, text)]).iter().map(ToString::to_string).collect()
}

const PATH: &str = "crates/golive-x/src/a.rs";

#[test]
fn a_tidy_file_has_no_findings() {
    assert!(found(PATH, "//! A room.\n\n#[expect(dead_code, reason = \"shown\")]\nfn a() {}\n").is_empty());
}

#[test]
fn a_head_is_asked_for() {
    assert!(
        found(PATH, "use std::fs;\n")[0].starts_with("crates/golive-x/src/a.rs:1: begin the file with `//!`")
    );
    assert!(found(PATH, "\n//! Fine.\n").is_empty());
}

#[test]
fn long_files_are_found_and_the_limit_itself_is_not() {
    let long = format!("//! Long.\n{}", "fn a() {}\n".repeat(600));
    assert!(found(PATH, &long)[0].contains("601 lines"));
    let limit = format!("//! Long.\n{}", "fn a() {}\n".repeat(599));
    assert!(found(PATH, &limit).is_empty());
}

#[test]
fn unfinished_code_is_found_also_in_tests_but_not_in_text() {
    for needle in UNFINISHED {
        let text = format!("//! A.\nfn a() {{\n    {needle}\n}}\n");
        assert_eq!(found("crates/golive-x/tests/a.rs", &text).len(), 1, "{needle}");
        let text = format!("//! A.\n// {needle}\nconst A: &str = \"{needle}\";\n");
        assert!(found("crates/golive-x/tests/a.rs", &text).is_empty(), "{needle}");
    }
}

#[test]
fn unwraps_are_found_in_production_code_only() {
    let text = "//! A.\nfn a() {\n    b().unwrap();\n}\n#[cfg(test)]\nmod tests {\n    fn c() { d().unwrap(); }\n}\n";
    let findings = found(PATH, text);
    assert_eq!(findings.len(), 1);
    assert!(findings[0].starts_with("crates/golive-x/src/a.rs:3: `.unwrap()`"), "{findings:?}");
    assert!(found("crates/golive-x/tests/a.rs", text).is_empty());
    assert!(found("xtask/src/a.rs", text).is_empty());
}

#[test]
fn a_test_module_in_a_file_of_its_own_may_unwrap() {
    let files = [
        file("crates/golive-x/src/lib.rs", "//! A.\n#[cfg(test)]\nmod far;\nmod near;\n"),
        file("crates/golive-x/src/far.rs", "//! A.\nfn a() { b().unwrap(); }\n"),
        file("crates/golive-x/src/far/deep.rs", "//! A.\nfn a() { b().unwrap(); }\n"),
        file("crates/golive-x/src/near.rs", "//! A.\n#[cfg(test)]\nmod tests;\nfn a() {}\n"),
        file("crates/golive-x/src/near/tests.rs", "//! A.\nfn a() { b().unwrap(); }\n"),
        file("crates/golive-x/src/farther.rs", "//! A.\nfn a() { b().unwrap(); }\n"),
    ];
    let findings = check(&files);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].file, "crates/golive-x/src/farther.rs");
}

#[test]
fn lint_exceptions_need_a_reason() {
    let text =
        "//! A.\n#[expect(dead_code)]\nfn a() {}\n#![allow(\n    dead_code,\n)]\nfn b(c: [allow(1); 1]) {}\n";
    let findings = found(PATH, text);
    assert_eq!(findings.len(), 2);
    assert!(findings[0].starts_with("crates/golive-x/src/a.rs:2: say why"), "{findings:?}");
}

#[test]
fn machine_paths_are_found_anywhere_unless_excused() {
    for path in MACHINE_PATHS {
        assert_eq!(found("docs/a.md", &format!("see {path}x\n")).len(), 1, "{path}");
        assert!(found("docs/a.md", &format!("/srv{path}x and https://host{path}x\n")).is_empty(), "{path}");
        assert!(found("docs/a.md", &format!("{path}x # {PATH_REASON} of the image\n")).is_empty(), "{path}");
        assert!(found("docs/a.md", &format!("# {PATH_REASON} of the image\n{path}x\n")).is_empty(), "{path}");
        assert_eq!(found("docs/a.md", &format!("# {PATH_REASON} b\n\n{path}x\n")).len(), 1, "{path}");
    }
}

#[test]
fn marks_british_words_and_tracker_numbers_are_found() {
    for mark in MARKS {
        assert_eq!(found("a.toml", &format!("# {mark} later\n")).len(), 1, "{mark}");
    }
    for (british, american) in BRITISH {
        assert_eq!(found("README.md", &format!("the {british}s\n")).len(), 1, "{british}");
        assert!(found("README.md", &format!("the {american}s\n")).is_empty(), "{american}");
        assert!(found("README.md", &format!("[\"{british}\"]\n")).is_empty(), "{british}");
    }
    assert_eq!(found("a.toml", &format!("# see {}7\n", concat!("iss", "ue #"))).len(), 1);
}

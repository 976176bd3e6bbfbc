//! The table of rules, the code and these tests name the same rules.

use std::collections::BTreeSet;
use std::path::Path;

use golive_deploy::rules;

fn named_in(folder: &Path, skip: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() && !entry.ends_with(skip) {
            named_in(&entry, skip, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&entry).expect("source");
            for prefix in ["\"CFG-", "\"DEP-"] {
                let ids = text.match_indices(prefix).filter_map(|(at, _)| text.get(at + 1..at + 8));
                found.extend(
                    ids.filter(|id| id[4..].bytes().all(|byte| byte.is_ascii_digit())).map(str::to_owned),
                );
            }
        }
    }
}

#[test]
fn every_rule_is_used_has_a_text_and_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table: BTreeSet<String> = rules().map(|rule| rule.id.to_owned()).collect();
    let (mut used, mut tested) = (BTreeSet::new(), BTreeSet::new());
    named_in(&root.join("src"), "explain", &mut used);
    // Named in the tests of the table only.
    used.remove("CFG-999");
    named_in(&root.join("tests"), "fixtures", &mut tested);
    assert_eq!(used.difference(&table).collect::<Vec<_>>(), Vec::<&String>::new(), "used without a text");
    assert_eq!(table.difference(&used).collect::<Vec<_>>(), Vec::<&String>::new(), "never used");
    let untested: Vec<&String> = table.difference(&tested).collect();
    assert_eq!(untested, Vec::<&String>::new(), "without a test on a whole file");
}

#[test]
fn every_text_says_why_and_what_to_do() {
    for rule in rules() {
        for text in [rule.title, rule.why, rule.remedy] {
            assert!(text.len() >= 7 && !text.ends_with('.'), "{}: {text:?}", rule.id);
        }
    }
}

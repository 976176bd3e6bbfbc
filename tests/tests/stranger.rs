//! Somebody's own database, of which golive knows nothing: no `golive.toml`, odd names, odd values.

use golive_tests::{Document, Platform, leftovers, sqlite};

#[test]
fn heavy_a_stranger_s_database_is_migrated_and_the_application_s_criteria_stay_unknown() {
    let platform = Platform::empty();
    let source = platform.path("any.db");
    sqlite(&source, ODD);
    let before = std::fs::read(&source).unwrap();
    let ended = platform.golive(&["rehearse", "--format", "json", "--source", source.to_str().unwrap()]);
    let report = Document::of(&ended);
    assert_eq!(ended.code, Some(10), "{}{ended}", report.trouble());
    assert_eq!(report.verdict(), "inconclusive", "{}", report.trouble());
    let mut criteria = report.criteria();
    assert_eq!(criteria.remove(&4).unwrap(), "pass", "the migration: {}", report.trouble());
    for number in [1, 2, 3, 5, 6, 7, 10, 12] {
        assert_eq!(criteria[&number], "unknown", "criterion {number}: {}", report.trouble());
    }
    assert!(!criteria.values().any(|status| status == "fail"), "{}", report.trouble());
    for criterion in report.value["criteria"].as_array().unwrap() {
        if criterion["status"] == "unknown" {
            let actual = criterion["actual"].as_str().unwrap();
            assert!(actual.len() > 10, "criterion {} gives no reason: {actual}", criterion["number"]);
        }
    }
    let why = report.trouble();
    for section in ["[accounts]", "[tenants]", "[environment]", "[[ci]]"] {
        assert!(why.contains(section), "nobody says that {section} is missing: {why}");
    }
    let verify = report.steps().iter().find(|step| step["id"] == "verify").unwrap();
    let rows = verify["proof"]
        .as_array()
        .unwrap()
        .iter()
        .find(|fact| fact["key"] == "migrate.rows_verified")
        .unwrap();
    assert_eq!(rows["value"], 15, "{verify}");
    assert_eq!(std::fs::read(&source).unwrap(), before, "the source was changed");
    assert_eq!(leftovers(platform.root()), [], "something still runs");
}

/// Reserved words and odd letters as names, blobs, decimals as text, a cycle of foreign keys, a self reference, no primary key.
const ODD: &str = r#"
CREATE TABLE "order" ("select" INTEGER PRIMARY KEY, "group by" TEXT NOT NULL, "Größe" DECIMAL(10,4), "a`b" BLOB);
INSERT INTO "order" VALUES (1, 'it''s', '12.3400', x'00ff0a1a5c27'), (2, '日本語 🚀', '-0.0001', NULL), (3, '', NULL, x'');
CREATE TABLE "key" (id TEXT PRIMARY KEY NOT NULL, "table" INTEGER REFERENCES "order" ("select"), price TEXT);
INSERT INTO "key" VALUES ('a', 1, '1.10'), ('A', 2, '1.100'), ('a ', NULL, '99999999999999999999.999999999');
CREATE TABLE hen (id INTEGER PRIMARY KEY, egg_id INTEGER REFERENCES egg (id), name VARCHAR(20) UNIQUE);
CREATE TABLE egg (id INTEGER PRIMARY KEY, hen_id INTEGER REFERENCES hen (id), laid_at DATETIME);
INSERT INTO hen VALUES (1, 2, 'Berta'), (2, 1, 'berta'), (3, NULL, NULL);
INSERT INTO egg VALUES (1, 2, '2026-01-15 06:00:00.123456'), (2, 1, '2026-01-15 06:00:00');
CREATE TABLE tree (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES tree (id), flag BOOLEAN, ratio REAL);
INSERT INTO tree VALUES (1, NULL, 1, 0.1), (2, 1, 0, -1e300);
CREATE TABLE loose (what TEXT, "when" DATE);
INSERT INTO loose VALUES ('same', '2026-02-28'), ('same', '2026-02-28');
"#;

//! Digests, samples, ranges and the recorded state, on a real server: what each finds, and what none may let pass.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use chrono::DateTime;
use golive_migrate::{
    ChangeKind, CopyOptions, Method, MismatchKind, Sample, SampleSize, Source, Target, Verdict, Verification,
    VerifyError, VerifyOptions, record, verify, verify_recorded,
};
use golive_sandbox::MariaDb;

/// A table with a column of every kind, one with a key of two parts, and one without a key.
const EVERY_KIND: &str = "
CREATE TABLE kinds (id INTEGER PRIMARY KEY, flag BOOLEAN, price DECIMAL(12,4), bare NUMERIC, real_ REAL, name VARCHAR(40), long_ TEXT,
  made DATETIME, day DATE, at TIME, doc JSON, raw BLOB, uid UUID);
CREATE TABLE parts (code VARCHAR(20) NOT NULL, line INTEGER NOT NULL, note TEXT, PRIMARY KEY (code, line)) WITHOUT ROWID;
CREATE TABLE loose (a INTEGER, b TEXT, c REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
INSERT INTO kinds SELECT i * 3, i % 2, (i * 7919 % 100000) / 100.0 - 500, i * 0.001, i / 7.0 - 200, CASE WHEN i % 11 THEN 'name ' || i END,
  'text, with ''quotes'' and \u{e9}\u{1F600} ' || i || char(9) || ':', datetime(1700000000 + i * 61, 'unixepoch') || '.' || substr('000000' || i, -6),
  date(1700000000 + i * 86400, 'unixepoch'), time(i, 'unixepoch'), '{\"i\": ' || i || '}', randomblob(i % 20), randomblob(16) FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO parts SELECT 'part ' || (i % 90), i, CASE WHEN i % 5 THEN 'note ' || i END FROM n;
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
INSERT INTO loose SELECT i % 40, 'b' || (i % 40), (i % 40) / 3.0 FROM n;
UPDATE kinds SET real_ = -0.0, price = 0, bare = 8.0 WHERE id = 30;
UPDATE kinds SET real_ = 5e-324 WHERE id = 33;
UPDATE kinds SET real_ = 1.7976931348623157e308 WHERE id = 36;
";

struct Migrated {
    _folder: tempfile::TempDir,
    db: MariaDb,
    source: Source,
    target: Target,
}

async fn migrated(sql: &str) -> Migrated {
    let folder = tempfile::tempdir().unwrap();
    let source = Source::open(&support::sqlite(folder.path(), &format!("BEGIN; {sql} COMMIT;"))).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, _, verification) = support::migrate(&source, &target, &CopyOptions::default()).await;
    assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    Migrated { _folder: folder, db, source, target }
}

impl Migrated {
    fn change(&self, sql: &str) {
        self.db.execute(&format!("USE app; SET foreign_key_checks = 0; {sql}")).unwrap();
    }

    async fn verify(&self, method: Method) -> Verification {
        let mut options = VerifyOptions::default();
        options.method = method;
        verify(&self.source, &self.target, &options, &|_| {}).await.unwrap()
    }
}

fn digests(chunk_rows: u64) -> Method {
    Method::Digests { chunk_rows }
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_pass_what_is_equal_and_find_a_shift_in_every_chunk_and_one_flipped_cell() {
    let it = migrated(EVERY_KIND).await;
    let whole = it.verify(Method::Rows).await;
    let equal = it.verify(digests(500)).await;
    assert_eq!(equal.verdict, Verdict::Match, "{equal:#?}");
    assert!(equal.verified().is_some(), "digests of everything prove");
    let kinds = &equal.tables[0];
    assert_eq!((kinds.name.as_str(), kinds.chunks, kinds.chunks_differing), ("kinds", 7, 0));
    assert_eq!(equal.rows, 5500);

    // Two hours, every row: what an exclusive or of CRCs did not see.
    it.change("UPDATE kinds SET made = made + INTERVAL 2 HOUR");
    let shifted = it.verify(digests(100)).await;
    assert_eq!((shifted.tables[0].chunks, shifted.tables[0].chunks_differing), (31, 30));
    assert!(shifted.tables[0].mismatches.iter().all(|one| one.column.as_deref() == Some("made")));
    assert_eq!(shifted.verdict, Verdict::Mismatch);
    it.change("UPDATE kinds SET made = made - INTERVAL 2 HOUR");

    for (column, value) in [
        ("flag", "1 - flag"),
        ("price", "price + 0.0001"),
        ("bare", "bare + 0.001"),
        ("real_", "real_ * (1 + 3e-16)"),
        ("name", "CONCAT(name, ' ')"),
        ("long_", "NULL"),
        ("made", "made + INTERVAL 1 MICROSECOND"),
        ("day", "day + INTERVAL 1 DAY"),
        ("at", "at + INTERVAL 1 SECOND"),
        ("doc", "CONCAT(doc, ' ')"),
        ("raw", "CONCAT(raw, x'00')"),
        ("uid", "REVERSE(uid)"),
    ] {
        it.change(&format!("CREATE TABLE _golive_kept AS SELECT * FROM kinds WHERE id = 4500; UPDATE kinds SET {column} = {value} WHERE id = 4500"));
        let found = it.verify(digests(500)).await;
        let table = &found.tables[0];
        assert_eq!((table.mismatch_count, table.chunks_differing), (1, 1), "{column}: {table:#?}");
        assert_eq!(table.mismatches[0].key, "id=4500");
        assert_eq!(table.mismatches[0].column.as_deref(), Some(column));
        it.change("REPLACE INTO kinds SELECT * FROM _golive_kept; DROP TABLE _golive_kept");
    }
    it.change("DELETE FROM parts WHERE line = 77; INSERT INTO parts VALUES ('part 5', 9999, NULL); UPDATE loose SET c = 9 WHERE a = 3 LIMIT 1");
    let found = it.verify(digests(500)).await;
    let of = |name: &str| found.tables.iter().find(|table| table.name == name).unwrap();
    let kinds_of: Vec<MismatchKind> = of("parts").mismatches.iter().map(|one| one.kind).collect();
    assert_eq!(kinds_of, [MismatchKind::OnlyInTarget, MismatchKind::MissingInTarget], "{:#?}", of("parts"));
    assert_eq!(of("loose").mismatches[0].column.as_deref(), Some("c"));
    assert!(whole.bytes_from_target > 400_000, "{}", whole.bytes_from_target);
}

#[tokio::test(flavor = "multi_thread")]
async fn digests_send_a_small_part_of_the_data() {
    let it = migrated(
        "CREATE TABLE wide (id INTEGER PRIMARY KEY, a TEXT, b TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO wide SELECT i, hex(randomblob(40)), hex(randomblob(40)) FROM n;",
    )
    .await;
    let streamed = it.verify(Method::Rows).await.bytes_from_target;
    let digested = it.verify(digests(1000)).await;
    assert_eq!(digested.verdict, Verdict::Match);
    assert!(streamed > 3_000_000, "{streamed}");
    assert!(digested.bytes_from_target * 50 < streamed, "{} of {streamed}", digested.bytes_from_target);
    it.change("UPDATE wide SET b = 'x' WHERE id = 12345");
    let found = it.verify(digests(1000)).await;
    assert_eq!(found.tables[0].mismatches[0].key, "id=12345");
    assert!(found.bytes_from_target * 20 < streamed, "{} of {streamed}", found.bytes_from_target);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sample_says_so_and_proves_nothing() {
    let it = migrated(
        "CREATE TABLE wide (id INTEGER PRIMARY KEY, a TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO wide SELECT i, 'text ' || i FROM n;",
    )
    .await;
    let sample = |size, seed| Method::Sample(Sample::new(size, seed));
    let seen = it.verify(sample(SampleSize::Percent(20.0), 1)).await;
    assert_eq!(seen.verdict, Verdict::SampleMatch);
    assert!(seen.verified().is_none(), "no switch follows from a sample");
    let sampled = seen.sample.clone().unwrap();
    assert_eq!((sampled.seed, sampled.of_rows), (1, 20_000));
    assert!((4000..=5000).contains(&sampled.rows), "{sampled:?}");
    assert_eq!(seen.rows, sampled.rows, "what was not compared is not counted as compared");
    assert_eq!((seen.tables[0].rows_source, seen.tables[0].rows_target), (20_000, 20_000));

    // Whatever is chosen differs; and one row alone is found by some seeds and not by others.
    it.change("UPDATE wide SET a = 'x' WHERE id = 777");
    let mut found = 0;
    for seed in 0..10 {
        let seen = it.verify(sample(SampleSize::Rows(10_000), seed)).await;
        let again = it.verify(sample(SampleSize::Rows(10_000), seed)).await;
        assert_eq!(seen.tables, again.tables, "the seed decides");
        found += usize::from(seen.verdict == Verdict::Mismatch);
    }
    assert!((1..10).contains(&found), "{found} of 10");
    it.change("DELETE FROM wide WHERE id = 20000");
    let seen = it.verify(sample(SampleSize::Rows(1), 1)).await;
    assert_eq!(seen.verdict, Verdict::Mismatch, "rows are counted in full");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_read_in_ranges_loses_no_row_at_their_ends() {
    let it = migrated(
        "CREATE TABLE big (id INTEGER PRIMARY KEY, v INTEGER);
         CREATE TABLE pairs (a TEXT NOT NULL, b INTEGER NOT NULL, PRIMARY KEY (a, b)) WITHOUT ROWID;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 260000)
         INSERT INTO big SELECT i * 2, i FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 130000)
         INSERT INTO pairs SELECT 'k' || (i % 7), i FROM n;",
    )
    .await;
    // The ends of the ranges, the ends of the table, and beyond them.
    it.change(
        "UPDATE big SET v = 0 WHERE id IN (2, 250000, 250002, 500000, 500002, 520000);
         DELETE FROM big WHERE id IN (4, 249998); INSERT INTO big VALUES (-1, 0), (250001, 0), (600000, 0);
         DELETE FROM pairs WHERE b IN (7, 129999); INSERT INTO pairs VALUES ('', 0), ('k3', 0), ('z', 0)",
    );
    let mut options = VerifyOptions::default();
    for connections in [1, 2, 3] {
        options.connections = connections;
        let found = verify(&it.source, &it.target, &options, &|_| {}).await.unwrap();
        let (big, pairs) = (&found.tables[0], &found.tables[1]);
        assert_eq!((big.rows_source, big.rows_target), (260_000, 260_001), "{connections}");
        assert_eq!(big.mismatch_count, 11, "{big:#?}");
        assert_eq!((pairs.rows_source, pairs.mismatch_count), (130_000, 5), "{pairs:#?}");
    }
    it.change("DELETE FROM pairs; DELETE FROM big");
    let none = verify(&it.source, &it.target, &options, &|_| {}).await.unwrap();
    assert_eq!(none.mismatch_count(), 390_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_verification_ends_without_a_verdict() {
    let it = migrated(EVERY_KIND).await;
    let mut options = VerifyOptions::default();
    options.cancel.cancel();
    for method in [Method::Rows, digests(100)] {
        options.method = method;
        let ended = verify(&it.source, &it.target, &options, &|_| {}).await;
        assert!(matches!(ended, Err(VerifyError::Cancelled)), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn days_later_the_recorded_state_tells_added_changed_and_deleted_rows() {
    let it = migrated(EVERY_KIND).await;
    let options = VerifyOptions::default();
    let nothing = verify_recorded(&it.target, &options).await;
    assert!(matches!(nothing, Err(VerifyError::NothingRecorded { .. })), "{nothing:?}");
    let proof = it.verify(Method::Rows).await.verified().unwrap();
    let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let recorded = record(&it.source, &it.target, &proof, &options, now, &|_| {}).await.unwrap();
    assert_eq!((recorded.tables, recorded.rows), (3, 5500));
    assert_eq!(
        it.verify(Method::Rows).await.verdict,
        Verdict::Match,
        "the record is no table of the application"
    );

    let kept = verify_recorded(&it.target, &options).await.unwrap();
    assert_eq!(kept.verdict, Verdict::Match, "{kept:#?}");
    assert_eq!((kept.added(), kept.lost(), kept.recorded_at), (0, 0, now));
    assert_eq!(kept.record_digest, recorded.digest);

    it.change(
        "INSERT INTO kinds (id, name) VALUES (20000, 'new'), (4, 'between'); INSERT INTO parts VALUES ('new', 1, NULL);
         INSERT INTO loose VALUES (1000, 'new', NULL)",
    );
    let grown = verify_recorded(&it.target, &options).await.unwrap();
    assert_eq!((grown.verdict, grown.added(), grown.lost()), (Verdict::Match, 4, 0), "{grown:#?}");

    it.change(
        "UPDATE kinds SET price = price + 1 WHERE id = 300; DELETE FROM kinds WHERE id = 9;
         UPDATE parts SET note = 'other' WHERE code = 'part 10' AND line = 10; DELETE FROM loose WHERE a = 7 LIMIT 1;
         ALTER TABLE parts ADD COLUMN extra INT",
    );
    let lost = verify_recorded(&it.target, &options).await.unwrap();
    assert_eq!(lost.verdict, Verdict::Mismatch);
    let of = |name: &str| lost.tables.iter().find(|table| table.name == name).unwrap();
    let named = |name: &str| -> Vec<(ChangeKind, String)> {
        of(name).changes.iter().map(|one| (one.kind, one.key.clone())).collect()
    };
    assert_eq!(
        named("kinds"),
        [(ChangeKind::Changed, "id=300".to_owned()), (ChangeKind::Deleted, "id=9".to_owned())]
    );
    assert_eq!(named("parts"), [(ChangeKind::Changed, "code=part 10, line=10".to_owned())]);
    assert_eq!((of("loose").deleted, of("loose").added), (1, 1));
    assert!(of("parts").columns.is_empty(), "a column more is no loss");

    it.change("ALTER TABLE parts DROP COLUMN note; DROP TABLE loose");
    let gone = verify_recorded(&it.target, &options).await.unwrap();
    assert!(
        gone.tables.iter().filter(|table| table.name != "kinds").all(|table| !table.is_kept()),
        "{gone:#?}"
    );
}

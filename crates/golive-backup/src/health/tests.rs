//! Judgements of repositories that never were: plain data, no disk.

use super::*;
use crate::inventory::Inventory;
use crate::manifest::{Content, DatabaseFacts, Part, PhysicalFacts, SnapshotMethod, TableFacts};

fn day(day: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_348_800 + day * 86_400, 0).unwrap()
}

fn manifest(sequence: u32, at: DateTime<Utc>, bytes: u64, rows: u64) -> Manifest {
    let part = Part {
        name: "dump".to_owned(),
        bytes,
        blake3: String::new(),
        plain_bytes: bytes,
        plain_blake3: String::new(),
    };
    Manifest {
        format: 1,
        id: BackupId::new(sequence, at),
        created_at: at,
        duration_seconds: 1.0,
        golive_version: String::new(),
        recipients: Vec::new(),
        parts: vec![part],
        content: Content::Database(Box::new(DatabaseFacts {
            name: "kpi".to_owned(),
            character_set: String::new(),
            collation: String::new(),
            server_version: String::new(),
            tool_version: String::new(),
            snapshot: SnapshotMethod::Locked,
            lock_milliseconds: 0,
            binlog: None,
            inventory: Inventory::default(),
            digest_method: String::new(),
            tables: vec![TableFacts {
                name: "t".to_owned(),
                rows,
                digest: String::new(),
                rounded_digest: None,
                sample: None,
                floats: None,
            }],
            own_name_only: false,
            accounts: None,
            data_bytes: None,
            notes: Vec::new(),
        })),
    }
}

fn scan(sizes: &[(u64, u64)]) -> Scan {
    let backups = sizes.iter().enumerate().map(|(index, (bytes, rows))| {
        let at = day(index as i64);
        let proof = Proof::new(at, ProofLevel::Restored, true, "");
        (manifest(u32::try_from(index).unwrap() + 1, at, *bytes, *rows), vec![proof])
    });
    Scan { backups: backups.collect(), damaged: Vec::new() }
}

fn judged(scan: &Scan, now: DateTime<Utc>) -> Vec<HealthFinding> {
    judge_health(scan, &[], None, "kpi", &Expectations::new(), now).findings
}

#[test]
fn what_is_as_usual_is_good_and_each_thing_that_is_not_is_found() {
    let usual = scan(&[(1000, 50), (1010, 51), (1020, 52)]);
    assert_eq!(judged(&usual, day(2)), []);
    assert!(matches!(judged(&usual, day(4))[..], [HealthFinding::Late { hours: 48, .. }]));
    let late = judged(&usual, day(12));
    assert!(late.iter().any(|finding| matches!(finding, HealthFinding::Unverified { hours: Some(240) })));
    assert!(matches!(judged(&usual, day(-300))[0], HealthFinding::Future { .. }), "the clock was set back");
    assert_eq!(judged(&scan(&[]), day(0)), [HealthFinding::None]);
    let shrunk = judged(&scan(&[(1000, 50), (1000, 50), (100, 2)]), day(2));
    assert!(matches!(
        shrunk[..],
        [HealthFinding::Shrank { what: "bytes", .. }, HealthFinding::Shrank { what: "rows", .. }]
    ));
    let grown = judged(&scan(&[(1000, 50), (1000, 50), (5000, 52)]), day(2));
    assert!(matches!(grown[..], [HealthFinding::Grew { what: "bytes", .. }]) && !grown[0].is_failure());
}

#[test]
fn failures_broken_backups_and_an_archive_behind_are_said() {
    let mut backups = scan(&[(1000, 50)]);
    let failed = [Attempt::new(day(0) + TimeDelta::hours(1), "kpi", "the disk is full")];
    let health = |scan: &Scan, attempts: &[Attempt], expected: &Expectations| {
        judge_health(scan, attempts, None, "kpi", expected, day(0) + TimeDelta::hours(2))
    };
    let findings = health(&backups, &failed, &Expectations::new()).findings;
    assert!(matches!(&findings[..], [HealthFinding::Failed { why, .. }] if why == "the disk is full"));
    let older = [Attempt::new(day(-1), "kpi", "long ago")];
    assert!(health(&backups, &older, &Expectations::new()).is_good(), "a backup came after it");
    backups.backups[0].1.push(Proof::new(day(0), ProofLevel::Bytes, false, "its BLAKE3 differs"));
    backups.damaged.push(DamagedEntry { name: "000009".to_owned(), reason: "no manifest".to_owned() });
    let mut expected = Expectations::new();
    expected.archive_lag = Some(TimeDelta::seconds(60));
    let health = health(&backups, &[], &expected);
    let texts: Vec<String> = health.findings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(format!("{}\n---\n{}", texts.join("\n"), health.metrics()));
    assert!(!health.is_good());
}

/// The same backup as one of the whole server.
fn as_files(mut manifest: Manifest, base: Option<&BackupId>) -> Manifest {
    if let Content::Database(facts) = manifest.content {
        manifest.content = Content::Physical(Box::new(PhysicalFacts {
            server_version: String::new(),
            tool_version: String::new(),
            base: base.cloned(),
            from_lsn: 0,
            to_lsn: 1,
            binlog: None,
            snapshot: SnapshotMethod::Locked,
            lock_milliseconds: 0,
            databases: vec![*facts],
        }));
    }
    manifest
}

#[test]
fn files_of_the_server_are_backups_of_its_databases_and_sizes_compare_among_their_kind() {
    let mut backups = scan(&[(1000, 50), (1000, 50), (9000, 51), (90, 52)]);
    let files = as_files(backups.backups[2].0.clone(), None);
    let changes = as_files(backups.backups[3].0.clone(), Some(&files.id));
    (backups.backups[2].0, backups.backups[3].0) = (files, changes);
    assert_eq!(judged(&backups, day(3)), []);
    let mut other = backups.clone();
    if let Content::Physical(facts) = &mut other.backups[3].0.content {
        facts.databases[0].name = "other".to_owned();
    }
    assert_eq!(judged(&other, day(3)), [], "the newest of this database is a day old");
    assert!(matches!(judged(&other, day(4))[..], [HealthFinding::Late { hours: 48, .. }]));
    let failed = [Attempt::new(day(3) + TimeDelta::hours(1), "", "the whole server")];
    let health = judge_health(&backups, &failed, None, "kpi", &Expectations::new(), day(4));
    assert!(matches!(health.findings[..], [HealthFinding::Failed { .. }]), "{health:?}");
}

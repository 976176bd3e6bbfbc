//! A copy's memory does not grow with the table, nor with its widest row. The copy runs in a process of its own, which
//! reports its own peak.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod support;

use std::path::Path;
use std::time::Duration;

use golive_migrate::{
    CopyError, CopyOptions, Plan, PlanOptions, Source, SurveyOptions, Target, TargetOptions, Verdict,
    add_constraints, copy, create_schema,
};
use golive_sandbox::{MariaDb, run_to_end};

const MIB: u64 = 1 << 20;

/// Not a test by itself: what the others start as a process. It prints its peak memory before and after the copy.
#[tokio::test(flavor = "multi_thread")]
async fn child() {
    let Some([file, url, infile]) = support::child_arguments() else { return };
    let source = Source::open(Path::new(&file)).unwrap();
    let mut how = TargetOptions::new(url.into());
    how.local_infile = infile == "infile";
    let target = Target::connect(&how).await.unwrap();
    let (_, plan) = support::plan(&source, &target).await;
    create_schema(&target, &plan).await.unwrap();
    // The survey reads the widest row too, so that its peak is no baseline: what is in use now is.
    let before = status("VmRSS");
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let report = copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    println!(
        "grown by {} KiB for {} rows by {}",
        status("VmHWM") - before.min(status("VmHWM")),
        report.rows,
        report.method
    );
}

fn status(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Copies in a process of its own; by how many bytes its peak grew.
fn growth(file: &Path, db: &MariaDb, infile: bool) -> u64 {
    let how = if infile { "infile" } else { "insert" };
    let spec = support::child("child", &[file.to_str().unwrap(), &db.url("app"), how]);
    let ended = run_to_end(spec, Duration::from_secs(300)).unwrap();
    assert!(ended.status.success(), "{}{}", ended.output, ended.errors);
    let said = ended.output.lines().find(|line| line.contains("grown by")).unwrap();
    let number = said.split("grown by ").nth(1).unwrap().split(' ').next().unwrap();
    number.parse::<u64>().unwrap() * 1024
}

#[test]
fn memory_does_not_grow_with_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    // More than twice what the copy may grow by: 400 bytes a row.
    let rows = support::setting("GOLIVE_MEMORY_ROWS", 400_000);
    let file = support::sqlite(
        folder.path(),
        &format!(
            "CREATE TABLE fact (id INTEGER PRIMARY KEY, name TEXT, amount REAL, note TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO fact SELECT i, 'name ' || i, i * 1.25, hex(i * 7919) || printf('%.350c', 'x') FROM n;"
        ),
    );
    for infile in [true, false] {
        let db = support::server();
        let grown = growth(&file, &db, infile);
        println!("{} MiB for {rows} rows, by LOAD DATA: {infile}", grown / MIB);
        assert!(grown < 64 * MIB, "{} MiB for {rows} rows", grown / MIB);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_much_wider_than_any_buffer_streams() {
    let folder = tempfile::tempdir().unwrap();
    let width = support::setting("GOLIVE_MEMORY_BLOB_MIB", 20) * MIB;
    let file = support::sqlite(
        folder.path(),
        &format!(
            "CREATE TABLE scan (id INTEGER PRIMARY KEY, image BLOB, words TEXT);
             INSERT INTO scan VALUES (1, randomblob({width}), 'one'), (2, zeroblob({width}), 'two'),
                (3, randomblob(1000), 'three'), (4, NULL, hex(randomblob({width} / 4)));"
        ),
    );
    let source = Source::open(&file).unwrap();
    // LOAD DATA takes a row of any size, whatever the packet; only the survey's rule stands in the way of a small one.
    let packet = format!("max-allowed-packet={}", (2 * width).next_power_of_two());
    for infile in [true, false] {
        let db = support::server_with(&[&packet, "innodb-log-file-size=512M"]);
        let grown = tokio::task::block_in_place(|| growth(&file, &db, infile));
        println!("{} MiB for rows of {} MiB, by LOAD DATA: {infile}", grown / MIB, width / MIB);
        // By LOAD DATA the row is held once, by SQLite; by INSERT also as a parameter and as a packet.
        let times = if infile { 1 } else { 4 };
        assert!(grown < times * width + 64 * MIB, "{} MiB for rows of {} MiB", grown / MIB, width / MIB);
        let target = support::target(&db).await;
        let verification = support::check(&source, &target).await;
        assert_eq!(verification.verdict, Verdict::Match, "{verification:#?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn load_data_takes_a_row_larger_than_the_packet_and_insert_says_that_it_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let sql = "CREATE TABLE scan (id INTEGER PRIMARY KEY, image BLOB); INSERT INTO scan VALUES (1, x'00'), (7, randomblob(3000000));";
    let source = Source::open(&support::sqlite(folder.path(), sql)).unwrap();
    let db = support::server_with(&["max-allowed-packet=1M"]);
    let survey = golive_migrate::survey(&source, None, &SurveyOptions::default()).await.unwrap();
    let plan = Plan::new(&survey, &PlanOptions::default()).unwrap();
    let mut how = TargetOptions::new(db.url("app").into());
    how.local_infile = false;
    let by_insert = Target::connect(&how).await.unwrap();
    create_schema(&by_insert, &plan).await.unwrap();
    let refused = copy(&source, &by_insert, &plan, &CopyOptions::default(), &|_| {}).await;
    assert!(
        matches!(&refused, Err(CopyError::PacketTooSmall { key, packet_bytes: 1_048_576, .. }) if key == "id=7"),
        "{refused:?}"
    );
    let target = support::target(&db).await;
    copy(&source, &target, &plan, &CopyOptions::default(), &|_| {}).await.unwrap();
    add_constraints(&target, &plan).await.unwrap();
    assert_eq!(support::check(&source, &target).await.verdict, Verdict::Match);
}

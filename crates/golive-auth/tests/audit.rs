//! The audit trail: many who append at once, and everything that can be done to it afterwards.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use chrono::{DateTime, Utc};
use golive_auth::{AuditBreakKind, AuditEntry, AuditError, AuditHead, AuditTrail, SecretKey};
use golive_sandbox::{MariaDb, MariaDbOptions};
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, TransactionTrait};

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

async fn connect(url: &str, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).sqlx_logging(false);
    Database::connect(options).await.unwrap()
}

fn entry(i: u64) -> AuditEntry {
    let mut entry = AuditEntry::new("north.rosa", "deactivate", format!("user {i}"));
    entry.request_id = i.is_multiple_of(2).then(|| format!("req-{i}"));
    entry
}

async fn kind(trail: &AuditTrail, kept: Option<&AuditHead>) -> Option<(u64, AuditBreakKind)> {
    trail.verify(kept).await.unwrap().broken.map(|broken| (broken.entry, broken.kind))
}

/// Does something to the trail, sees it found, and puts it back.
async fn tampered(
    trail: &AuditTrail,
    db: &DatabaseConnection,
    deed: &str,
    undo: &str,
) -> Option<(u64, AuditBreakKind)> {
    db.execute_unprepared(deed).await.unwrap();
    let found = kind(trail, None).await;
    db.execute_unprepared(undo).await.unwrap();
    assert_eq!(kind(trail, None).await, None, "{undo}");
    found
}

async fn trail_holds(db: DatabaseConnection) {
    let trail = AuditTrail::new(db.clone());
    trail.create_tables().await.unwrap();
    trail.create_tables().await.unwrap();
    assert_eq!(trail.verify(None).await.unwrap().head.entries, 0);
    let tasks: Vec<_> = (0..40)
        .map(|i| {
            let trail = trail.clone();
            tokio::spawn(async move { trail.append(&entry(i), at(0)).await.unwrap() })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let whole = trail.verify(None).await.unwrap();
    assert_eq!((whole.head.entries, &whole.broken), (40, &None));
    let kept = whole.head;

    let rolled_back = db.begin().await.unwrap();
    trail.append_in(&rolled_back, &entry(41), at(1)).await.unwrap();
    rolled_back.rollback().await.unwrap();
    assert_eq!(trail.verify(Some(&kept)).await.unwrap().head, kept, "with its deed or not at all");
    let long = AuditEntry::new("x".repeat(191), "a", "t");
    assert!(matches!(trail.append(&long, at(1)).await, Err(AuditError::TooLong)));

    use AuditBreakKind::{Altered, Missing, Rewritten, Surplus};
    let changed = "UPDATE _golive_audit SET actor = 'somebody' WHERE seq = 7";
    let restored = "UPDATE _golive_audit SET actor = 'north.rosa' WHERE seq = 7";
    assert_eq!(tampered(&trail, &db, changed, restored).await, Some((7, Altered)));
    let moved = "UPDATE _golive_audit SET action = 'deactivat', target = CONCAT('e', target) WHERE seq = 7";
    let back = "UPDATE _golive_audit SET action = 'deactivate', target = SUBSTR(target, 2) WHERE seq = 7";
    assert_eq!(
        tampered(&trail, &db, moved, back).await,
        Some((7, Altered)),
        "a letter moved to the next column"
    );
    let out = "UPDATE _golive_audit SET seq = 1000 WHERE seq = 20";
    let fro = "UPDATE _golive_audit SET seq = 20 WHERE seq = 1000";
    assert_eq!(tampered(&trail, &db, out, fro).await, Some((20, Missing)));
    let cut = "UPDATE _golive_audit SET seq = -seq WHERE seq > 38";
    let uncut = "UPDATE _golive_audit SET seq = -seq WHERE seq < 0";
    assert_eq!(tampered(&trail, &db, cut, uncut).await, Some((39, Missing)), "the end is gone");
    let more = "INSERT INTO _golive_audit SELECT 41, at_ms, actor, action, target, request_id, digest FROM _golive_audit WHERE seq = 40";
    let less = "DELETE FROM _golive_audit WHERE seq = 41";
    assert_eq!(tampered(&trail, &db, more, less).await, Some((41, Surplus)));

    // Somebody with all rights rewrites everything, digests included.
    for table in ["_golive_audit", "_golive_audit_head"] {
        db.execute_unprepared(&format!("DROP TABLE {table}")).await.unwrap();
    }
    trail.create_tables().await.unwrap();
    for i in 0..40 {
        trail.append(&entry(i + 1), at(0)).await.unwrap();
    }
    assert_eq!(kind(&trail, None).await, None, "a chain alone cannot tell");
    assert_eq!(kind(&trail, Some(&kept)).await, Some((40, Rewritten)), "a head kept elsewhere can");
    let keyed = AuditTrail::new(db).with_key(&SecretKey::generate());
    assert_eq!(kind(&keyed, None).await, Some((1, Altered)), "and so can a key");
    assert!(!format!("{keyed:?}").contains("Key("));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trail_in_mariadb_holds() {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["plant".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    trail_holds(connect(&server.url("plant"), 8).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_trail_in_sqlite_holds() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("app.db").display());
    trail_holds(connect(&url, 4).await).await;
}

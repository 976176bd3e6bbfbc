//! One transaction taken back by flashback, and what stands in its way.

use golive_backup::{ChangeKind, UndoError, undo_transaction};

use crate::logged::{LEDGER, Logged};

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_update_is_taken_back_and_a_later_change_forbids_it() {
    let logged = Logged::new(LEDGER);
    let sum = "SELECT COUNT(*), SUM(amount), SUM(id * amount) FROM ledger";
    let good = logged.execute(sum);
    logged.execute("UPDATE ledger SET amount = 0 WHERE id > 100");
    let updated = logged.gtid();
    logged.execute("INSERT INTO audit (what) VALUES ('unrelated')");
    logged.execute("FLUSH BINARY LOGS");
    logged.catch_up().await;
    let tools = golive_backup::Tools::new();
    let report = undo_transaction(&logged.repository, &logged.url, "kpi", updated, &tools).await.unwrap();
    assert_eq!(report.tables, [("ledger".to_owned(), ChangeKind::Update)]);
    assert_eq!(logged.execute(sum), good);
    assert_eq!(logged.execute("SELECT COUNT(*) FROM audit").trim(), "1");
    // Many rows, deleted; and one of them came back by hand since.
    logged.execute("DELETE FROM ledger WHERE id BETWEEN 10 AND 400");
    let deleted = logged.gtid();
    logged.execute("INSERT INTO ledger VALUES (200, 1)");
    let now_it_is = logged.execute(sum);
    logged.catch_up().await;
    let refused = undo_transaction(&logged.repository, &logged.url, "kpi", deleted, &tools).await;
    assert!(matches!(refused, Err(UndoError::Tool { .. })), "{refused:?}");
    assert_eq!(logged.execute(sum), now_it_is, "nothing was changed");
    logged.execute("DELETE FROM ledger WHERE id = 200");
    undo_transaction(&logged.repository, &logged.url, "kpi", deleted, &tools).await.unwrap();
    assert_eq!(logged.execute(sum), good);
    // No flashback takes back a DROP, or rows of a table that was altered since.
    logged.execute("DELETE FROM ledger WHERE id = 7");
    let before_alter = logged.gtid();
    logged.execute("ALTER TABLE ledger ADD COLUMN note INT");
    let altered = logged.gtid();
    logged.catch_up().await;
    let refused = undo_transaction(&logged.repository, &logged.url, "kpi", before_alter, &tools).await;
    assert!(matches!(refused, Err(UndoError::AlteredSince { .. })), "{refused:?}");
    let refused = undo_transaction(&logged.repository, &logged.url, "kpi", altered, &tools).await;
    assert!(matches!(refused, Err(UndoError::Structural { .. })), "{refused:?}");
}

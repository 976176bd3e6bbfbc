//! What would be lost if the server vanished now: by the archive where it can be replayed, by the backups where not.

use chrono::{DateTime, TimeDelta, Utc};
use golive_backup::{LossBasis, PossibleLoss};

use crate::logged::{LEDGER, Logged, now};

const DAY: TimeDelta = TimeDelta::days(1);

fn loss(logged: &Logged, at: DateTime<Utc>) -> PossibleLoss {
    logged.repository.possible_loss("kpi", DAY, at).unwrap().expect("there is a backup")
}

fn why(loss: &PossibleLoss) -> String {
    assert!(matches!(loss.basis, LossBasis::Backups { .. }), "{loss:?}");
    loss.basis.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_what_the_archive_measured_and_an_archive_that_cannot_be_replayed_does_not_count() {
    let logged = Logged::new(LEDGER);
    assert_eq!(logged.repository.possible_loss("kpi", DAY, now()).unwrap(), None);
    logged.back_up().await;
    let plain = loss(&logged, now());
    assert!(why(&plain).contains("archive-binlog") && plain.seconds == 86_400.0, "{plain:?}");
    // However often they are to be taken, what counts is when the last was.
    assert!(loss(&logged, now() + TimeDelta::days(3)).seconds > 3.0 * 86_400.0 - 60.0);

    logged.execute("INSERT INTO ledger (amount) VALUES (501 * 7)");
    logged.catch_up().await;
    let archived = loss(&logged, now());
    assert!(matches!(archived.basis, LossBasis::Archive { .. }) && archived.seconds < 60.0, "{archived:?}");
    // An archiver that stopped: an hour is measured as an hour, and what is older than the newest backup counts no more.
    let hour = loss(&logged, now() + TimeDelta::hours(1)).seconds;
    assert!((3600.0..3660.0).contains(&hour), "{hour}");
    logged.back_up().await;
    assert!(why(&loss(&logged, now() + TimeDelta::days(3))).contains("s ago"));
    logged.catch_up().await;

    // What the archiver said it had is gone.
    let spool = logged.repository.binlogs().directory().join("spool");
    let aside = spool.with_file_name("aside");
    std::fs::rename(&spool, &aside).unwrap();
    assert!(why(&loss(&logged, now())).contains("is not there"));
    std::fs::rename(&aside, &spool).unwrap();
    assert!(matches!(loss(&logged, now()).basis, LossBasis::Archive { .. }));

    // A gap: a closed log is missing in the middle.
    logged.execute("FLUSH BINARY LOGS; INSERT INTO ledger (amount) VALUES (502 * 7); FLUSH BINARY LOGS");
    logged.execute("INSERT INTO ledger (amount) VALUES (503 * 7)");
    logged.catch_up().await;
    assert!(matches!(loss(&logged, now()).basis, LossBasis::Archive { .. }));
    let archive = logged.repository.binlogs();
    let logs = archive.logs().unwrap();
    archive.prune(&logs[1..2]).unwrap();
    assert!(why(&loss(&logged, now())).contains("missing in the archive"), "{:?}", loss(&logged, now()));
}

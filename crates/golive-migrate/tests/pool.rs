//! The pool probe against a real server.

mod support;

use std::time::Duration;

use golive_migrate::{PoolSettings, ServerLimits, probe_pool};

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_too_small_is_seen_to_wait_and_to_run_out() {
    let db = support::server();
    let target = support::target(&db).await;
    let settings =
        PoolSettings::from_pairs([("DATABASE_POOL_SIZE", "8"), ("DATABASE_MAX_OVERFLOW", "2")]).unwrap();
    assert!(settings.check(&ServerLimits::from(target.server()), 1).is_empty());
    let url = db.url("app").into();
    let probe = probe_pool(&url, &settings, &[5, 30]).await.unwrap();
    assert_eq!((probe.runs[0].requests, probe.runs[0].exhausted, probe.runs[0].failed), (20, 0, 0));
    assert!(probe.runs[1].waited > 0 && probe.runs[1].connections <= 10, "{probe:?}");

    let mut tiny = PoolSettings::default();
    (tiny.size, tiny.max_overflow, tiny.timeout) = (1, 0, Duration::from_millis(60));
    let probe = probe_pool(&url, &tiny, &[30]).await.unwrap();
    assert!(probe.runs[0].exhausted > 0, "{probe:?}");
}

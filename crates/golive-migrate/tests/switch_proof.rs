//! Which database an application uses is seen on the server and in open files.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::process::{Child, Stdio};

use golive_migrate::{
    AcceptedLoss, CopyOptions, DatabaseInUse, Provider, ProviderFile, ProviderStore as _, Source,
    SwitchBackRequest, SwitchError, SwitchRequest, VerifyOptions, WritesSince, observe, record, switch,
    switch_back, verify_recorded,
};

/// An application that holds a file open until it is killed.
fn holding(path: &std::path::Path) -> Child {
    let file = std::fs::File::open(path).unwrap();
    #[expect(clippy::disallowed_methods, reason = "another process is what has to be seen")]
    std::process::Command::new("sleep").arg("60").stdin(Stdio::from(file)).spawn().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_on_the_file_is_seen_and_so_is_a_connection_on_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(folder.path(), "CREATE TABLE t (id INTEGER PRIMARY KEY)");
    let db = support::server();
    let target = support::target(&db).await;
    let alone = observe(&target, Some("app"), &path).await.unwrap();
    assert_eq!(alone.uses, DatabaseInUse::Unknown, "{alone:?}");

    db.execute(
        "CREATE USER app@'%' IDENTIFIED BY 'secret'; GRANT ALL ON app.* TO app@'%'; CREATE USER app@localhost \
         IDENTIFIED BY 'secret'; GRANT ALL ON app.* TO app@localhost",
    )
    .unwrap();
    let url = format!("mysql://app:secret@127.0.0.1:{}/app", db.port());
    let mut options = sea_orm::ConnectOptions::new(url);
    options.max_connections(1);
    let application = sea_orm::Database::connect(options).await.unwrap();
    application.ping().await.unwrap();
    let seen = observe(&target, Some("app"), &path).await.unwrap();
    assert_eq!(seen.uses, DatabaseInUse::Mariadb, "{seen:?}");
    assert_eq!(observe(&target, Some("nobody"), &path).await.unwrap().uses, DatabaseInUse::Unknown);

    let mut old = holding(&path);
    let both = observe(&target, Some("app"), &path).await.unwrap();
    old.kill().unwrap();
    old.wait().unwrap();
    assert_eq!(both.uses, DatabaseInUse::Other, "{both:?}");
    assert!(both.seen.iter().any(|one| one.contains("sleep")), "{both:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn back_to_sqlite_only_with_the_loss_in_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = support::sqlite(
        folder.path(),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a')",
    );
    let source = Source::open(&path).unwrap();
    let db = support::server();
    let target = support::target(&db).await;
    let (_, _, verification) = support::migrate(&source, &target, &CopyOptions::default()).await;
    let (proof, options) = (verification.verified().unwrap(), VerifyOptions::default());
    let now = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let recorded = record(&source, &target, &proof, &options, now, &|_| {}).await.unwrap();
    let file = ProviderFile::new(&folder.path().join("state.json"));
    let mut request = SwitchRequest::new(proof, now, "ann");
    request.record_digest = Some(recorded.digest.clone());
    let state = switch(&folder.path().join("state.json"), &request).unwrap();
    assert_eq!(state.record_digest, Some(recorded.digest));

    db.execute("USE app; INSERT INTO t (v) VALUES ('new'), ('newer'); UPDATE t SET v = 'x' WHERE id = 1")
        .unwrap();
    let since = WritesSince::from(&verify_recorded(&target, &options).await.unwrap());
    assert_eq!(since, WritesSince::Known { added: 2, changed: 1, deleted: 0 });
    let mut back = SwitchBackRequest::new(since, now, "ann", "rehearsal");
    assert!(matches!(switch_back(&file, &back), Err(SwitchError::WouldLose { added: 2, changed: 1, .. })));
    back.dangerous_loss = Some(AcceptedLoss::Rows(3));
    assert_eq!(switch_back(&file, &back).unwrap().provider, Provider::Sqlite);
    assert_eq!(file.read().unwrap().unwrap().history.len(), 1);
}

//! Refresh families and revocations in SQL: many at once against a real MariaDB, and the same on SQLite.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use golive_auth::{
    Accounts, AccountsMapping, AuthenticateError, RefreshError, Revocation, SecretKey, SqlRefreshStore,
    SqlRevocation, Subject, TokenKeys, TokenKind, TokenPair, TokenService, TokenSettings,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use sea_orm::{
    ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, TransactionTrait,
};
use secrecy::ExposeSecret;
use tokio::sync::Barrier;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
}

fn service() -> TokenService {
    TokenService::new(TokenKeys::new(&SecretKey::generate()), TokenSettings::new("plant", "plant-api"))
}

fn rosa() -> Subject {
    let mut subject = Subject::new("17", "rosa", "operator");
    subject.client_id = Some("NORTH".to_owned());
    subject
}

async fn connect(url: &str, connections: u32) -> DatabaseConnection {
    let mut options = ConnectOptions::new(url);
    options.max_connections(connections).min_connections(connections).sqlx_logging(false);
    options.acquire_timeout(Duration::from_secs(5));
    Database::connect(options).await.unwrap()
}

fn server() -> MariaDb {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["plant".to_owned()];
    MariaDb::start(&options).unwrap()
}

/// Twelve requests with the same refresh token at the same moment, on connections of their own.
async fn refresh_at_once(
    service: &TokenService,
    store: &SqlRefreshStore,
    pair: &TokenPair,
    now: DateTime<Utc>,
) -> Vec<Result<TokenPair, RefreshError>> {
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (service, store, claims) = (service.clone(), store.clone(), pair.refresh.claims.clone());
            let barrier = Arc::clone(&barrier);
            tokio::spawn(async move {
                barrier.wait().await;
                service.refresh(&claims, &rosa(), &store, now).await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.unwrap());
    }
    answers
}

const AT_ONCE: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_refreshes_at_once_one_wins_and_all_get_its_successor() {
    let server = server();
    let store = SqlRefreshStore::new(connect(&server.url("plant"), 12).await);
    store.create_table().await.unwrap();
    store.create_table().await.unwrap();
    let service = service();
    for round in 0..10 {
        let first = service.start_session(&rosa(), &store, at(round)).await.unwrap();
        let answers = refresh_at_once(&service, &store, &first, at(round + 60)).await;
        let tokens: std::collections::BTreeSet<String> = answers
            .iter()
            .map(|pair| pair.as_ref().unwrap().refresh.token.expose_secret().to_owned())
            .collect();
        assert_eq!(tokens.len(), 1, "round {round}: two successors of one token");
        // The successor is good, once more for all of them.
        let successor = answers.into_iter().next().unwrap().unwrap();
        let next = refresh_at_once(&service, &store, &successor, at(round + 120)).await;
        assert!(next.iter().all(Result::is_ok), "round {round}: {next:?}");
        // The first one comes back: the whole family ends, for the thief and for the owner, and no other family does.
        let other = service.start_session(&rosa(), &store, at(round)).await.unwrap();
        let stolen = refresh_at_once(&service, &store, &first, at(round + 180)).await;
        assert!(
            stolen.iter().all(|one| matches!(one, Err(RefreshError::Reused))),
            "round {round}: {stolen:?}"
        );
        let owner = service
            .refresh(&next[0].as_ref().unwrap().refresh.claims, &rosa(), &store, at(round + 181))
            .await;
        assert!(matches!(owner, Err(RefreshError::Reused)), "{owner:?}");
        assert!(service.refresh(&other.refresh.claims, &rosa(), &store, at(round + 181)).await.is_ok());
    }
}

/// Reuse and a rightful refresh race: whoever comes first, the thief's token never yields a living session.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reuse_that_races_with_the_owner_still_ends_the_family() {
    let server = server();
    let store = SqlRefreshStore::new(connect(&server.url("plant"), 4).await);
    store.create_table().await.unwrap();
    let service = service();
    for round in 0..20 {
        let first = service.start_session(&rosa(), &store, at(0)).await.unwrap();
        let second = service.refresh(&first.refresh.claims, &rosa(), &store, at(60)).await.unwrap();
        let subject = rosa();
        let (thief, owner) = tokio::join!(
            service.refresh(&first.refresh.claims, &subject, &store, at(120)),
            service.refresh(&second.refresh.claims, &subject, &store, at(120)),
        );
        assert!(matches!(thief, Err(RefreshError::Reused)), "round {round}: {thief:?}");
        let last = owner.map_or(second.refresh.claims, |pair| pair.refresh.claims);
        let dead = service.refresh(&last, &rosa(), &store, at(121)).await;
        assert!(matches!(dead, Err(RefreshError::Reused)), "round {round}: {dead:?}");
    }
}

async fn revocations(connection: DatabaseConnection) {
    let journal = SqlRevocation::new(connection.clone());
    journal.create_table().await.unwrap();
    let families = SqlRefreshStore::new(connection.clone());
    families.create_table().await.unwrap();
    let service = service();
    let subject = rosa();
    let pair = |at| service.start_session(&subject, &families, at);
    let check = async |token: &TokenPair, store: &dyn Revocation| {
        let token = token.access.token.expose_secret();
        match service.authenticate(token, TokenKind::Access, store, at(60)).await {
            Ok(_) => true,
            Err(AuthenticateError::Revoked) => false,
            Err(other) => panic!("{other}"),
        }
    };
    let (one, two, early) =
        (pair(at(10)).await.unwrap(), pair(at(10)).await.unwrap(), pair(at(0)).await.unwrap());
    assert!(check(&one, &journal).await && check(&two, &journal).await);
    let ttl = service.revocation_ttl(&one.access.claims, at(60));
    journal.revoke_token(&one.access.claims.jti, ttl).await.unwrap();
    assert!(!check(&one, &journal).await && check(&two, &journal).await);
    service.end_session(&two.access.claims, &families, &journal).await.unwrap();
    assert!(!check(&two, &journal).await && check(&early, &journal).await);
    journal.revoke_user_before("17", at(0) + TimeDelta::milliseconds(1)).await.unwrap();
    assert!(!check(&early, &journal).await, "issued before the cutoff");
    let late = pair(at(10)).await.unwrap();
    assert!(check(&late, &journal).await, "issued after the cutoff");
    journal.revoke_user_before("17\u{0301}", at(50)).await.unwrap();
    journal.revoke_tenant_before("north", at(50)).await.unwrap();
    assert!(check(&late, &journal).await, "another user and another tenant, whatever the collation says");
    journal.revoke_tenant_before("NORTH", at(11)).await.unwrap();
    assert!(!check(&late, &journal).await);
    let last = pair(at(20)).await.unwrap();
    assert!(check(&last, &journal).await);
    journal.revoke_all_before(at(30)).await.unwrap();
    assert!(!check(&last, &journal).await);
    assert!(journal.revoke_tenant_before("", at(1)).await.is_err());
    assert!(journal.revoke_user_before(&"x".repeat(191), at(1)).await.is_err());

    for token in [&one, &two, &early, &late, &last] {
        assert!(!check(token, &journal).await, "what was revoked stays so");
    }
    journal.revoke_token("short", Duration::from_millis(1)).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while journal.prune().await.unwrap() == 0 {
        assert!(Instant::now() < deadline, "the entry never ended");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let count =
        Statement::from_string(connection.get_database_backend(), "SELECT COUNT(*) FROM _golive_revocation");
    let left: i64 = connection.query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert_eq!(left, 7, "nothing else was removed");
}

#[tokio::test]
async fn revocations_hold_on_both_databases() {
    let server = server();
    revocations(connect(&server.url("plant"), 2).await).await;
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("app.db").display());
    revocations(connect(&url, 1).await).await;
    let away = SqlRevocation::new(connect(&server.url("plant"), 1).await);
    server.kill().unwrap();
    let facts = golive_auth::TokenFacts::new("t", "s", "17", at(0));
    assert!(away.is_revoked(&facts, at(0)).await.is_err(), "no answer is not a no");
    assert!(away.revoke_token("t", Duration::from_secs(1)).await.is_err());
}

#[tokio::test]
async fn refresh_tokens_rotate_in_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("app.db").display());
    let store = SqlRefreshStore::new(connect(&url, 1).await);
    store.create_table().await.unwrap();
    let service = service();
    let first = service.start_session(&rosa(), &store, at(0)).await.unwrap();
    let second = service.refresh(&first.refresh.claims, &rosa(), &store, at(60)).await.unwrap();
    let replayed = service.refresh(&first.refresh.claims, &rosa(), &store, at(70)).await.unwrap();
    assert_eq!(second.refresh.token.expose_secret(), replayed.refresh.token.expose_secret());
    let reused = service.refresh(&first.refresh.claims, &rosa(), &store, at(71)).await;
    assert!(matches!(reused, Err(RefreshError::Reused)));
    let unknown = service.issue_refresh(&rosa(), at(0)).unwrap();
    let ended = service.refresh(&unknown.claims, &rosa(), &store, at(1)).await;
    assert!(matches!(ended, Err(RefreshError::Ended)));
}

async fn status(connection: &DatabaseConnection, name: &str) -> u64 {
    let sql = format!(
        "SELECT CAST(variable_value AS UNSIGNED) FROM information_schema.global_status WHERE variable_name = '{name}'"
    );
    let row = connection.query_one_raw(Statement::from_string(DbBackend::MySql, sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

/// A transaction of the application locks rows in the other order, and is the heavier one: the server gives up ours.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deactivation_that_the_server_gave_up_is_tried_again() {
    let server = server();
    let url = server.url("plant");
    let own = connect(&url, 3).await;
    own.execute_unprepared(
        "CREATE TABLE users (id INT PRIMARY KEY, login VARCHAR(20) UNIQUE, pw VARCHAR(200), active BOOLEAN, role VARCHAR(20), \
         seen INT NOT NULL DEFAULT 0)",
    )
    .await
    .unwrap();
    own.execute_unprepared(
        "INSERT INTO users SELECT seq, CONCAT('u', seq), '', 1, 'admin', 0 FROM seq_1_to_200",
    )
    .await
    .unwrap();
    let mut mapping = AccountsMapping::new("users", "login", "pw");
    mapping.active = Some("active".to_owned());
    mapping.role = Some("role".to_owned());
    let accounts = Accounts::connect(&url.as_str().into(), mapping).await.unwrap();
    let before = status(&own, "INNODB_DEADLOCKS").await;

    let application = own.begin().await.unwrap();
    // The last hundred rows: ours locks the first ones and then waits for these.
    application.execute_unprepared("UPDATE users SET seen = 1 WHERE id > 100").await.unwrap();
    let deactivation = tokio::spawn({
        let accounts = accounts.clone();
        async move { accounts.deactivate(&["u1".to_owned(), "u200".to_owned()]).await }
    });
    let deadline = Instant::now() + Duration::from_secs(20);
    while status(&own, "INNODB_ROW_LOCK_CURRENT_WAITS").await == 0 {
        assert!(Instant::now() < deadline, "the deactivation never waited");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    // Now the first rows: each waits for the other.
    application.execute_unprepared("UPDATE users SET seen = 2 WHERE id <= 100").await.unwrap();
    assert_eq!(status(&own, "INNODB_DEADLOCKS").await, before + 1, "a real deadlock");
    application.commit().await.unwrap();

    let done = deactivation.await.unwrap().unwrap();
    assert_eq!(done.changed.len(), 2, "{done:?}");
    let again = accounts.deactivate(&["u1".to_owned(), "u200".to_owned()]).await.unwrap();
    assert_eq!(again.already.len(), 2, "once");
}

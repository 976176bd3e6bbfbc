//! Sources and targets that cannot be used: each its own clear message, and nothing changed.

mod support;

use golive_migrate::{ConnectTargetError, OpenSourceError, Source, Target, TargetOptions};
use rusqlite::Connection;

#[test]
fn sources_that_cannot_be_used() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    assert!(matches!(Source::open(&at("none.db")), Err(OpenSourceError::Missing { .. })));
    assert!(matches!(Source::open(folder.path()), Err(OpenSourceError::NotAFile { .. })));
    std::fs::write(at("text.db"), "just some text, longer than a header, ".repeat(100)).unwrap();
    assert!(matches!(Source::open(&at("text.db")), Err(OpenSourceError::NotSqlite { .. })));
    std::fs::write(at("empty.db"), "").unwrap();
    assert!(matches!(Source::open(&at("empty.db")), Err(OpenSourceError::NotSqlite { .. })));
    // Bytes as even as those of an encrypted file, from a fixed generator.
    let mut state = 1_u64;
    let random: Vec<u8> = (0..8192)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        })
        .collect();
    std::fs::write(at("cipher.db"), random).unwrap();
    assert!(matches!(Source::open(&at("cipher.db")), Err(OpenSourceError::Encrypted { .. })));

    let sound = support::sqlite(
        folder.path(),
        "CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, hex(randomblob(40)) FROM n",
    );
    let mut bytes = std::fs::read(&sound).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 5000].fill(0x5a);
    std::fs::write(at("broken.db"), bytes).unwrap();
    assert!(matches!(Source::open(&at("broken.db")), Err(OpenSourceError::Corrupt { .. })));

    let writer = Connection::open(&sound).unwrap();
    writer.execute_batch("BEGIN IMMEDIATE; INSERT INTO t (x) VALUES ('y')").unwrap();
    let written = Source::open(&sound);
    assert!(matches!(written, Err(OpenSourceError::BeingWritten { .. })), "{written:?}");
    writer.execute_batch("ROLLBACK; BEGIN EXCLUSIVE").unwrap();
    let locked = Source::open(&sound);
    assert!(matches!(locked, Err(OpenSourceError::Locked { .. })), "{locked:?}");
    writer.execute_batch("ROLLBACK").unwrap();
    let before = std::fs::read(&sound).unwrap();
    Source::open(&sound).unwrap();
    assert_eq!(std::fs::read(&sound).unwrap(), before, "looking changes nothing");
}

#[tokio::test]
async fn targets_that_cannot_be_used() {
    let db = support::server();
    let connect = async |url: String| Target::connect(&TargetOptions::new(url.into())).await;
    let port = golive_sandbox::free_port().unwrap();
    let away = connect(format!("mysql://u:p@127.0.0.1:{port}/app")).await;
    assert!(matches!(away, Err(ConnectTargetError::Unreachable { .. })), "{away:?}");
    let unknown = connect(db.url("nowhere")).await;
    assert!(matches!(unknown, Err(ConnectTargetError::UnknownDatabase { .. })), "{unknown:?}");
    let unnamed = connect(db.url("")).await;
    assert!(matches!(unnamed, Err(ConnectTargetError::NoDatabaseNamed { .. })), "{unnamed:?}");
    let url = format!("mysql://golive:planted-secret@127.0.0.1:{}/app", db.port());
    let wrong = connect(url).await.unwrap_err();
    assert!(matches!(wrong, ConnectTargetError::Authentication { .. }), "{wrong:?}");
    assert!(!format!("{wrong:?} {wrong}").contains("planted-secret"));

    db.execute("CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'x'; GRANT SELECT, INSERT ON app.* TO reader@'127.0.0.1'").unwrap();
    let poor = connect(format!("mysql://reader:x@127.0.0.1:{}/app", db.port())).await;
    assert!(
        matches!(&poor, Err(ConnectTargetError::MissingGrants { missing, .. }) if missing.contains("CREATE")),
        "{poor:?}"
    );
    db.execute("GRANT ALL ON app.* TO reader@'127.0.0.1'").unwrap();
    connect(format!("mysql://reader:x@127.0.0.1:{}/app", db.port())).await.unwrap();
    let by_socket = connect(db.socket_url("app")).await.unwrap();
    assert_eq!(by_socket.address(), db.socket().to_str().unwrap());
    let password = secrecy::ExposeSecret::expose_secret(db.password());
    assert!(!format!("{by_socket:?}").contains(password), "no secret in Debug");
}

#[tokio::test]
async fn a_server_that_is_no_mariadb_is_told() {
    // A greeting as MySQL 8 sends it, then silence: enough for the driver to hang up, never to log in.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move {
        let _held = listener.accept().await.unwrap();
        std::future::pending::<()>().await;
    });
    let mut options = TargetOptions::new(format!("mysql://u:p@127.0.0.1:{port}/app").into());
    options.connect_timeout = std::time::Duration::from_millis(200);
    let refused = Target::connect(&options).await;
    assert!(matches!(refused, Err(ConnectTargetError::TimedOut { .. })), "{refused:?}");
    silent.abort();
}

#[tokio::test]
async fn tls_is_as_strict_as_the_address_asks() {
    let folder = tempfile::tempdir().unwrap();
    let authority = golive_sandbox::CertificateAuthority::new("golive test").unwrap();
    let certificate = authority.issue(&["localhost", "127.0.0.1"]).unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("ca.pem"), authority.certificate_pem()).unwrap();
    std::fs::write(at("cert.pem"), &certificate.certificate_pem).unwrap();
    std::fs::write(at("key.pem"), certificate.expose_key_pem()).unwrap();
    let mut options = golive_sandbox::MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    options.tls = Some(golive_sandbox::ServerTls::new(at("cert.pem"), at("key.pem")));
    let db = golive_sandbox::MariaDb::start(&options).unwrap();
    let connect = async |query: String| {
        Target::connect(&TargetOptions::new(format!("{}?{query}", db.url("app")).into())).await
    };
    let ca = at("ca.pem").display().to_string();
    connect("ssl-mode=REQUIRED".to_owned()).await.unwrap();
    connect(format!("ssl-mode=VERIFY_IDENTITY&ssl-ca={ca}")).await.unwrap();
    connect(format!("ssl-mode=VERIFY_CA&ssl-ca={ca}")).await.unwrap();
    let untrusted = connect("ssl-mode=VERIFY_IDENTITY".to_owned()).await;
    assert!(matches!(untrusted, Err(ConnectTargetError::Tls { .. })), "{untrusted:?}");
}

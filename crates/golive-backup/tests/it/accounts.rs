//! Accounts and grants: what a dump leaves out, and without which views and triggers fail where it is restored.

use golive_backup::{
    BackupOptions, Progress, RestoreError, RestoreOptions, Server, create_backup, restore_backup,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use secrecy::SecretString;

use crate::world::{World, execute, noon, server};

const ACCOUNTS: &str = "
CREATE ROLE accounts_reader; CREATE ROLE accounts_nested;
GRANT SELECT ON accounts.* TO accounts_reader; GRANT accounts_reader TO accounts_nested;
CREATE USER accounts_app@'%' IDENTIFIED BY 'a secret word' REQUIRE SSL WITH MAX_USER_CONNECTIONS 5
  PASSWORD EXPIRE INTERVAL 30 DAY ACCOUNT LOCK;
GRANT SELECT (id), INSERT ON accounts.`order` TO accounts_app@'%' WITH GRANT OPTION;
GRANT accounts_nested TO accounts_app@'%' WITH ADMIN OPTION; SET DEFAULT ROLE accounts_nested FOR accounts_app@'%';
CREATE USER accounts_owner@localhost IDENTIFIED BY 'another'; GRANT ALL ON accounts.* TO accounts_owner@localhost;
CREATE USER accounts_both@localhost IDENTIFIED BY 'one'; GRANT SELECT ON accounts.* TO accounts_both@localhost;
CREATE USER accounts_else@localhost IDENTIFIED BY 'e'; CREATE TABLE accounts_other.t (i INT);
GRANT SELECT ON accounts_other.t TO accounts_else@localhost;
USE accounts; CREATE DEFINER = accounts_owner@localhost VIEW theirs AS SELECT name FROM clients;
";

#[tokio::test]
async fn accounts_come_back_when_asked_for_and_none_is_overwritten() {
    let world = World::new("accounts");
    execute("CREATE DATABASE accounts_other");
    execute(ACCOUNTS);
    let silent = Progress::silent();
    let options = BackupOptions::new("accounts");
    let manifest = create_backup(&world.server, &world.repository, &options, noon(0), &silent).await.unwrap();
    let facts = manifest.database().unwrap();
    let facts = facts.accounts.clone().unwrap_or_else(|| panic!("root sees the accounts: {:?}", facts.notes));
    let app = facts.iter().find(|account| account.name == "accounts_app@%").unwrap();
    assert_eq!(
        app.grants,
        [
            "GRANT SELECT (`id`), INSERT ON `accounts`.`order` TO `accounts_app`@`%` WITH GRANT OPTION",
            "GRANT USAGE ON *.* TO `accounts_app`@`%`",
            "GRANT `accounts_nested` TO `accounts_app`@`%` WITH ADMIN OPTION",
            "SET DEFAULT ROLE `accounts_nested` FOR `accounts_app`@`%`",
        ]
    );
    let hash = execute("SELECT PASSWORD('a secret word')");
    let folder = world.repository.directory().join(manifest.id.as_str());
    for entry in std::fs::read_dir(&folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!bytes.windows(hash.trim().len()).any(|window| window == hash.trim().as_bytes()));
    }

    let elsewhere = MariaDb::start(&MariaDbOptions::new()).unwrap();
    let there = Server::parse(&SecretString::from(elsewhere.socket_url(""))).unwrap();
    elsewhere.execute("CREATE USER accounts_both@localhost IDENTIFIED BY 'theirs'").unwrap();
    let mut restore = RestoreOptions::new();
    let (id, repository) = (&manifest.id, &world.repository);
    // Unasked, no account is made, and what will fail is named.
    let plain = restore_backup(repository, id, &there, "accounts", &restore, &silent).await.unwrap();
    assert_eq!((plain.missing_definers, plain.accounts), (vec!["accounts_owner@localhost".to_owned()], None));
    assert!(elsewhere.execute("SELECT * FROM accounts.theirs").unwrap_err().to_string().contains("1449"));
    elsewhere.execute("DROP DATABASE accounts").unwrap();

    restore.accounts = true;
    let report = restore_backup(repository, id, &there, "accounts", &restore, &silent).await.unwrap();
    assert_eq!(report.missing_definers, Vec::<String>::new());
    let accounts = report.accounts.unwrap();
    for name in ["accounts_app@%", "accounts_owner@localhost", "role accounts_nested", "role accounts_reader"]
    {
        assert!(accounts.created.contains(&name.to_owned()), "{name}: {accounts}");
    }
    assert!(accounts.kept.contains(&"accounts_both@localhost".to_owned()), "{accounts}");
    assert!(!accounts.complete());
    // The table of that grant is in no restored database: said, and without a secret.
    let failed: Vec<&String> = accounts.failed.iter().filter(|failed| failed.contains("accounts_")).collect();
    let [failed] = failed.as_slice() else { panic!("{accounts}") };
    assert!(failed.contains("accounts_else@localhost") && failed.contains("accounts_other"), "{failed}");
    assert!(!accounts.failed.iter().any(|failed| failed.contains('*') && failed.contains("PASSWORD")));
    elsewhere.execute("SELECT * FROM accounts.theirs").unwrap();
    for statement in [
        "SHOW CREATE USER accounts_app@'%'",
        "SHOW GRANTS FOR accounts_app@'%'",
        "SHOW GRANTS FOR accounts_nested",
        "SHOW CREATE USER accounts_owner@localhost",
    ] {
        assert_eq!(elsewhere.execute(statement).unwrap(), execute(statement), "{statement}");
    }
    let own = elsewhere.execute("SHOW GRANTS FOR CURRENT_USER").unwrap();
    assert!(!own.contains("accounts_"), "who restores stays out of the roles: {own}");
    let both = elsewhere.execute("SHOW CREATE USER accounts_both@localhost").unwrap();
    assert_ne!(both, execute("SHOW CREATE USER accounts_both@localhost"), "theirs stays theirs");
}

#[tokio::test]
async fn accounts_that_could_not_be_read_are_said_to_be_missing() {
    let world = World::new("unseen");
    execute(
        "CREATE USER unseen@localhost IDENTIFIED BY 'x'; GRANT RELOAD ON *.* TO unseen@localhost;
         GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON unseen.* TO unseen@localhost; GRANT SELECT ON mysql.proc TO unseen@localhost",
    );
    let url = format!("mysql://unseen:x@localhost/?socket={}", server().socket().display());
    let narrow = Server::parse(&SecretString::from(url)).unwrap();
    let silent = Progress::silent();
    let options = BackupOptions::new("unseen");
    let manifest = create_backup(&narrow, &world.repository, &options, noon(0), &silent).await.unwrap();
    let facts = manifest.database().unwrap();
    assert_eq!(facts.accounts, None);
    assert!(facts.notes.iter().any(|note| note.contains("mysql.*")), "{:?}", facts.notes);
    let mut restore = RestoreOptions::new();
    restore.accounts = true;
    let copy = world.copy();
    let refused =
        restore_backup(&world.repository, &manifest.id, &world.server, &copy, &restore, &silent).await;
    assert!(matches!(refused, Err(RestoreError::NoAccounts { .. })), "{refused:?}");
    assert_eq!(execute(&format!("SHOW DATABASES LIKE '{copy}'")).trim(), "", "nothing was changed");
}

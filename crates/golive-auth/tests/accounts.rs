//! Accounts of an application with awkward names and mixed hashes, on both databases.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use golive_auth::{
    AccountState, Accounts, AccountsError, AccountsMapping, ChangeAccountError, CreateAccountError,
    DeactivateError, FittingPassword, Literal, MatchRule, NewAccount, NewTenant, OnboardError,
    PasswordHasher, RoleRuleError, ScanOptions, StorageKind, TenantMapping, TenantRule, Tenants,
    hash_password, team_of_csv, verify_password,
};
use golive_sandbox::{MariaDb, MariaDbOptions};
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use secrecy::{ExposeSecret, SecretString};

const KNOWN: &str = "Plant-Demo-77";
const SEEDED: &str = "Kx!plant7";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn mapping() -> AccountsMapping {
    let mut mapping = AccountsMapping::new("user", "login", "key");
    mapping.active = Some("order".to_owned());
    mapping.role = Some("group".to_owned());
    mapping.tenant = Some("client".to_owned());
    mapping.must_change_password = Some("must change".to_owned());
    mapping.new_row = BTreeMap::from([
        ("created".to_owned(), Literal::Text("$now".to_owned())),
        ("attempts".to_owned(), Literal::Integer(0)),
        ("group".to_owned(), Literal::Text("admin".to_owned())), // must not win over the role asked for
    ]);
    mapping.role_tenants = BTreeMap::from([
        ("admin".to_owned(), TenantRule::Forbidden),
        ("operator".to_owned(), TenantRule::Required),
    ]);
    mapping.demo_usernames = vec!["admin".to_owned(), "supervisor1".to_owned(), "nobody".to_owned()];
    mapping.known_passwords = vec![KNOWN.into()];
    mapping
}

fn bcrypt(password: &str) -> String {
    bcrypt::hash(password, 4).unwrap()
}

async fn plant(url: &str) -> Accounts {
    let connection = Database::connect(url).await.unwrap();
    let backend = connection.get_database_backend();
    let key = if backend == DbBackend::MySql { "INT AUTO_INCREMENT" } else { "INTEGER" };
    let tables = [
        format!(
            "CREATE TABLE `user` (id {key} PRIMARY KEY, login VARCHAR(150) NOT NULL UNIQUE, `key` VARCHAR(255), \
             `order` BOOLEAN, `group` VARCHAR(20) NOT NULL, client VARCHAR(50), `must change` BOOLEAN NOT NULL DEFAULT 0, \
             created DATETIME NOT NULL, attempts INTEGER NOT NULL)"
        ),
        "CREATE TABLE client (code VARCHAR(50) PRIMARY KEY, name VARCHAR(100) NOT NULL, `active?` CHAR(1) NOT NULL)"
            .to_owned(),
    ];
    for table in tables {
        connection.execute_unprepared(&table).await.unwrap();
    }
    let rows: [(&str, Option<String>, Option<bool>, &str); 11] = [
        ("admin", Some(hash_password(&KNOWN.into()).unwrap()), Some(true), "admin"),
        ("supervisor1", Some(bcrypt("supervisor123")), Some(true), "operator"),
        ("zeta", Some(bcrypt(KNOWN)), Some(true), "operator"), // on no list of names
        ("seeded", Some(bcrypt(SEEDED)), Some(true), "operator"),
        ("clear", Some(KNOWN.to_owned()), Some(true), "operator"),
        ("strong", Some(bcrypt("violet harbor lamp 31")), Some(true), "operator"),
        ("off", Some(bcrypt(KNOWN)), Some(false), "operator"),
        ("unclear", Some(bcrypt(KNOWN)), None, "operator"),
        ("odd", Some("5f4dcc3b5aa765d61d8327deb882cf99".to_owned()), Some(true), "operator"),
        ("strange", Some("$6$rounds=5000$salt$hash".to_owned()), Some(true), "operator"),
        ("nologin", None, Some(true), "operator"),
    ];
    for (login, stored, active, role) in rows {
        let sql = "INSERT INTO `user` (login, `key`, `order`, `group`, created, attempts) VALUES (?, ?, ?, ?, ?, 0)";
        let values = [login.into(), stored.into(), active.into(), role.into(), "2026-01-01 00:00:00".into()];
        connection.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.unwrap();
    }
    connection.close().await.unwrap();
    Accounts::connect(&url.into(), mapping()).await.unwrap()
}

fn quick() -> ScanOptions {
    let mut options = ScanOptions::default();
    options.try_defaults = false; // each costs a hash
    options
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

async fn go_live(url: &str, seed_file: &std::path::Path) {
    let mut accounts = plant(url).await;
    let mut with_seed = mapping();
    with_seed.seed_files = vec![seed_file.to_owned()];
    accounts = Accounts::connect(&url.into(), with_seed).await.unwrap_or(accounts);

    let report = accounts.scan(&quick()).await.unwrap();
    let found: Vec<(&str, MatchRule, bool)> =
        report.known.iter().map(|k| (k.username.as_str(), k.rule, k.stored_in_clear)).collect();
    assert_eq!(
        found,
        [
            ("admin", MatchRule::KnownPassword, false),
            ("clear", MatchRule::KnownPassword, true),
            ("seeded", MatchRule::SeedFile, false),
            ("supervisor1", MatchRule::DerivedFromName, false),
            ("unclear", MatchRule::KnownPassword, false),
            ("zeta", MatchRule::KnownPassword, false),
        ]
    );
    assert_eq!(report.untried.iter().map(|u| u.subject.as_str()).collect::<Vec<_>>(), ["strange"]);
    let weak: Vec<(&str, StorageKind)> =
        report.weak_storage.iter().map(|weak| (weak.username.as_str(), weak.kind)).collect();
    assert_eq!(weak, [("clear", StorageKind::InClear), ("odd", StorageKind::UnsaltedDigest)]);
    assert!(report.complete && !report.is_clean() && report.accounts == 10);
    let text = format!("{report:?} {} {accounts:?}", serde_json::to_string(&report).unwrap());
    assert!(!text.contains(KNOWN) && !text.contains(SEEDED) && !text.contains("$2b$"), "names only");

    fitting(&accounts).await;

    let weak: Vec<String> =
        report.known.iter().map(|k| k.username.clone()).chain(names(&["odd", "strange"])).collect();
    let before = accounts.list().await.unwrap();
    let refused = accounts.deactivate_demo(&weak).await.unwrap_err();
    assert!(matches!(refused, DeactivateError::LastAdmin { .. }));
    assert_eq!(accounts.list().await.unwrap(), before, "rolled back whole");

    make_admin(&accounts).await;
    let done = accounts.deactivate_demo(&weak).await.unwrap();
    assert_eq!(done.changed.len(), 8, "{done:?}");
    assert_eq!(done.missing, ["nobody"]);
    let again = accounts.deactivate_demo(&weak).await.unwrap();
    assert!(again.changed.is_empty() && again.already.len() == 8, "{again:?}");
    assert_eq!(accounts.get("unclear").await.unwrap().unwrap().state, AccountState::Inactive);
    assert_eq!(accounts.get("strong").await.unwrap().unwrap().state, AccountState::Active);
    let report = accounts.scan(&quick()).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let mut no_time = quick();
    no_time.time_limit = Duration::ZERO;
    let report = accounts.scan(&no_time).await.unwrap();
    assert!(!report.complete && !report.is_clean(), "out of time proves nothing");
    let tenants = tenants(url).await;
    recorded_or_not_done(&accounts).await;
    onboarding(&accounts, &tenants).await;
    changed_by_the_rules_or_not_at_all(url, &accounts).await;
}

/// A proof by login needs the right password, of those switched off as well.
async fn fitting(accounts: &Accounts) {
    let asked = names(&["off", "seeded", "strong", "strange", "nologin", "nobody", "Admin"]);
    let tried = async |time| accounts.fitting_passwords(&asked, time).await.unwrap();
    let [off, seeded, strong, strange, nologin, nobody, other] = &tried(Duration::from_secs(60)).await[..]
    else {
        panic!("one for each")
    };
    assert!(matches!(off, FittingPassword::Fits(password) if password.expose_secret() == KNOWN));
    assert!(matches!(seeded, FittingPassword::Fits(password) if password.expose_secret() == SEEDED));
    assert!(matches!(strong, FittingPassword::None));
    for unknown in [strange, nologin, nobody, other] {
        assert!(matches!(unknown, FittingPassword::Unknown));
    }
    assert!(!format!("{off:?}").contains(KNOWN));
    let in_no_time = tried(Duration::ZERO).await;
    assert!(in_no_time.iter().all(|fitting| matches!(fitting, FittingPassword::Unknown)));
}

/// The deed and its entry are one: without the trail nothing is done, with it each change has its entry.
async fn recorded_or_not_done(accounts: &Accounts) {
    let ours = accounts.clone().recorded("rosa", now());
    let strong = names(&["strong"]);
    let state = async || accounts.get("strong").await.unwrap().unwrap().state;
    let no_trail = ours.deactivate(&strong).await.unwrap_err();
    assert!(matches!(no_trail, DeactivateError::Audit(_)), "{no_trail}");
    assert_eq!(state().await, AccountState::Active, "what cannot be recorded is not done");

    let trail = accounts.audit_trail();
    trail.create_tables().await.unwrap();
    assert_eq!(ours.deactivate(&strong).await.unwrap().changed, strong);
    assert_eq!(ours.deactivate(&strong).await.unwrap().changed, names(&[]));
    let verdict = trail.verify(None).await.unwrap();
    assert_eq!((verdict.head.entries, verdict.broken), (1, None), "a deed that changed nothing is none");
}

async fn make_admin(accounts: &Accounts) {
    let hasher = PasswordHasher::new(1);
    let password: SecretString = "violet-harbor-lamp-31".into();
    let create = async |new: &NewAccount| accounts.create_admin(new, &hasher, now()).await;
    let generic = NewAccount::new("Admin", password.clone(), "admin");
    assert!(matches!(create(&generic).await, Err(CreateAccountError::GenericName { .. })));
    let weak = NewAccount::new("north.rosa", "Password2026!".into(), "admin");
    assert!(matches!(create(&weak).await, Err(CreateAccountError::Password(_))));
    let mut with_tenant = NewAccount::new("north.rosa", password.clone(), "admin");
    with_tenant.tenant = Some("NORTH".to_owned());
    assert!(matches!(create(&with_tenant).await, Err(CreateAccountError::TenantForbidden { .. })));
    let operator = NewAccount::new("north.rosa", password.clone(), "operator");
    assert!(matches!(create(&operator).await, Err(CreateAccountError::NotAdminRole { .. })));

    let admin = create(&NewAccount::new("north.rosa", password.clone(), "admin")).await.unwrap();
    assert_eq!((admin.state, admin.must_change_password), (AccountState::Active, Some(true)));
    assert_eq!(admin.role.as_deref(), Some("admin"));
    assert!(!admin.id.is_empty() && admin.is_active());
    assert_eq!(admin.hash_format.unwrap().to_string(), "argon2id");
    let again = create(&NewAccount::new("north.rosa", password.clone(), "admin")).await;
    assert!(matches!(again, Err(CreateAccountError::Exists { .. })));

    let lost = NewAccount::new("juan", password.clone(), "operator");
    let lost = accounts.create_account(&lost, &hasher, now()).await;
    assert!(matches!(lost, Err(CreateAccountError::TenantRequired { .. })));
    let mut juan = NewAccount::new("juan", password, "operator");
    juan.tenant = Some("NORTH".to_owned());
    juan.columns.insert("attempts".to_owned(), Literal::Integer(3));
    let juan = accounts.create_account(&juan, &hasher, now()).await.unwrap();
    assert_eq!((juan.role.as_deref(), juan.tenant.as_deref()), (Some("operator"), Some("NORTH")));
}

/// Another role and tenant, a new password: by the rules, recorded, or not at all; and what is switched off stays as it was.
async fn changed_by_the_rules_or_not_at_all(url: &str, accounts: &Accounts) {
    let hasher = PasswordHasher::new(1);
    let ours = accounts.clone().recorded("rosa", now());
    let entries = async || accounts.audit_trail().verify(None).await.unwrap().head.entries;
    let (before, untouched) = (entries().await, accounts.list().await.unwrap());
    let assign = async |name, role, tenant| ours.assign(name, role, tenant).await;
    let rule = |refused: Result<_, ChangeAccountError>| match refused {
        Err(ChangeAccountError::Role { source, .. }) => source,
        other => panic!("{other:?}"),
    };
    assert_eq!(rule(assign("juan", "operator", None).await), RoleRuleError::TenantRequired);
    assert_eq!(rule(assign("juan", "admin", Some("NORTH")).await), RoleRuleError::TenantForbidden);
    assert_eq!(rule(assign("juan", "king", None).await), RoleRuleError::Unknown);
    let gone = assign("nobody.here", "admin", None).await;
    assert!(matches!(gone, Err(ChangeAccountError::Missing { .. })), "{gone:?}");
    let off = assign("zeta", "operator", Some("NORTH")).await;
    assert!(matches!(off, Err(ChangeAccountError::Inactive { .. })), "{off:?}");
    let demo = assign("supervisor1", "operator", Some("NORTH")).await;
    assert!(matches!(demo, Err(ChangeAccountError::Demo { .. })), "{demo:?}");
    let last = assign("north.rosa", "operator", Some("NORTH")).await;
    assert!(matches!(last, Err(ChangeAccountError::LastAdmin { .. })), "{last:?}");
    let new: SecretString = "copper-meadow-train-58".into();
    let reissue = async |name: &str, password: &SecretString| ours.reissue(name, password, &hasher).await;
    for (name, password) in [("juan", "short"), ("juan", "juan-juan-juan"), ("north.rosa", "k3-Meadow-tr8n")]
    {
        let password: SecretString = password.into();
        let weak = reissue(name, &password).await;
        assert!(matches!(weak, Err(ChangeAccountError::Password(_))), "{name} {weak:?}");
    }
    assert!(matches!(reissue("zeta", &new).await, Err(ChangeAccountError::Inactive { .. })));
    assert!(matches!(reissue("supervisor1", &new).await, Err(ChangeAccountError::Demo { .. })));
    assert!(matches!(reissue("nobody.here", &new).await, Err(ChangeAccountError::Missing { .. })));
    assert_eq!(accounts.list().await.unwrap(), untouched, "nothing of it was changed");
    assert_eq!(entries().await, before, "what was not done is not recorded");

    let moved = assign("juan", "operator", Some("DEMO-001")).await.unwrap();
    assert_eq!((moved.role.as_deref(), moved.tenant.as_deref()), (Some("operator"), Some("DEMO-001")));
    assert_eq!(assign("juan", "admin", None).await.unwrap().tenant, None, "the tenant goes with the role");
    assert_eq!(
        assign("north.rosa", "operator", Some("NORTH")).await.unwrap().role.as_deref(),
        Some("operator")
    );
    assign("north.rosa", "admin", None).await.unwrap();
    assign("juan", "operator", Some("NORTH")).await.unwrap();
    let issued = reissue("juan", &new).await.unwrap();
    assert_eq!((issued.must_change_password, issued.state), (Some(true), AccountState::Active));
    let connection = Database::connect(url).await.unwrap();
    let sql = "SELECT `key` FROM `user` WHERE login = 'juan'";
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await;
    let stored: String = row.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert!(verify_password(&stored, &new).unwrap().ok, "it lets in");
    let verdict = accounts.audit_trail().verify(None).await.unwrap();
    assert_eq!((verdict.head.entries, verdict.broken), (before + 6, None));
    // A table that cuts the hash would let nobody in: the old one stays.
    let cut = match connection.get_database_backend() {
        DbBackend::MySql => {
            "CREATE TRIGGER cut BEFORE UPDATE ON `user` FOR EACH ROW SET NEW.`key` = LEFT(NEW.`key`, 40)"
        }
        _ => {
            "CREATE TRIGGER cut AFTER UPDATE ON `user` BEGIN \
             UPDATE `user` SET `key` = substr(`key`, 1, 40) WHERE id = NEW.id; END"
        }
    };
    connection.execute_unprepared(cut).await.unwrap();
    let other: SecretString = "violet-harbor-lamp-31".into();
    let cut = reissue("juan", &other).await;
    assert!(matches!(cut, Err(ChangeAccountError::Database(_))), "{cut:?}");
    assert_eq!(accounts.audit_trail().verify(None).await.unwrap().head.entries, before + 6);
}

/// Two operators switch off the two administrators at the same moment, each counting on the other's.
async fn two_runs_cannot_lock_everybody_out(url: &str, accounts: &Accounts, round: u32) {
    let connection = Database::connect(url).await.unwrap();
    let reset = "UPDATE `user` SET `order` = 1, `group` = 'admin' WHERE login IN ('admin', 'strong')";
    connection.execute_unprepared(reset).await.unwrap();
    let other = Accounts::connect(&url.into(), mapping()).await.unwrap();
    let (one, two) = (names(&["admin"]), names(&["strong"]));
    let done = tokio::join!(accounts.deactivate(&one), other.deactivate(&two));
    assert!(done.0.is_ok() != done.1.is_ok(), "round {round}: {done:?}");
}

async fn tenants(url: &str) -> Tenants {
    let mut mapping = TenantMapping::new("client", "name");
    mapping.id = "code".to_owned();
    mapping.active = Some("active?".to_owned());
    mapping.active_values = vec![Literal::Text("Y".to_owned())];
    mapping.inactive_value = Literal::Text("N".to_owned());
    mapping.demo_ids = names(&["DEMO-001", "MISSING"]);
    let tenants = Tenants::connect(&url.into(), mapping).await.unwrap();
    for (code, name) in [("DEMO-001", "Demo"), ("NORTH", "North Works")] {
        let mut new = NewTenant::new(name);
        new.id = Some(code.to_owned());
        let made = tenants.create(&new, now()).await.unwrap();
        assert_eq!(made, tenants.create(&new, now()).await.unwrap(), "made once");
        assert_eq!((made.id.as_str(), made.state), (code, AccountState::Active));
    }
    let done = tenants.deactivate_demo().await.unwrap();
    assert_eq!((done.changed, done.missing), (names(&["DEMO-001"]), names(&["MISSING"])));
    assert_eq!(tenants.deactivate_demo().await.unwrap().already, ["DEMO-001"]);
    let states: Vec<AccountState> = tenants.list().await.unwrap().into_iter().map(|t| t.state).collect();
    assert_eq!(states, [AccountState::Inactive, AccountState::Active]);
    assert_eq!(tenants.list_demo().await.unwrap().len(), 1);
    tenants
}

const TEAM: &str = "username,role,tenant,attempts\nana.silva,operator,NORTH,1\nbo.chen,operator,NORTH,2\n";

async fn onboarding(accounts: &Accounts, tenants: &Tenants) {
    let hasher = PasswordHasher::new(1);
    let wrong = "username,role,tenant\nana.silva,operator,NORTH\nANA.SILVA,operator,NORTH\nlost,operator,\nx y,admin,\n\
                 boss,king,\nmoved,operator,NOWHERE\nstrong,admin,\n";
    let plan =
        accounts.plan_onboarding(&team_of_csv(wrong.as_bytes()).unwrap(), Some(tenants)).await.unwrap();
    assert_eq!(plan.create.len(), 1);
    let refused: Vec<(u64, &str)> =
        plan.refused.iter().map(|one| (one.line, one.username.as_str())).collect();
    assert_eq!(
        refused,
        [(3, "ANA.SILVA"), (4, "lost"), (5, "x y"), (6, "boss"), (7, "moved"), (8, "strong")]
    );
    assert!(matches!(
        accounts.onboard(&plan, &hasher, now()).await,
        Err(OnboardError::Refused { count: 6, .. })
    ));
    assert_eq!(accounts.get("ana.silva").await.unwrap(), None, "nothing is written");

    let team = team_of_csv(TEAM.as_bytes()).unwrap();
    let plan = accounts.plan_onboarding(&team, Some(tenants)).await.unwrap();
    assert_eq!((plan.create.len(), plan.refused.len()), (2, 0));
    let text = format!("{plan:?} {}", serde_json::to_string(&plan).unwrap());
    let passwords: Vec<(String, SecretString)> =
        plan.passwords().map(|(name, password)| (name.to_owned(), password.clone())).collect();
    assert!(passwords.iter().all(|(_, password)| !text.contains(password.expose_secret())));
    // The second one is taken in between: the first is not left behind.
    let mut taken = NewAccount::new("bo.chen", "violet-harbor-lamp-31".into(), "operator");
    taken.tenant = Some("NORTH".to_owned());
    accounts.create_account(&taken, &hasher, now()).await.unwrap();
    let lost = accounts.onboard(&plan, &hasher, now()).await.unwrap_err();
    assert!(
        matches!(lost, OnboardError::Account { source: CreateAccountError::Exists { .. }, .. }),
        "{lost}"
    );
    assert_eq!(accounts.get("ana.silva").await.unwrap(), None, "all or none");

    let plan = accounts.plan_onboarding(&team, Some(tenants)).await.unwrap();
    assert_eq!((plan.create.len(), plan.already.as_slice()), (1, &names(&["bo.chen"])[..]));
    let made = accounts.onboard(&plan, &hasher, now()).await.unwrap();
    assert_eq!((made.len(), made[0].must_change_password), (1, Some(true)));
    let again = accounts.plan_onboarding(&team, Some(tenants)).await.unwrap();
    assert_eq!((again.create.len(), again.already.len()), (0, 2), "a second run has nothing to do");
}

fn seed_file(directory: &std::path::Path) -> std::path::PathBuf {
    let path = directory.join("seed.py");
    std::fs::write(&path, format!("make_user(name='seeded', password='{SEEDED}')\n")).unwrap();
    path
}

#[tokio::test]
async fn the_credentials_of_an_sqlite_demo_go_live() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("app.db").display());
    go_live(&url, &seed_file(directory.path())).await;
}

#[tokio::test]
async fn the_credentials_of_a_mariadb_application_go_live() {
    let mut options = MariaDbOptions::new();
    options.databases = names(&["plant"]);
    let server = MariaDb::start(&options).unwrap();
    let directory = tempfile::tempdir().unwrap();
    go_live(&server.url("plant"), &seed_file(directory.path())).await;

    server.create_database("race").unwrap();
    let accounts = plant(&server.url("race")).await;
    for round in 0..5 {
        two_runs_cannot_lock_everybody_out(&server.url("race"), &accounts, round).await;
    }

    let wrong = server.url("plant").replace(server.password().expose_secret(), "hunter2hunter2");
    let error = Accounts::connect(&wrong.into(), mapping()).await.unwrap_err();
    assert!(matches!(error, AccountsError::Connect { .. }));
    assert!(!format!("{error:?} {error}").contains("hunter2"));
}

#[tokio::test]
async fn a_wrong_mapping_is_an_error_that_names_the_table() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", directory.path().join("app.db").display());
    plant(&url).await;
    let mut wrong = mapping();
    wrong.active = Some("no such column".to_owned());
    let accounts = Accounts::connect(&url.as_str().into(), wrong).await.unwrap();
    let error = accounts.scan(&quick()).await.unwrap_err();
    assert!(error.to_string().contains("`user`"), "{error}");
    let mut no_switch = mapping();
    no_switch.active = None;
    let accounts = Accounts::connect(&url.as_str().into(), no_switch).await.unwrap();
    let error = accounts.deactivate(&names(&["admin"])).await.unwrap_err();
    assert!(matches!(error, DeactivateError::NoActiveColumn { .. }));
}

//! A console with an application's accounts on a real server.

use golive::Config;
use golive_sandbox::{MariaDb, MariaDbOptions};
use golive_server::Acts;

use super::support::{Served, serve_folder};

const CONFIG: &str = r#"
[application]
name = "Ledger"
[target]
url = "env:TARGET"
[accounts]
table = "users"
username = "username"
password = "password_hash"
active = "is_active"
role = "role"
tenant = "company"
must_change_password = "must_change"
admin_roles = ["admin"]
role_tenants = { admin = "forbidden", operator = "required" }
demo_usernames = ["demo"]
[roles]
file = "roles.toml"
"#;

const ROLES: &str = r#"
permissions = ["enter", "manage"]
across_tenants = ["admin"]
[roles]
admin = ["enter", "manage"]
"#;

const TABLE: &str = "CREATE TABLE app.users (id INT PRIMARY KEY AUTO_INCREMENT, username VARCHAR(150) UNIQUE NOT NULL, \
    password_hash VARCHAR(255) NOT NULL, is_active BOOLEAN NOT NULL DEFAULT 1, role VARCHAR(40), company VARCHAR(40), \
    must_change BOOLEAN NOT NULL DEFAULT 0); \
    INSERT INTO app.users (username, password_hash, is_active, role) VALUES ('demo', 'x', 0, 'operator'), ('anna', 'x', 1, 'admin')";

/// A console whose golive.toml describes accounts, with an administrator and one of the demo, and their server.
pub(crate) async fn with_people() -> (Served, MariaDb) {
    let mut options = MariaDbOptions::new();
    options.databases = vec!["app".to_owned()];
    let server = MariaDb::start(&options).unwrap();
    server.execute(TABLE).unwrap();
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("roles.toml"), ROLES).unwrap();
    let config = Config::parse(CONFIG, base.path()).unwrap();
    let url = server.url("app");
    let acts = Acts::new(config, move |name| (name == "TARGET").then(|| url.clone()));
    (serve_folder(base, |options| options.acts = Some(acts)).await, server)
}

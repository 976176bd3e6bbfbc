//! What tables and columns probably mean, judged by their names. A guess: the operator looks through it.

use std::fmt::Write;
use std::path::Path;

use golive_migrate::{Survey, SurveyedTable};

/// What seems to be what.
pub(super) struct Guess {
    accounts: Option<Table>,
    tenants: Option<Table>,
}

/// A table and the columns of it that were recognized, as key of golive.toml and name.
struct Table {
    name: String,
    columns: Vec<(&'static str, String)>,
}

impl Guess {
    pub(super) fn of(survey: &Survey) -> Self {
        let accounts = survey.tables.iter().filter_map(accounts).max_by_key(|table| table.columns.len());
        let tenants = survey
            .tables
            .iter()
            .filter(|table| TENANTS.iter().any(|name| is(&table.name, name)))
            .find_map(|table| recognize(table, &TENANT_COLUMNS, &["name"]));
        Self { accounts, tenants }
    }

    pub(super) fn accounts(&self) -> Option<&str> {
        self.accounts.as_ref().map(|table| table.name.as_str())
    }

    pub(super) fn tenants(&self) -> Option<&str> {
        self.tenants.as_ref().map(|table| table.name.as_str())
    }
}

fn accounts(table: &SurveyedTable) -> Option<Table> {
    recognize(table, &ACCOUNT_COLUMNS, &["username", "password"])
}

fn recognize(table: &SurveyedTable, known: &[(&'static str, &[&str])], needed: &[&str]) -> Option<Table> {
    let mut columns = Vec::new();
    if let [key] = table.primary_key.as_slice() {
        columns.push(("id", key.clone()));
    }
    for (key, names) in known {
        let found = names.iter().find_map(|name| table.columns.iter().find(|column| is(&column.name, name)));
        if let Some(column) = found {
            columns.push((key, column.name.clone()));
        }
    }
    let complete = needed.iter().all(|need| columns.iter().any(|(key, _)| key == need));
    complete.then(|| Table { name: table.name.clone(), columns })
}

/// Equal but for case, underscores and a plural.
fn is(name: &str, word: &str) -> bool {
    let plain = |text: &str| text.to_lowercase().replace('_', "");
    let (name, word) = (plain(name), plain(word));
    name == word
        || name.strip_suffix('s') == Some(word.as_str())
        || name.strip_suffix("es") == Some(word.as_str())
}

/// The text of golive.toml.
pub(super) fn render(name: &str, source: &Path, guess: &Guess) -> String {
    let mut text = format!(
        "# What golive knows of this application. Every section but [application] is optional: what is not\n\
         # described cannot be proven, and is reported as unknown. Secrets stand elsewhere: env:NAME or file:PATH.\n\n\
         [application]\nname = {}\n\n\
         # How it is started; a program that starts with ./ lies beside this file.\n\
         # [application.commands]\n# serve = [\"./run-server\", \"--port\", \"{{port}}\"]\n\n\
         # The SQLite database that it ran on so far.\n[source]\nsqlite = {}\n\n\
         # The MariaDB database that it will run on: mysql://USER:PASSWORD@HOST/DATABASE in this variable.\n\
         [target]\nurl = \"env:GOLIVE_TARGET_URL\"\n\n\
         # The Redis that it will run on: redis://:PASSWORD@HOST/0 in this variable.\n\
         [redis]\nurl = \"env:GOLIVE_REDIS_URL\"\n\n\
         # The production environment; {{placeholders}} are filled in when it is written.\n\
         # [environment]\n# DATABASE_URL = \"{{database_url}}\"\n# REDIS_URL = \"{{redis_url}}\"\n# SECRET_KEY = \"{{secret_key}}\"\n\n",
        quoted(name),
        quoted(&source.to_string_lossy())
    );
    section(
        &mut text,
        "accounts",
        "Where user accounts live; guessed from the names of columns.",
        guess.accounts.as_ref(),
    );
    let demo = "# Login names and passwords of the demo, for `golive accounts scan`.";
    let _ = match guess.accounts {
        Some(_) => {
            writeln!(text, "{demo}\n# demo_usernames = [\"demo\"]\n# known_passwords = [\"demo123\"]\n")
        }
        None => {
            writeln!(text, "# table = \"users\"\n# username = \"username\"\n# password = \"password_hash\"\n")
        }
    };
    section(
        &mut text,
        "tenants",
        "Where tenants live; guessed from the names of tables.",
        guess.tenants.as_ref(),
    );
    text.push_str(REST);
    text
}

fn section(text: &mut String, name: &str, about: &str, table: Option<&Table>) {
    let Some(table) = table else {
        let _ = writeln!(text, "# {name}: none was recognized.\n# [{name}]");
        return;
    };
    let _ = writeln!(text, "# {about}\n[{name}]\ntable = {}", quoted(&table.name));
    for (key, column) in &table.columns {
        let _ = writeln!(text, "{key} = {}", quoted(column));
    }
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            letter if letter.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(letter));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

const ACCOUNT_COLUMNS: [(&str, &[&str]); 9] = [
    ("username", &["username", "user_name", "login", "login_name", "email"]),
    (
        "password",
        &["password_hash", "hashed_password", "password", "passwd", "encrypted_password", "pw_hash"],
    ),
    ("active", &["is_active", "active", "enabled", "is_enabled"]),
    ("role", &["role", "user_role"]),
    ("tenant", &["client_id", "tenant_id", "organization_id", "company_id", "account_id"]),
    ("must_change_password", &["must_change_password", "force_password_change", "password_must_change"]),
    ("last_login", &["last_login_at", "last_login", "last_signed_in_at"]),
    ("full_name", &["full_name", "display_name"]),
    ("email", &["email", "mail", "email_address"]),
];

const TENANT_COLUMNS: [(&str, &[&str]); 2] = [
    ("name", &["name", "client_name", "company_name", "title"]),
    ("active", &["is_active", "active", "enabled"]),
];

const TENANTS: [&str; 6] = ["client", "tenant", "organization", "organisation", "company", "companie"];

const REST: &str = r#"
# The production administrator to create, and the client that goes live.
# [admin]
# username = "r.meier"
# role = "admin"
# [tenant]
# id = "CLIENT-001"
# name = "The client"

# Where the application answers, and the paths of its probes.
# [http]
# base_url = "http://127.0.0.1:8000"
# live = "/health/live"
# ready = "/health/ready"
# deep = "/health/deep"
# metrics = "/metrics"

# A path that tells which database the application uses, as its connection does: asked after the switch.
# [http.database]
# path = "/health/database"

# Where backups lie, relative to this file.
# [backup]
# directory = "/var/backups/application"
# retention_days = 30

# Files to audit.
# [deploy]
# dockerfiles = ["Dockerfile"]
# compose = ["docker-compose.yml"]
# nginx = ["nginx.conf"]          # or caddy = ["Caddyfile"], traefik = ["traefik.yml", "dynamic.yml"]
# example_environment = [".env.example"]

# The public endpoint to grade.
# [tls]
# server_names = ["app.example.com"]
# endpoint = "app.example.com:443"
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_recognized_whatever_their_case_and_number() {
        assert!(is("Users", "user") && is("IsActive", "is_active") && is("PASSWORD_HASH", "passwordhash"));
        assert!(!is("user_preferences", "user"));
    }

    #[test]
    fn whatever_was_guessed_parses() {
        let full = Guess {
            accounts: Some(Table {
                name: "odd \"name\"\n".into(),
                columns: vec![
                    ("id", "id".into()),
                    ("username", "login".into()),
                    ("password", "hash\\".into()),
                ],
            }),
            tenants: Some(Table { name: "client".into(), columns: vec![("name", "name".into())] }),
        };
        for guess in [full, Guess { accounts: None, tenants: None }] {
            let text = render("a \"quoted\" name", Path::new("data/app.db"), &guess);
            let config = golive::Config::parse(&text, Path::new("."))
                .unwrap_or_else(|error| panic!("{error}\n{text}"));
            assert_eq!(config.application.name, "a \"quoted\" name");
            assert_eq!(config.accounts.is_some(), guess.accounts.is_some());
        }
    }
}

//! How an application names its tables and columns: the sections `[accounts]` and `[tenants]` of golive.toml. Data only.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use chrono::{DateTime, Utc};
use secrecy::SecretString;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize, Serializer};

/// Where the users are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AccountsMapping {
    /// The table of users.
    pub table: String,
    /// Its key column. Default `id`.
    #[serde(default = "id")]
    pub id: String,
    /// How new rows get their key. Default: the database makes it.
    #[serde(default)]
    pub id_strategy: IdStrategy,
    /// The column of login names.
    pub username: String,
    /// The column of password hashes.
    pub password: String,
    /// The column that says whether an account may log in. Without it all may, and none can be deactivated.
    pub active: Option<String>,
    /// Values of it that mean yes; the first is written. Default `[true]`.
    #[serde(default = "active_values")]
    pub active_values: Vec<Literal>,
    /// The value that means no. Default `false`.
    #[serde(default = "inactive_value")]
    pub inactive_value: Literal,
    /// The column of roles.
    pub role: Option<String>,
    /// The column that names the account's tenant.
    pub tenant: Option<String>,
    /// The column that says that the password must be changed at the next login.
    pub must_change_password: Option<String>,
    /// The column of the last login.
    pub last_login: Option<String>,
    /// The column of full names.
    pub full_name: Option<String>,
    /// The column of e-mail addresses.
    pub email: Option<String>,
    /// Further columns of new rows. `"$now"` stands for the time (UTC), `"$uuid"` for a new UUID.
    #[serde(default)]
    pub new_row: BTreeMap<String, Literal>,
    /// Roles that administer. The last active account of one is never deactivated.
    #[serde(default = "admin_roles")]
    pub admin_roles: Vec<String>,
    /// Which roles must, may or must not have a tenant. When given, roles not in it are refused.
    #[serde(default)]
    pub role_tenants: BTreeMap<String, TenantRule>,
    /// Login names of the demo. A hint: the scan finds accounts by their passwords.
    #[serde(default)]
    pub demo_usernames: Vec<String>,
    /// Passwords of the demo, for the scan to try.
    #[serde(default)]
    pub known_passwords: Vec<SecretString>,
    /// Files whose quoted literals the scan tries: seeders, fixtures, documentation.
    #[serde(default)]
    pub seed_files: Vec<PathBuf>,
}

impl AccountsMapping {
    /// A mapping with the columns that every table of users has.
    pub fn new(table: impl Into<String>, username: impl Into<String>, password: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            id: id(),
            id_strategy: IdStrategy::default(),
            username: username.into(),
            password: password.into(),
            active: None,
            active_values: active_values(),
            inactive_value: inactive_value(),
            role: None,
            tenant: None,
            must_change_password: None,
            last_login: None,
            full_name: None,
            email: None,
            new_row: BTreeMap::new(),
            admin_roles: admin_roles(),
            role_tenants: BTreeMap::new(),
            demo_usernames: Vec::new(),
            known_passwords: Vec::new(),
            seed_files: Vec::new(),
        }
    }
}

/// Where the tenants (clients) are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TenantMapping {
    /// The table of tenants.
    pub table: String,
    /// Its key column, which accounts refer to. Default `id`.
    #[serde(default = "id")]
    pub id: String,
    /// How new rows get their key. Default: the database makes it, unless the caller gives one.
    #[serde(default)]
    pub id_strategy: IdStrategy,
    /// The column of names.
    pub name: String,
    /// The column that says whether a tenant is in use.
    pub active: Option<String>,
    /// Values of it that mean yes; the first is written. Default `[true]`.
    #[serde(default = "active_values")]
    pub active_values: Vec<Literal>,
    /// The value that means no. Default `false`.
    #[serde(default = "inactive_value")]
    pub inactive_value: Literal,
    /// Further columns of new rows, as in [`AccountsMapping::new_row`].
    #[serde(default)]
    pub new_row: BTreeMap<String, Literal>,
    /// The demo's tenants, by [`TenantMapping::demo_column`].
    #[serde(default)]
    pub demo_ids: Vec<String>,
    /// The column that [`TenantMapping::demo_ids`] are values of, for example a code. Default: the key column.
    pub demo_column: Option<String>,
}

impl TenantMapping {
    /// A mapping with the columns that every table of tenants has.
    pub fn new(table: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            table: table.into(),
            id: id(),
            id_strategy: IdStrategy::default(),
            name: name.into(),
            active: None,
            active_values: active_values(),
            inactive_value: inactive_value(),
            new_row: BTreeMap::new(),
            demo_ids: Vec::new(),
            demo_column: None,
        }
    }
}

/// How a new row gets its key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum IdStrategy {
    /// The database makes it.
    #[default]
    Auto,
    /// A new UUID as text.
    Uuid,
}

/// Whether a role goes with a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TenantRule {
    /// It must have one.
    Required,
    /// It must have none.
    Forbidden,
    /// Either.
    Optional,
}

/// A value as it stands in TOML or JSON.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Literal {
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Float(f64),
    /// A text; `$now` and `$uuid` have a meaning in new rows.
    Text(String),
}

impl Literal {
    pub(crate) fn value(&self) -> sea_orm::Value {
        match self {
            Self::Bool(b) => (*b).into(),
            Self::Integer(n) => (*n).into(),
            Self::Float(n) => (*n).into(),
            Self::Text(t) => t.clone().into(),
        }
    }

    /// The value for a new row.
    pub(crate) fn new_value(&self, now: DateTime<Utc>) -> sea_orm::Value {
        match self {
            Self::Text(t) if t == "$now" => now.format("%Y-%m-%d %H:%M:%S%.6f").to_string().into(),
            Self::Text(t) if t == "$uuid" => uuid::Uuid::new_v4().to_string().into(),
            other => other.value(),
        }
    }

    /// Whether the database's text for a cell means this value.
    pub(crate) fn is_text(&self, cell: &str) -> bool {
        match self {
            Self::Bool(true) => cell == "1" || cell.eq_ignore_ascii_case("true"),
            Self::Bool(false) => cell == "0" || cell.eq_ignore_ascii_case("false"),
            Self::Integer(n) => cell.parse() == Ok(*n),
            Self::Float(n) => cell.parse() == Ok(*n),
            Self::Text(t) => cell == t,
        }
    }
}

impl Serialize for Literal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Bool(b) => serializer.serialize_bool(*b),
            Self::Integer(n) => serializer.serialize_i64(*n),
            Self::Float(n) => serializer.serialize_f64(*n),
            Self::Text(t) => serializer.serialize_str(t),
        }
    }
}

impl<'de> Deserialize<'de> for Literal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl Visitor<'_> for Any {
            type Value = Literal;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, a number or a text")
            }
            fn visit_bool<E: Error>(self, b: bool) -> Result<Literal, E> {
                Ok(Literal::Bool(b))
            }
            fn visit_i64<E: Error>(self, n: i64) -> Result<Literal, E> {
                Ok(Literal::Integer(n))
            }
            fn visit_u64<E: Error>(self, n: u64) -> Result<Literal, E> {
                i64::try_from(n).map(Literal::Integer).map_err(|_| E::custom("the number is too large"))
            }
            fn visit_f64<E: Error>(self, n: f64) -> Result<Literal, E> {
                Ok(Literal::Float(n))
            }
            fn visit_str<E: Error>(self, t: &str) -> Result<Literal, E> {
                Ok(Literal::Text(t.to_owned()))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn id() -> String {
    "id".to_owned()
}

fn active_values() -> Vec<Literal> {
    vec![Literal::Bool(true)]
}

fn inactive_value() -> Literal {
    Literal::Bool(false)
}

fn admin_roles() -> Vec<String> {
    vec!["admin".to_owned()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_toml_and_refuses_unknown_keys() {
        let mapping: AccountsMapping = toml::from_str(
            "table = 'user'\nusername = 'login'\npassword = 'pw'\nactive = 'enabled'\nactive_values = ['Y', 1]\n\
             inactive_value = 'N'\nknown_passwords = ['demo-pass-1']\n[new_row]\ncreated_at = '$now'\nattempts = 0\n\
             [role_tenants]\nadmin = 'forbidden'\n",
        )
        .unwrap();
        assert_eq!(mapping.active_values, [Literal::Text("Y".into()), Literal::Integer(1)]);
        assert_eq!(mapping.role_tenants["admin"], TenantRule::Forbidden);
        assert!(!format!("{mapping:?}").contains("demo-pass-1"));
        assert!(toml::from_str::<AccountsMapping>("table='u'\nusername='l'\npassword='p'\nx=1").is_err());
    }

    #[test]
    fn booleans_match_both_databases() {
        assert!(Literal::Bool(true).is_text("1") && Literal::Bool(false).is_text("0"));
        assert!(!Literal::Bool(true).is_text("Y") && Literal::Text("Y".into()).is_text("Y"));
    }
}

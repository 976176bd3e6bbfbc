//! The tenants and accounts of the demonstration, with their passwords in the open: that is what going live has to
//! deal with. The last three are such as somebody adds later and forgets to write down.

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;

use super::plan::Plan;
use super::random::Random;
use crate::entity::enums::Role;
use crate::entity::{client, user};

/// A demo tenant.
pub(super) struct Tenant {
    pub(super) client_id: &'static str,
    pub(super) name: &'static str,
    pub(super) country: &'static str,
    pub(super) timezone: &'static str,
    /// Minutes east of Greenwich: the offset its plant writes.
    pub(super) offset_minutes: i32,
}

const fn tenant(
    client_id: &'static str,
    name: &'static str,
    country: &'static str,
    timezone: &'static str,
    offset_minutes: i32,
) -> Tenant {
    Tenant { client_id, name, country, timezone, offset_minutes }
}

/// The demo tenants.
pub(super) const TENANTS: [Tenant; 8] = [
    tenant("ACME-MFG", "Acme Manufacturing", "US", "America/Chicago", -360),
    tenant("TEXTILE-PRO", "Textile Pro S.A. de C.V.", "MX", "America/Mexico_City", -360),
    tenant("FASHION-WORKS", "Fashion Works Ltd", "GB", "Europe/London", 0),
    tenant("QUALITY-STITCH", "Quality Stitch \"QS\" Pvt", "IN", "Asia/Kolkata", 330),
    tenant("GLOBAL-APPAREL", "Global Apparel – Zürich", "CH", "Europe/Zurich", 60),
    tenant("DEMO-001", "Demo Factory 🧵", "DE", "Europe/Berlin", 120),
    tenant("TEST-001", "Test Tenant O'Brien", "IE", "Europe/Dublin", 0),
    tenant("SAMPLE-001", "Sample \\ Co", "NP", "Asia/Kathmandu", 345),
];

/// A demo account.
pub(crate) struct Account {
    pub(crate) username: &'static str,
    pub(crate) password: &'static str,
    pub(crate) role: Role,
    pub(crate) client_id: Option<&'static str>,
}

const fn account(
    username: &'static str,
    password: &'static str,
    role: Role,
    client_id: Option<&'static str>,
) -> Account {
    Account { username, password, role, client_id }
}

/// The demo accounts.
pub(crate) const ACCOUNTS: [Account; 20] = [
    account("admin", "admin123", Role::Admin, None),
    account("supervisor1", "password123", Role::Supervisor, Some("ACME-MFG")),
    account("supervisor2", "password123", Role::Supervisor, Some("TEXTILE-PRO")),
    account("supervisor3", "password123", Role::Supervisor, Some("FASHION-WORKS")),
    account("supervisor4", "password123", Role::Supervisor, Some("QUALITY-STITCH")),
    account("supervisor5", "password123", Role::Supervisor, Some("GLOBAL-APPAREL")),
    account("operator1", "password123", Role::Operator, Some("ACME-MFG")),
    account("operator2", "password123", Role::Operator, Some("TEXTILE-PRO")),
    account("operator3", "password123", Role::Operator, Some("FASHION-WORKS")),
    account("operator4", "password123", Role::Operator, Some("QUALITY-STITCH")),
    account("operator5", "password123", Role::Operator, Some("GLOBAL-APPAREL")),
    account("operator6", "password123", Role::Operator, Some("DEMO-001")),
    account("leader1", "leader123", Role::Leader, Some("ACME-MFG")),
    account("poweruser", "poweruser123", Role::Poweruser, None),
    account("e2e_admin", "e2e_admin123", Role::Admin, None),
    account("e2e_supervisor", "e2e_supervisor123", Role::Supervisor, Some("TEST-001")),
    account("e2e_operator", "e2e_operator123", Role::Operator, Some("TEST-001")),
    account("qa_viewer", "qa_viewer123", Role::Viewer, Some("DEMO-001")),
    account("trainer", "trainer", Role::Leader, Some("SAMPLE-001")),
    account("warehouse_demo", "changeme", Role::Operator, Some("DEMO-001")),
];

/// Why the accounts could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the password of the demo account {username} cannot be hashed: {reason}")]
pub(crate) struct HashError {
    username: &'static str,
    reason: argon2::password_hash::Error,
}

/// The rows of `client`.
pub(super) fn clients(plan: &Plan) -> Vec<client::Model> {
    let mut random = plan.random("client");
    let rows = TENANTS.iter().enumerate().map(|(index, tenant)| client::Model {
        client_id: tenant.client_id.to_owned(),
        client_name: tenant.name.to_owned(),
        contact_email: (index % 3 != 2)
            .then(|| format!("plant@{}.example", tenant.client_id.to_ascii_lowercase())),
        country: tenant.country.to_owned(),
        timezone: tenant.timezone.to_owned(),
        is_active: true,
        logo: (index % 2 == 0).then(|| [&b"\x89PNG\r\n\x1a\n\0"[..], &random.bytes(120)].concat()),
        settings: serde_json::json!({
            "language": "en", "decimals": 2, "rates": [1.5, 0.1, 1e-7], "motto": "füße \"&\" \\ 🚀", "none": null
        }),
        created_at: plan.moment(400, &mut random),
        updated_at: plan.moment(30, &mut random),
    });
    rows.collect()
}

/// The rows of `user`. The salt comes from the seed: the same seed makes the same hash.
pub(super) fn users(plan: &Plan) -> Result<Vec<user::Model>, HashError> {
    let mut random = plan.random("user");
    ACCOUNTS.iter().zip(1..).map(|(account, id)| user_row(plan, account, id, &mut random)).collect()
}

fn user_row(plan: &Plan, account: &Account, id: i64, random: &mut Random) -> Result<user::Model, HashError> {
    let password_hash = Argon2::default()
        .hash_password_with_salt(account.password.as_bytes(), &random.bytes(16))
        .map_err(|reason| HashError { username: account.username, reason })?
        .to_string();
    Ok(user::Model {
        id,
        username: account.username.to_owned(),
        password_hash,
        full_name: super::people::full_name(id * 7),
        email: (id % 4 != 0).then(|| format!("{}@demo.example", account.username)),
        role: account.role,
        client_id: account.client_id.map(str::to_owned),
        is_active: true,
        must_change_password: false,
        created_at: plan.moment(300, random),
        updated_at: plan.moment(60, random),
        last_login_at: (id % 3 != 0).then(|| plan.moment(5, random)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_belongs_to_a_demo_tenant_or_to_none() {
        for account in &ACCOUNTS {
            let is_known = account.client_id.is_none_or(|id| TENANTS.iter().any(|t| t.client_id == id));
            assert!(is_known, "{}", account.username);
            let sees_all = matches!(account.role, Role::Admin | Role::Poweruser);
            assert_eq!(sees_all, account.client_id.is_none(), "{}", account.username);
        }
    }

    #[test]
    fn the_team_of_the_client_is_none_of_the_demo() {
        let mut team = csv::Reader::from_reader(include_str!("../../deploy/team.csv").as_bytes());
        let header = team.headers().unwrap().iter().collect::<Vec<_>>().join(",");
        assert_eq!(header, "username,full_name,role,client_id,shift");
        let people: Vec<_> = team.records().map(Result::unwrap).collect();
        let with_role = |role| people.iter().filter(|person| person.get(2) == Some(role)).count();
        assert_eq!((with_role("supervisor"), with_role("operator"), people.len()), (2, 6, 8));
        for person in &people {
            assert!(ACCOUNTS.iter().all(|account| Some(account.username) != person.get(0)), "{person:?}");
            assert!(TENANTS.iter().all(|tenant| Some(tenant.client_id) != person.get(3)), "{person:?}");
        }
    }
}

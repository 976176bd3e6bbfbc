//! The tenants (clients) of an application: list, switch off, make.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{DatabaseConnection, Value};
use secrecy::SecretString;
use serde::Serialize;

use super::directory::AccountsError;
use super::mapping::{IdStrategy, Literal, TenantMapping};
use super::recording::Recording;
use super::rows::{
    AccountState, ActiveColumn, DeactivateError, Deactivated, begin, connect, insert, quote, select_text,
    switch_off,
};

/// The tenants of an application. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tenants {
    pub(super) connection: DatabaseConnection,
    mapping: TenantMapping,
    pub(super) recording: Option<Recording>,
}

/// A tenant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Tenant {
    /// The key, as text.
    pub id: String,
    /// The name.
    pub name: String,
    /// Whether it is in use.
    pub state: AccountState,
}

/// A tenant to be made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewTenant {
    /// The name.
    pub name: String,
    /// The key, where the application chooses it.
    pub id: Option<String>,
    /// Further columns, over those of the mapping.
    pub columns: BTreeMap<String, Literal>,
}

impl NewTenant {
    /// A tenant with a name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), id: None, columns: BTreeMap::new() }
    }
}

impl Tenants {
    /// Connects to `mysql://` or `sqlite://`.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(url: &SecretString, mapping: TenantMapping) -> Result<Self, AccountsError> {
        let connection = connect(url)
            .await
            .map_err(|source| AccountsError::Connect { table: mapping.table.clone(), source })?;
        Ok(Self::on(connection, mapping))
    }

    /// On a connection that the application already has.
    pub fn on(connection: DatabaseConnection, mapping: TenantMapping) -> Self {
        Self { connection, mapping, recording: None }
    }

    /// The mapping.
    pub fn mapping(&self) -> &TenantMapping {
        &self.mapping
    }

    /// All tenants, by name.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list(&self) -> Result<Vec<Tenant>, AccountsError> {
        let order = format!("ORDER BY {} LIMIT {}", quote(&self.mapping.name), MOST_TENANTS + 1);
        let tenants = self.read(&order, Vec::new()).await?;
        if tenants.len() > MOST_TENANTS {
            return Err(AccountsError::TooMany { table: self.mapping.table.clone(), most: MOST_TENANTS });
        }
        Ok(tenants)
    }

    /// Those of [`TenantMapping::demo_ids`] that are in the table.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn list_demo(&self) -> Result<Vec<Tenant>, AccountsError> {
        let mut found = Vec::new();
        for ids in self.mapping.demo_ids.chunks(500) {
            let keys = ids.iter().map(|id| id.clone().into()).collect();
            let marks = super::rows::placeholders(ids.len());
            found
                .extend(self.read(&format!("WHERE {} IN ({marks})", quote(self.demo_column())), keys).await?);
        }
        Ok(found)
    }

    /// Switches tenants off by their keys, all or none, and tells which were on.
    ///
    /// # Errors
    /// When the database refuses; then nothing is changed.
    pub async fn deactivate(&self, ids: &[String]) -> Result<Deactivated, DeactivateError> {
        self.switch_off(&self.mapping.id, ids).await
    }

    /// Switches off the demo's tenants, [`TenantMapping::demo_ids`].
    ///
    /// # Errors
    /// As [`Tenants::deactivate`].
    pub async fn deactivate_demo(&self) -> Result<Deactivated, DeactivateError> {
        self.switch_off(self.demo_column(), &self.mapping.demo_ids).await
    }

    /// Makes a tenant; one of that name that is there already is returned as it is.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create(&self, tenant: &NewTenant, now: DateTime<Utc>) -> Result<Tenant, AccountsError> {
        if let Some(there) = self.by_name(&tenant.name).await? {
            return Ok(there);
        }
        let mapping = &self.mapping;
        let further = mapping.new_row.iter().chain(&tenant.columns);
        let mut row: BTreeMap<String, Value> =
            further.map(|(column, literal)| (column.clone(), literal.new_value(now))).collect();
        row.insert(mapping.name.clone(), tenant.name.clone().into());
        if let (Some(column), Some(yes)) = (&mapping.active, mapping.active_values.first()) {
            row.insert(column.clone(), yes.value());
        }
        if let Some(id) = &tenant.id {
            row.insert(mapping.id.clone(), id.clone().into());
        } else if mapping.id_strategy == IdStrategy::Uuid {
            row.insert(mapping.id.clone(), uuid::Uuid::new_v4().to_string().into());
        }
        let failed = |source| AccountsError::Read { table: mapping.table.clone(), source };
        insert(&self.connection, &mapping.table, row.into_iter().collect()).await.map_err(failed)?;
        self.by_name(&tenant.name)
            .await?
            .ok_or_else(|| failed(sea_orm::DbErr::RecordNotFound("the new row under its name".to_owned())))
    }

    fn demo_column(&self) -> &str {
        self.mapping.demo_column.as_deref().unwrap_or(&self.mapping.id)
    }

    async fn by_name(&self, name: &str) -> Result<Option<Tenant>, AccountsError> {
        let condition = format!("WHERE {} = ?", quote(&self.mapping.name));
        Ok(self.read(&condition, vec![name.into()]).await?.pop())
    }

    async fn switch_off(&self, key: &str, wanted: &[String]) -> Result<Deactivated, DeactivateError> {
        let table = &self.mapping.table;
        let failed = |source| DeactivateError::Database { table: table.clone(), source };
        let transaction = begin(&self.connection).await.map_err(failed)?;
        let done = switch_off(&transaction, table, key, self.active(), wanted).await?;
        let changed = done.changed.iter().map(String::as_str);
        let recorded =
            Recording::add(self.recording.as_ref(), &transaction, "deactivate tenant", changed).await;
        recorded.map_err(DeactivateError::Audit)?;
        transaction.commit().await.map_err(failed)?;
        Ok(done)
    }

    fn active(&self) -> ActiveColumn<'_> {
        ActiveColumn {
            column: self.mapping.active.as_deref(),
            yes: &self.mapping.active_values,
            no: &self.mapping.inactive_value,
        }
    }

    async fn read(&self, condition: &str, values: Vec<Value>) -> Result<Vec<Tenant>, AccountsError> {
        let mapping = &self.mapping;
        let columns = [Some(mapping.id.as_str()), Some(mapping.name.as_str()), mapping.active.as_deref()];
        let found = select_text(&self.connection, &mapping.table, &columns, condition, values)
            .await
            .map_err(|source| AccountsError::Read { table: mapping.table.clone(), source })?;
        let tenant = |row: Vec<Option<String>>| {
            let [id, name, active] = <[Option<String>; 3]>::try_from(row).expect("as many cells as columns");
            let state = self.active().state(active.as_deref());
            Tenant { id: id.unwrap_or_default(), name: name.unwrap_or_default(), state }
        };
        Ok(found.into_iter().map(tenant).collect())
    }
}

const MOST_TENANTS: usize = 100_000;

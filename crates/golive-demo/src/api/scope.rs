//! The one place that says which tenants a caller sees: those of their own that are active. Every query about tenants'
//! data takes its tenants from here, so a deactivated one is invisible everywhere, to everybody.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::access::{self, TenantRule};
use super::error::ApiError;
use crate::entity::{client, user};

/// Which tenants somebody sees, as far as they are active.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    reach: Reach,
    own: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    All,
    Own,
    Nothing,
}

impl Scope {
    /// The scope of an account.
    pub(crate) fn of(user: &user::Model) -> Self {
        let rule = access::rule(user.role);
        let reach = match (&user.client_id, rule.tenant) {
            _ if rule.sees_all_tenants => Reach::All,
            (Some(_), _) => Reach::Own,
            (None, TenantRule::Optional) => Reach::All,
            (None, TenantRule::Required) => Reach::Nothing,
        };
        Self { reach, own: user.client_id.clone() }
    }

    /// Whether it is every active tenant.
    pub(crate) fn is_everything(&self) -> bool {
        self.reach == Reach::All
    }

    /// The active tenants in this scope: the one asked for, or all. One that is not visible does not exist.
    pub(crate) async fn clients(
        &self,
        db: &impl ConnectionTrait,
        requested: Option<&str>,
    ) -> Result<Vec<String>, ApiError> {
        let mut query = client::Entity::find().select_only().column(client::Column::ClientId);
        query = query.filter(client::Column::IsActive.eq(true)).order_by_asc(client::Column::ClientId);
        match (self.reach, &self.own) {
            (Reach::All, _) => {}
            (Reach::Own, Some(own)) => query = query.filter(client::Column::ClientId.eq(own)),
            (Reach::Own, None) | (Reach::Nothing, _) => return nothing(requested),
        }
        if let Some(requested) = requested {
            query = query.filter(client::Column::ClientId.eq(requested));
        }
        let mut found: Vec<String> = query.into_tuple().all(db).await?;
        // The database may compare more generously than we do.
        found.retain(|id| requested.is_none_or(|requested| requested == id));
        if found.is_empty() { nothing(requested) } else { Ok(found) }
    }

    /// The one tenant that a request is about: the one it names, or the caller's own.
    pub(crate) async fn client(
        &self,
        db: &impl ConnectionTrait,
        requested: Option<&str>,
    ) -> Result<String, ApiError> {
        let Some(wanted) = requested.or(self.own.as_deref()) else {
            return Err(ApiError::invalid("name the tenant in client_id"));
        };
        self.clients(db, Some(wanted)).await?.pop().ok_or_else(|| ApiError::not_found("client"))
    }
}

fn nothing(requested: Option<&str>) -> Result<Vec<String>, ApiError> {
    if requested.is_some() { Err(ApiError::not_found("client")) } else { Ok(Vec::new()) }
}

/// Whether the tenant of an account lets it in: it has none, or its tenant is active.
pub(crate) async fn tenant_is_open(db: &impl ConnectionTrait, user: &user::Model) -> Result<bool, DbErr> {
    let Some(client_id) = &user.client_id else { return Ok(true) };
    let tenant = client::Entity::find_by_id(client_id)
        .select_only()
        .column(client::Column::IsActive)
        .into_tuple::<bool>()
        .one(db)
        .await?;
    Ok(tenant == Some(true))
}

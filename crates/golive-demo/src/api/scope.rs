//! The one place that says which tenants a caller sees: those of their own that are active. Every query about tenants'
//! data takes its tenants from here, so a deactivated one is invisible everywhere, to everybody.

use golive_auth::TenantScope;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::access;
use super::error::ApiError;
use crate::entity::{client, user};

/// Which tenants somebody sees, as far as they are active.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// `None` is nobody.
    tenants: Option<TenantScope>,
    own: Option<String>,
}

impl Scope {
    /// The scope of an account.
    pub(crate) fn of(user: &user::Model) -> Self {
        Self { tenants: access::scope(user.role, user.client_id.as_deref()), own: user.client_id.clone() }
    }

    /// Whether it is every active tenant.
    pub(crate) fn is_everything(&self) -> bool {
        self.tenants.as_ref().is_some_and(|tenants| tenants.tenant().is_none())
    }

    /// The active tenants in this scope: the one asked for, or all. One that is not visible does not exist.
    pub(crate) async fn clients(
        &self,
        db: &impl ConnectionTrait,
        requested: Option<&str>,
    ) -> Result<Vec<String>, ApiError> {
        let asked = self.tenants.as_ref().and_then(|tenants| tenants.narrowed(requested));
        let Some(tenants) = asked else { return nothing(requested) };
        let query = client::Entity::find().select_only().column(client::Column::ClientId);
        let query = query.filter(client::Column::IsActive.eq(true)).order_by_asc(client::Column::ClientId);
        let query = tenants.of(query, client::Column::ClientId);
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

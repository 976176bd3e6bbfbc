//! What is looked up often and changes seldom, read through Redis: permissions (2 min), tenant configuration (5 min),
//! thresholds (10 min). Without Redis the database answers each time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use chrono::NaiveDate;
use golive_cache::{Cache, ReadThrough};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder,
    TransactionTrait,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::access::{self, Permission};
use super::audit::{self, Deed};
use super::caller::Caller;
use super::error::ApiError;
use super::extract::{Body, Params};
use super::state::App;
use crate::entity::{client_config, kpi_threshold, user};

/// The cached lookups.
#[derive(Debug)]
pub(crate) struct Lookups {
    permissions: Lookup<Vec<Permission>>,
    config: Lookup<Option<ConfigView>>,
    thresholds: Lookup<Vec<ThresholdView>>,
}

#[derive(Debug)]
struct Lookup<T> {
    cache: Option<ReadThrough<T>>,
}

impl<T: Clone + Serialize + DeserializeOwned + Send + Sync + 'static> Lookup<T> {
    fn new(cache: Option<&Cache>, name: &'static str, ttl: Duration) -> Self {
        Self { cache: cache.map(|cache| ReadThrough::new(cache.clone(), name, ttl)) }
    }

    /// The value, and whether it came from the cache.
    async fn get<Fut: Future<Output = Result<T, ApiError>>>(
        &self,
        key: &str,
        load: impl FnOnce() -> Fut,
    ) -> Result<(T, bool), ApiError> {
        let Some(cache) = &self.cache else { return Ok((load().await?, false)) };
        let is_loaded = AtomicBool::new(false);
        let value = cache
            .get_or_load(key, || {
                is_loaded.store(true, Ordering::Relaxed);
                load()
            })
            .await?;
        let is_hit = !is_loaded.load(Ordering::Relaxed);
        if is_hit {
            golive_observe::metrics().cache_hit();
        } else {
            golive_observe::metrics().cache_miss();
        }
        Ok((value, is_hit))
    }

    async fn drop(&self, key: &str) -> Result<(), ApiError> {
        let Some(cache) = &self.cache else { return Ok(()) };
        cache.invalidate(key).await.map_err(|cause| {
            let status = axum::http::StatusCode::SERVICE_UNAVAILABLE;
            ApiError::new(
                status,
                "cache_unavailable",
                "it was saved, but old values may be shown for a while; save again",
            )
            .with_cause(cause)
        })
    }
}

impl Lookups {
    /// Through Redis where there is one.
    pub(crate) fn new(cache: Option<&Cache>) -> Self {
        let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
        Self {
            permissions: Lookup::new(cache, "permissions", minutes(2)),
            config: Lookup::new(cache, "config", minutes(5)),
            thresholds: Lookup::new(cache, "thresholds", minutes(10)),
        }
    }

    /// What the role of an account may do.
    pub(crate) async fn permissions(&self, user: &user::Model) -> Result<Vec<Permission>, ApiError> {
        let of_role = || std::future::ready(Ok(access::permissions(user.role)));
        Ok(self.permissions.get(&user.id.to_string(), of_role).await?.0)
    }

    /// Forgets the permissions of an account whose role changed.
    pub(crate) async fn drop_permissions(&self, user_id: i64) -> Result<(), ApiError> {
        self.permissions.drop(&user_id.to_string()).await
    }
}

/// The configuration of a tenant.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ConfigView {
    client_id: String,
    otd_grace_days: i32,
    quality_target_ratio: f64,
    oee_target_ratio: f64,
    working_days: String,
    allows_csv_upload: bool,
    dashboard_layout: Value,
    notice: Option<String>,
}

/// A threshold of a tenant, or the default of all.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ThresholdView {
    metric: String,
    warning_value: f64,
    critical_value: f64,
    condition: String,
    is_default: bool,
}

/// Which tenant.
#[derive(Debug, Deserialize)]
pub(crate) struct Tenant {
    client_id: Option<String>,
}

/// The tenant's configuration.
pub(crate) async fn config(
    State(app): State<App>,
    caller: Caller,
    Params(tenant): Params<Tenant>,
) -> Result<Response, ApiError> {
    let client_id = caller.scope.client(&app.db, tenant.client_id.as_deref()).await?;
    let load = || async {
        let row = client_config::Entity::find_by_id(&client_id).one(&app.db).await?;
        Ok(row.map(|row| ConfigView {
            client_id: row.client_id,
            otd_grace_days: row.otd_grace_days,
            quality_target_ratio: row.quality_target_ratio,
            oee_target_ratio: f64::from(row.oee_target_ratio),
            working_days: row.working_days,
            allows_csv_upload: row.allows_csv_upload,
            dashboard_layout: row.dashboard_layout,
            notice: row.notice,
        }))
    };
    let (view, is_hit) = app.lookups.config.get(&client_id, load).await?;
    Ok(with_source(Json(view.ok_or_else(|| ApiError::not_found("configuration"))?), is_hit))
}

/// The tenant's thresholds, and the defaults where it has none of its own.
pub(crate) async fn thresholds(
    State(app): State<App>,
    caller: Caller,
    Params(tenant): Params<Tenant>,
) -> Result<Response, ApiError> {
    let client_id = caller.scope.client(&app.db, tenant.client_id.as_deref()).await?;
    let today = app.now().date_naive();
    let load = || async {
        let rows = kpi_threshold::Entity::find()
            .filter(
                Condition::any()
                    .add(kpi_threshold::Column::ClientId.eq(&client_id))
                    .add(kpi_threshold::Column::ClientId.is_null()),
            )
            .filter(kpi_threshold::Column::EffectiveFrom.lte(today))
            .order_by_asc(kpi_threshold::Column::EffectiveFrom)
            .all(&app.db)
            .await?;
        Ok(effective(rows, today))
    };
    let (items, is_hit) = app.lookups.thresholds.get(&client_id, load).await?;
    Ok(with_source(Json(serde_json::json!({ "items": items })), is_hit))
}

/// One threshold a metric: the latest of the tenant's own, else the latest default.
fn effective(rows: Vec<kpi_threshold::Model>, today: NaiveDate) -> Vec<ThresholdView> {
    let mut views = std::collections::BTreeMap::<String, ThresholdView>::new();
    for row in rows.into_iter().filter(|row| row.effective_to.is_none_or(|last| last >= today)) {
        let is_default = row.client_id.is_none();
        if is_default && views.get(&row.metric).is_some_and(|view| !view.is_default) {
            continue;
        }
        views.insert(
            row.metric.clone(),
            ThresholdView {
                metric: row.metric,
                warning_value: row.warning_value,
                critical_value: row.critical_value,
                condition: row.condition,
                is_default,
            },
        );
    }
    views.into_values().collect()
}

/// A threshold to be set.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThresholdInput {
    client_id: Option<String>,
    metric: String,
    warning_value: f64,
    critical_value: f64,
    /// `below` or `above`.
    condition: String,
}

/// Sets a threshold of the tenant from today on.
pub(crate) async fn set_threshold(
    State(app): State<App>,
    caller: Caller,
    Body(input): Body<ThresholdInput>,
) -> Result<Json<Value>, ApiError> {
    let client_id = caller.scope.client(&app.db, input.client_id.as_deref()).await?;
    let metric = super::extract::code(&input.metric, "metric", 40)?;
    if !matches!(input.condition.as_str(), "below" | "above") {
        return Err(ApiError::invalid("condition must be below or above"));
    }
    if !(input.warning_value.is_finite() && input.critical_value.is_finite()) {
        return Err(ApiError::invalid("the values must be numbers"));
    }
    let today = app.now().date_naive();
    let existing = kpi_threshold::Entity::find()
        .filter(kpi_threshold::Column::ClientId.eq(&client_id))
        .filter(kpi_threshold::Column::Metric.eq(&metric))
        .filter(kpi_threshold::Column::EffectiveFrom.eq(today))
        .one(&app.db)
        .await?;
    let mut row = kpi_threshold::ActiveModel {
        client_id: Set(Some(client_id.clone())),
        metric: Set(metric.clone()),
        warning_value: Set(input.warning_value),
        critical_value: Set(input.critical_value),
        condition: Set(input.condition),
        effective_from: Set(today),
        effective_to: Set(None),
        ..Default::default()
    };
    let transaction = app.db.begin().await?;
    if let Some(existing) = existing {
        row.id = Set(existing.id);
        row.update(&transaction).await?;
    } else {
        row.insert(&transaction).await?;
    }
    audit::record(
        &app,
        &transaction,
        app.now(),
        &caller.actor,
        Deed::new("update", "kpi_threshold", &metric).of(&client_id),
    )
    .await?;
    transaction.commit().await?;
    app.lookups.thresholds.drop(&client_id).await?;
    Ok(Json(serde_json::json!({ "client_id": client_id, "metric": metric })))
}

/// Says in `X-Cache` where the answer came from.
fn with_source(body: impl IntoResponse, is_hit: bool) -> Response {
    let mut response = body.into_response();
    let value = HeaderValue::from_static(if is_hit { "hit" } else { "miss" });
    response.headers_mut().insert(HeaderName::from_static("x-cache"), value);
    response
}

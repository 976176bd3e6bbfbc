//! Rows of `client_config`. What a tenant has configured, one row a tenant.

use sea_orm::entity::prelude::*;

/// What a tenant has configured, one row a tenant.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "client_config")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: String,
    pub otd_grace_days: i32,
    /// Used where a product states none.
    pub default_cycle_minutes: Decimal,
    pub quality_target_ratio: f64,
    pub oee_target_ratio: f32,
    pub working_days: String,
    pub allows_csv_upload: bool,
    pub dashboard_layout: Json,
    /// Shown to every user of the tenant.
    pub notice: Option<String>,
    pub updated_at: DateTime,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::client::Entity",
        from = "Column::ClientId",
        to = "super::client::Column::ClientId"
    )]
    Client,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

//! Rows of `kpi_threshold`. When a KPI turns yellow or red.

use sea_orm::entity::prelude::*;

/// When a KPI turns yellow or red.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "kpi_threshold")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    /// None: the default of all tenants.
    pub client_id: Option<String>,
    pub metric: String,
    pub warning_value: f64,
    pub critical_value: f64,
    /// `below` or `above`; a reserved word, on purpose.
    pub condition: String,
    pub effective_from: Date,
    pub effective_to: Option<Date>,
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

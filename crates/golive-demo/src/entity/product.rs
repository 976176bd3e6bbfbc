//! Rows of `product`. Something a tenant makes.

use sea_orm::entity::prelude::*;

/// Something a tenant makes.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "product")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub code: String,
    pub product_name: String,
    pub description: Option<String>,
    pub unit: String,
    /// Minutes a unit at full speed.
    pub ideal_cycle_minutes: Decimal,
    pub unit_price: Decimal,
    pub weight_kg: Option<f32>,
    pub attributes: Option<Json>,
    pub is_active: bool,
    pub created_at: DateTime,
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

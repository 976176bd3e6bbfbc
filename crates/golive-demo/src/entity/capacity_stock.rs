//! Rows of `capacity_stock`. What is in stock of a component.

use sea_orm::entity::prelude::*;

/// What is in stock of a component.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "capacity_stock")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub component_code: String,
    /// Negative where booking ran ahead.
    pub on_hand: Decimal,
    pub reserved: Decimal,
    pub unit_cost: Decimal,
    pub counted_at: Option<DateTime>,
    pub bin: String,
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

//! Rows of `order`. What a customer of the tenant has ordered; its name is a reserved word, on purpose.

use sea_orm::entity::prelude::*;

use super::enums::OrderStatus;

/// What a customer of the tenant has ordered; its name is a reserved word, on purpose.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "order")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub product_id: i64,
    pub owner_id: Option<i64>,
    pub order_number: String,
    pub customer_name: String,
    pub quantity: i32,
    pub unit_price: Decimal,
    /// With the offset of whoever ordered.
    pub ordered_at: DateTimeWithTimeZone,
    pub promised_on: Date,
    pub status: OrderStatus,
    pub remarks: Option<String>,
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
    #[sea_orm(
        belongs_to = "super::product::Entity",
        from = "Column::ProductId",
        to = "super::product::Column::Id"
    )]
    Product,
    #[sea_orm(
        belongs_to = "super::employee::Entity",
        from = "Column::OwnerId",
        to = "super::employee::Column::Id"
    )]
    Owner,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::product::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Product.def()
    }
}

impl Related<super::employee::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Owner.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

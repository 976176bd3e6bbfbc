//! Rows of `work_order`. An order to the floor.

use sea_orm::entity::prelude::*;

use super::enums::WorkOrderStatus;

/// An order to the floor.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "work_order")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub number: String,
    pub product_id: i64,
    pub line_id: i64,
    pub order_id: Option<i64>,
    pub planned_quantity: i32,
    pub completed_quantity: i32,
    pub status: WorkOrderStatus,
    pub priority: i32,
    pub planned_start: Date,
    pub due_date: Date,
    pub completed_at: Option<DateTime>,
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
    #[sea_orm(
        belongs_to = "super::product::Entity",
        from = "Column::ProductId",
        to = "super::product::Column::Id"
    )]
    Product,
    #[sea_orm(
        belongs_to = "super::production_line::Entity",
        from = "Column::LineId",
        to = "super::production_line::Column::Id"
    )]
    Line,
    #[sea_orm(belongs_to = "super::order::Entity", from = "Column::OrderId", to = "super::order::Column::Id")]
    Order,
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

impl Related<super::production_line::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Line.def()
    }
}

impl Related<super::order::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Order.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

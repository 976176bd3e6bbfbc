//! Rows of `capacity_commitment`. What was promised to a customer on the strength of a schedule.

use sea_orm::entity::prelude::*;

/// What was promised to a customer on the strength of a schedule.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "capacity_commitment")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub order_id: i64,
    pub schedule_item_id: Option<i64>,
    pub committed_on: Date,
    pub quantity: i32,
    pub confidence: f32,
    pub confirmed_at: Option<DateTimeWithTimeZone>,
    pub signature: Option<Vec<u8>>,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::order::Entity", from = "Column::OrderId", to = "super::order::Column::Id")]
    Order,
    #[sea_orm(
        belongs_to = "super::capacity_schedule_item::Entity",
        from = "Column::ScheduleItemId",
        to = "super::capacity_schedule_item::Column::Id"
    )]
    ScheduleItem,
}

impl Related<super::order::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Order.def()
    }
}

impl Related<super::capacity_schedule_item::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ScheduleItem.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

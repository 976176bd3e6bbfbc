//! Rows of `capacity_schedule_item`. One work order within a schedule.

use sea_orm::entity::prelude::*;

/// One work order within a schedule.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "capacity_schedule_item")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub schedule_id: i64,
    pub work_order_id: i64,
    pub position: i32,
    pub quantity: i32,
    pub minutes: Decimal,
    pub starts_at: DateTime,
    pub ends_at: DateTime,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::capacity_schedule::Entity",
        from = "Column::ScheduleId",
        to = "super::capacity_schedule::Column::Id"
    )]
    Schedule,
    #[sea_orm(
        belongs_to = "super::work_order::Entity",
        from = "Column::WorkOrderId",
        to = "super::work_order::Column::Id"
    )]
    WorkOrder,
}

impl Related<super::capacity_schedule::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Schedule.def()
    }
}

impl Related<super::work_order::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::WorkOrder.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

//! Rows of `job`. One operation of a work order.

use sea_orm::entity::prelude::*;

use super::enums::JobStatus;

/// One operation of a work order.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "job")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub work_order_id: i64,
    pub sequence: i32,
    pub operation: String,
    /// Minutes a unit.
    pub standard_minutes: Decimal,
    pub status: JobStatus,
    pub started_at: Option<DateTime>,
    pub finished_at: Option<DateTime>,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::work_order::Entity",
        from = "Column::WorkOrderId",
        to = "super::work_order::Column::Id"
    )]
    WorkOrder,
}

impl Related<super::work_order::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::WorkOrder.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

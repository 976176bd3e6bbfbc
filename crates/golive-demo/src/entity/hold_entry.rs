//! Rows of `hold_entry`. Goods put on hold, and their release.

use sea_orm::entity::prelude::*;

/// Goods put on hold, and their release.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "hold_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub work_order_id: i64,
    pub defect_id: Option<i64>,
    pub reason_id: i64,
    pub approved_by: Option<i64>,
    pub quantity: i32,
    pub held_at: DateTime,
    pub released_at: Option<DateTime>,
    pub status: String,
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
        belongs_to = "super::work_order::Entity",
        from = "Column::WorkOrderId",
        to = "super::work_order::Column::Id"
    )]
    WorkOrder,
    #[sea_orm(
        belongs_to = "super::defect::Entity",
        from = "Column::DefectId",
        to = "super::defect::Column::Id"
    )]
    Defect,
    #[sea_orm(
        belongs_to = "super::hold_reason::Entity",
        from = "Column::ReasonId",
        to = "super::hold_reason::Column::Id"
    )]
    Reason,
    #[sea_orm(
        belongs_to = "super::user::Entity",
        from = "Column::ApprovedBy",
        to = "super::user::Column::Id"
    )]
    ApprovedBy,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::work_order::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::WorkOrder.def()
    }
}

impl Related<super::defect::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Defect.def()
    }
}

impl Related<super::hold_reason::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Reason.def()
    }
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ApprovedBy.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

//! Rows of `coverage_entry`. How many were needed and how many came.

use sea_orm::entity::prelude::*;

/// How many were needed and how many came.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "coverage_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub line_id: i64,
    pub shift_id: i64,
    pub entry_date: Date,
    pub required: i32,
    pub present: i32,
    pub coverage_ratio: f64,
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
        belongs_to = "super::production_line::Entity",
        from = "Column::LineId",
        to = "super::production_line::Column::Id"
    )]
    Line,
    #[sea_orm(belongs_to = "super::shift::Entity", from = "Column::ShiftId", to = "super::shift::Column::Id")]
    Shift,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::production_line::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Line.def()
    }
}

impl Related<super::shift::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Shift.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

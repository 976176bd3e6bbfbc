//! Rows of `production_entry`. What one line made in one shift of one job: the fact table.

use sea_orm::entity::prelude::*;

/// What one line made in one shift of one job: the fact table.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "production_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub job_id: i64,
    pub line_id: i64,
    pub shift_id: i64,
    pub entered_by: Option<i64>,
    pub entry_date: Date,
    pub units_produced: i32,
    pub units_defective: i32,
    pub run_minutes: Decimal,
    pub planned_minutes: Decimal,
    pub operators_present: i32,
    pub cycle_minutes: Decimal,
    pub note: Option<String>,
    /// An upload that is sent twice counts once.
    pub idempotency_key: Option<String>,
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
    #[sea_orm(belongs_to = "super::job::Entity", from = "Column::JobId", to = "super::job::Column::Id")]
    Job,
    #[sea_orm(
        belongs_to = "super::production_line::Entity",
        from = "Column::LineId",
        to = "super::production_line::Column::Id"
    )]
    Line,
    #[sea_orm(belongs_to = "super::shift::Entity", from = "Column::ShiftId", to = "super::shift::Column::Id")]
    Shift,
    #[sea_orm(belongs_to = "super::user::Entity", from = "Column::EnteredBy", to = "super::user::Column::Id")]
    EnteredBy,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::job::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Job.def()
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

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::EnteredBy.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

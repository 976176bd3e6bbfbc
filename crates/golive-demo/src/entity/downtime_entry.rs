//! Rows of `downtime_entry`. When a line stood still, and why.

use sea_orm::entity::prelude::*;

/// When a line stood still, and why.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "downtime_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub line_id: i64,
    pub job_id: Option<i64>,
    pub reason_id: i64,
    pub entry_date: Date,
    /// With the offset of the plant.
    pub started_at: DateTimeWithTimeZone,
    pub minutes: Decimal,
    /// Negative where an insurance paid more.
    pub cost: Decimal,
    pub remark: Option<String>,
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
    #[sea_orm(belongs_to = "super::job::Entity", from = "Column::JobId", to = "super::job::Column::Id")]
    Job,
    #[sea_orm(
        belongs_to = "super::downtime_reason::Entity",
        from = "Column::ReasonId",
        to = "super::downtime_reason::Column::Id"
    )]
    Reason,
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

impl Related<super::job::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Job.def()
    }
}

impl Related<super::downtime_reason::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Reason.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

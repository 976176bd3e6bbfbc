//! Rows of `capacity_analysis`. The load of a schedule, day by day.

use sea_orm::entity::prelude::*;

/// The load of a schedule, day by day.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "capacity_analysis")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub schedule_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub work_date: Date,
    pub required_minutes: Decimal,
    pub available_minutes: Decimal,
    pub utilization: f64,
    pub is_bottleneck: bool,
    pub detail: Json,
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
}

impl Related<super::capacity_schedule::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Schedule.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

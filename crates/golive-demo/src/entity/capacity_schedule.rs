//! Rows of `capacity_schedule`. A plan of a line within a scenario.

use sea_orm::entity::prelude::*;

/// A plan of a line within a scenario.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "capacity_schedule")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub scenario_id: i64,
    pub capacity_line_id: i64,
    pub starts_on: Date,
    pub ends_on: Date,
    pub status: String,
    pub load_ratio: f64,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::capacity_scenario::Entity",
        from = "Column::ScenarioId",
        to = "super::capacity_scenario::Column::Id"
    )]
    Scenario,
    #[sea_orm(
        belongs_to = "super::capacity_line::Entity",
        from = "Column::CapacityLineId",
        to = "super::capacity_line::Column::LineId"
    )]
    CapacityLine,
}

impl Related<super::capacity_scenario::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Scenario.def()
    }
}

impl Related<super::capacity_line::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::CapacityLine.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

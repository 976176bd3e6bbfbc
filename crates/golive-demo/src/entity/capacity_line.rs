//! Rows of `capacity_line`. What a line can do.

use sea_orm::entity::prelude::*;

/// What a line can do.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "capacity_line")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub line_id: i64,
    pub hours_per_day: Decimal,
    pub efficiency_factor: f32,
    pub absence_factor: f64,
    pub max_operators: i32,
    pub valid_from: Date,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::production_line::Entity",
        from = "Column::LineId",
        to = "super::production_line::Column::Id"
    )]
    Line,
}

impl Related<super::production_line::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Line.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

//! Rows of `machine`. A machine of a line.

use sea_orm::entity::prelude::*;

/// A machine of a line.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "machine")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub line_id: i64,
    /// Unique where it is known.
    pub serial_number: Option<String>,
    pub machine_name: String,
    pub power_kw: f32,
    /// Sixteen significant digits.
    pub calibration: f64,
    pub installed_on: Date,
    pub firmware: Option<Vec<u8>>,
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

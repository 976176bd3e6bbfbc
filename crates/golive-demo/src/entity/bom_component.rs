//! Rows of `bom_component`. A component of a bill of material.

use sea_orm::entity::prelude::*;

/// A component of a bill of material.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "bom_component")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub bom_id: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub position: i32,
    pub component_code: String,
    pub component_name: String,
    pub quantity_per_unit: Decimal,
    pub waste_ratio: f64,
    pub unit: String,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::bill_of_material::Entity",
        from = "Column::BomId",
        to = "super::bill_of_material::Column::Id"
    )]
    Bom,
}

impl Related<super::bill_of_material::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Bom.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

//! Rows of `defect`. A defect found by an inspection.

use sea_orm::entity::prelude::*;

/// A defect found by an inspection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "defect")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub quality_entry_id: i64,
    pub defect_type_id: i64,
    pub quantity: i32,
    pub is_critical: bool,
    pub description: Option<String>,
    pub photo: Option<Vec<u8>>,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::quality_entry::Entity",
        from = "Column::QualityEntryId",
        to = "super::quality_entry::Column::Id"
    )]
    QualityEntry,
    #[sea_orm(
        belongs_to = "super::defect_type::Entity",
        from = "Column::DefectTypeId",
        to = "super::defect_type::Column::Id"
    )]
    DefectType,
}

impl Related<super::quality_entry::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::QualityEntry.def()
    }
}

impl Related<super::defect_type::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::DefectType.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

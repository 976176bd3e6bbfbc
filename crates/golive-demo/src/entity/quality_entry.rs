//! Rows of `quality_entry`. An inspection of a production entry.

use sea_orm::entity::prelude::*;

/// An inspection of a production entry.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "quality_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub production_entry_id: i64,
    pub inspector_id: Option<i64>,
    pub entry_date: Date,
    pub units_inspected: i32,
    pub units_passed: i32,
    pub units_reworked: i32,
    pub units_scrapped: i32,
    pub ppm: f64,
    pub inspected_at: DateTime,
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
        belongs_to = "super::production_entry::Entity",
        from = "Column::ProductionEntryId",
        to = "super::production_entry::Column::Id"
    )]
    ProductionEntry,
    #[sea_orm(
        belongs_to = "super::employee::Entity",
        from = "Column::InspectorId",
        to = "super::employee::Column::Id"
    )]
    Inspector,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::production_entry::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::ProductionEntry.def()
    }
}

impl Related<super::employee::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Inspector.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

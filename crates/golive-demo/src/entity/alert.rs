//! Rows of `alert`. Something a person should look at.

use sea_orm::entity::prelude::*;

/// Something a person should look at.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "alert")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub threshold_id: Option<i64>,
    pub defect_id: Option<i64>,
    pub severity: String,
    pub title: String,
    pub body: String,
    pub value: Option<f32>,
    pub status: String,
    pub raised_at: DateTimeWithTimeZone,
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
        belongs_to = "super::kpi_threshold::Entity",
        from = "Column::ThresholdId",
        to = "super::kpi_threshold::Column::Id"
    )]
    Threshold,
    #[sea_orm(
        belongs_to = "super::defect::Entity",
        from = "Column::DefectId",
        to = "super::defect::Column::Id"
    )]
    Defect,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::kpi_threshold::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Threshold.def()
    }
}

impl Related<super::defect::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Defect.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

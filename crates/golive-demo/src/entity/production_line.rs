//! Rows of `production_line`. A line on which a tenant makes things.

use sea_orm::entity::prelude::*;

/// A line on which a tenant makes things.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "production_line")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub code: String,
    pub line_name: String,
    pub leader_id: Option<i64>,
    pub operators_planned: i32,
    pub opened_on: Date,
    pub is_active: bool,
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
        belongs_to = "super::employee::Entity",
        from = "Column::LeaderId",
        to = "super::employee::Column::Id"
    )]
    Leader,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::employee::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Leader.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

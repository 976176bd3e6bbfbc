//! Rows of `employee`. A person on the floor, who may or may not log in.

use sea_orm::entity::prelude::*;

/// A person on the floor, who may or may not log in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "employee")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub badge: String,
    pub full_name: String,
    /// Unique where there is one.
    pub user_id: Option<i64>,
    /// A self reference.
    pub supervisor_id: Option<i64>,
    pub hourly_rate: Decimal,
    pub hired_on: Date,
    pub left_on: Option<Date>,
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
    #[sea_orm(belongs_to = "super::user::Entity", from = "Column::UserId", to = "super::user::Column::Id")]
    User,
    #[sea_orm(belongs_to = "Entity", from = "Column::SupervisorId", to = "Column::Id")]
    Supervisor,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

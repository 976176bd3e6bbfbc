//! Rows of `user`. A person who can log in.

use sea_orm::entity::prelude::*;

use super::enums::Role;

/// A person who can log in.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub username: String,
    /// PHC string.
    pub password_hash: String,
    pub full_name: String,
    /// Unique where it is known.
    pub email: Option<String>,
    pub role: Role,
    /// None: sees every tenant its role allows.
    pub client_id: Option<String>,
    pub is_active: bool,
    /// Forced at the next login.
    pub must_change_password: bool,
    pub created_at: DateTime,
    pub updated_at: DateTime,
    pub last_login_at: Option<DateTime>,
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
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

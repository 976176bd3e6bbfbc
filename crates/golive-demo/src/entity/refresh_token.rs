//! Rows of `refresh_token`. A refresh token, by its digest.

use sea_orm::entity::prelude::*;

/// A refresh token, by its digest.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refresh_token")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub user_id: i64,
    /// SHA-256, hexadecimal.
    pub token_digest: String,
    /// One login; reuse of an old token ends the whole family.
    pub family: String,
    pub issued_at: DateTime,
    pub expires_at: DateTime,
    pub used_at: Option<DateTime>,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(belongs_to = "super::user::Entity", from = "Column::UserId", to = "super::user::Column::Id")]
    User,
}

impl Related<super::user::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::User.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

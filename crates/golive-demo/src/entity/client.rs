//! Rows of `client`. A tenant: the company whose production is tracked.

use sea_orm::entity::prelude::*;

/// A tenant: the company whose production is tracked.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "client")]
pub struct Model {
    /// The short code that every other table carries.
    #[sea_orm(primary_key, auto_increment = false)]
    pub client_id: String,
    pub client_name: String,
    pub contact_email: Option<String>,
    pub country: String,
    /// IANA name, for display only; all stored times are UTC.
    pub timezone: String,
    /// An inactive client is invisible everywhere.
    pub is_active: bool,
    /// A small picture.
    pub logo: Option<Vec<u8>>,
    /// Free-form settings of the tenant.
    pub settings: Json,
    pub created_at: DateTime,
    pub updated_at: DateTime,
}

/// What a row refers to.
#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

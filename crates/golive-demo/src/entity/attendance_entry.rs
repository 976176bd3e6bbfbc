//! Rows of `attendance_entry`. Who was there.

use sea_orm::entity::prelude::*;

use super::enums::AttendanceStatus;

/// Who was there.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attendance_entry")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub client_id: String,
    pub employee_id: i64,
    pub shift_id: i64,
    pub entry_date: Date,
    pub status: AttendanceStatus,
    pub clock_in: Option<Time>,
    pub clock_out: Option<Time>,
    pub minutes_worked: Decimal,
    pub minutes_absent: Decimal,
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
        from = "Column::EmployeeId",
        to = "super::employee::Column::Id"
    )]
    Employee,
    #[sea_orm(belongs_to = "super::shift::Entity", from = "Column::ShiftId", to = "super::shift::Column::Id")]
    Shift,
}

impl Related<super::client::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Client.def()
    }
}

impl Related<super::employee::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Employee.def()
    }
}

impl Related<super::shift::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Shift.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

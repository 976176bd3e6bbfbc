//! The column types of the platform and how each database spells them. No table is described here.
//!
//! Every type is written out: what the framework would choose by itself loses data on MariaDB (a decimal without a
//! length has no fraction, a timestamp has neither fraction nor a year 2039).

use sea_orm_migration::prelude::{Alias, ColumnDef, Expr};
use sea_orm_migration::sea_orm::DbBackend;

/// A column of a [`TableSpec`](super::table::TableSpec).
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) is_nullable: bool,
    pub(super) is_primary: bool,
    pub(super) default: Option<DefaultValue>,
    pub(super) references: Option<Parent>,
}

/// The table and column that a foreign key points at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parent {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Identity,
    Text(u32),
    LongText,
    Boolean,
    Integer,
    BigInteger,
    Decimal(u32, u32),
    Single,
    Double,
    Date,
    Time,
    DateTime,
    Json,
    Blob,
}

/// What the database fills in when an insert leaves the column out.
#[derive(Clone, Copy, Debug)]
pub(super) enum DefaultValue {
    Boolean(bool),
    Integer(i32),
    Now,
}

impl From<bool> for DefaultValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for DefaultValue {
    fn from(value: i32) -> Self {
        Self::Integer(value)
    }
}

impl Column {
    fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, is_nullable: false, is_primary: false, default: None, references: None }
    }

    /// Part of the primary key.
    pub(super) fn primary(mut self) -> Self {
        self.is_primary = true;
        self
    }

    /// May be NULL.
    pub(super) fn nullable(mut self) -> Self {
        self.is_nullable = true;
        self
    }

    /// A constant default.
    pub(super) fn default_value(mut self, value: impl Into<DefaultValue>) -> Self {
        self.default = Some(value.into());
        self
    }

    /// The database's clock as default; UTC, because every connection of the platform says so.
    pub(super) fn default_now(mut self) -> Self {
        self.default = Some(DefaultValue::Now);
        self
    }

    /// The definition in the words of `backend`.
    pub(super) fn definition(&self, backend: DbBackend) -> ColumnDef {
        let mut definition = ColumnDef::new(Alias::new(self.name));
        match (self.kind, backend) {
            (Kind::Identity, _) => {
                definition.big_integer().auto_increment().primary_key();
            }
            // Declared with TEXT affinity: otherwise SQLite would turn the document `5` into an integer.
            (Kind::Json, _) => {
                definition.json();
            }
            (kind, backend) => {
                definition.custom(Alias::new(spelling(kind, backend)));
            }
        }
        if !self.is_nullable {
            definition.not_null();
        }
        match self.default {
            Some(DefaultValue::Boolean(value)) => definition.default(value),
            Some(DefaultValue::Integer(value)) => definition.default(value),
            Some(DefaultValue::Now) => definition.default(Expr::current_timestamp()),
            None => &mut definition,
        };
        definition
    }
}

fn spelling(kind: Kind, backend: DbBackend) -> String {
    let is_mariadb = backend == DbBackend::MySql;
    let either = |mariadb: &str, sqlite: &str| String::from(if is_mariadb { mariadb } else { sqlite });
    match kind {
        Kind::Text(length) => format!("VARCHAR({length})"),
        Kind::LongText => either("LONGTEXT", "TEXT"),
        Kind::Boolean => either("TINYINT(1)", "BOOLEAN"),
        Kind::Integer => either("INT", "INTEGER"),
        Kind::Identity | Kind::BigInteger => String::from("BIGINT"),
        // REAL affinity: under the NUMERIC one SQLite stores 8.00 as an integer, which the driver refuses to read as
        // a decimal. The framework's own word, `real(10, 2)`, hides from other readers that it is one.
        Kind::Decimal(precision, scale) if is_mariadb => format!("DECIMAL({precision},{scale})"),
        Kind::Decimal(precision, scale) => format!("real_decimal({precision},{scale})"),
        Kind::Single => String::from("FLOAT"),
        Kind::Double => String::from("DOUBLE"),
        Kind::Date => String::from("DATE"),
        Kind::Time => either("TIME(6)", "TIME"),
        Kind::DateTime => either("DATETIME(6)", "DATETIME"),
        Kind::Json => String::from("JSON"),
        Kind::Blob => either("LONGBLOB", "BLOB"),
    }
}

/// The column `id`, counted by the database.
pub(super) fn identity() -> Column {
    Column::new("id", Kind::Identity).primary()
}

/// The column `client_id`, which says whose row it is.
pub(super) fn tenant() -> Column {
    reference_to("client_id", "client", "client_id")
}

/// A foreign key to the column `id` of `table`.
pub(super) fn reference(name: &'static str, table: &'static str) -> Column {
    reference_to(name, table, "id")
}

/// A foreign key to a column of another name.
pub(super) fn reference_to(name: &'static str, table: &'static str, column: &'static str) -> Column {
    let kind = if table == "client" { Kind::Text(50) } else { Kind::BigInteger };
    Column { references: Some(Parent { table, column }), ..Column::new(name, kind) }
}

/// A text of at most `length` characters.
pub(super) fn text(name: &'static str, length: u32) -> Column {
    Column::new(name, Kind::Text(length))
}

/// A text without a useful limit.
pub(super) fn long_text(name: &'static str) -> Column {
    Column::new(name, Kind::LongText)
}

/// True or false.
pub(super) fn boolean(name: &'static str) -> Column {
    Column::new(name, Kind::Boolean)
}

/// A 32-bit integer.
pub(super) fn integer(name: &'static str) -> Column {
    Column::new(name, Kind::Integer)
}

/// A 64-bit integer.
pub(super) fn big_integer(name: &'static str) -> Column {
    Column::new(name, Kind::BigInteger)
}

/// An exact number of `precision` digits, `scale` of them behind the point.
pub(super) fn decimal(name: &'static str, precision: u32, scale: u32) -> Column {
    Column::new(name, Kind::Decimal(precision, scale))
}

/// A single precision float: seven significant digits.
pub(super) fn single(name: &'static str) -> Column {
    Column::new(name, Kind::Single)
}

/// A double precision float.
pub(super) fn double(name: &'static str) -> Column {
    Column::new(name, Kind::Double)
}

/// A day.
pub(super) fn date(name: &'static str) -> Column {
    Column::new(name, Kind::Date)
}

/// A time of day, to the microsecond.
pub(super) fn time(name: &'static str) -> Column {
    Column::new(name, Kind::Time)
}

/// A point in time to the microsecond, UTC unless the stored text carries an offset.
pub(super) fn date_time(name: &'static str) -> Column {
    Column::new(name, Kind::DateTime)
}

/// A JSON document.
pub(super) fn json(name: &'static str) -> Column {
    Column::new(name, Kind::Json)
}

/// Bytes.
pub(super) fn blob(name: &'static str) -> Column {
    Column::new(name, Kind::Blob)
}

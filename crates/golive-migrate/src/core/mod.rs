//! The pure core: what types mean, what the data says, which order tables have, how a value is written. Everything here
//! is a function over plain data; no file, no connection, no clock.

pub(crate) mod census;
mod concat;
pub(crate) mod conversion;
pub(crate) mod convert;
pub(crate) mod datetime;
pub(crate) mod decimal;
pub(crate) mod declared;
pub(crate) mod hex;
mod judge;
pub(crate) mod mapping;
pub(crate) mod order;
pub(crate) mod sqltext;
pub(crate) mod translate;
pub(crate) mod types;
pub(crate) mod view;

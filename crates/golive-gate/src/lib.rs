//! Judges go-live evidence against the thirteen criteria and writes the report.

//! Moves an SQLite database to MariaDB and proves every cell.

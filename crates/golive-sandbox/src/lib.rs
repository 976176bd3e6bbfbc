//! Disposable MariaDB, Redis and nginx servers from the system's own binaries.

//! Production configuration, container and proxy audit, and the TLS grade.

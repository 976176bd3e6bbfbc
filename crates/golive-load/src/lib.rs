//! Load tests, query review and sizing advice.

//! Logs, error tracking, health, metrics, traces and alerts in one call.

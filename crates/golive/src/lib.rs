//! The go-live flow: steps, order, journal and resume.

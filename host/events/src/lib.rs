//! postern-events

//! postern-store

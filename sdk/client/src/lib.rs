//! postern-client

//! postern-provider

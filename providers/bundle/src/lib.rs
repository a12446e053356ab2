//! postern-bundle

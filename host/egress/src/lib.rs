//! postern-egress

//! postern-provider-webhook

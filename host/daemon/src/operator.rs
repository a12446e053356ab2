//! What a configuration means for those that run providers: the daemon, and the commands for authors.

use crate::config::Config;

/// What providers may reach, and within which bounds.
pub(crate) fn egress(config: &Config) -> postern_egress::Options {
    postern_egress::Options {
        allow: config.egress.allow.clone(),
        hosts: config.egress.hosts.clone(),
        plain_http: config.egress.plain_http.clone(),
        roots: config.egress.roots.clone(),
        platform_roots: config.egress.platform_roots,
        record_bodies: config.egress.record_bodies,
        limits: config.egress.limits.clone(),
        ..Default::default()
    }
}

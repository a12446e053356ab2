//! What issues and comments are known by: a comment of HTML in their text, which GitHub shows nobody.
//!
//! It holds hashes, since a key may have any length and any characters, `-->` too.

use crate::config::Config;
use crate::connection::Connection;
use postern_provider::prelude::*;
use postern_provider::text::digest;

/// The entity of a delivery. One that only tries the subscription out has none, so that it does nothing to an issue that is
/// somebody's work.
pub(crate) fn entity(delivery: &Delivery<Config, Connection>) -> Option<&postern_provider::Entity> {
    delivery.entity.as_ref().filter(|_| !delivery.test)
}

/// The word that an issue of this entity in this subscription has, or, without an entity, that of the delivery. It is one word
/// for GitHub's search, too.
pub(crate) fn of_issue(delivery: &Delivery<Config, Connection>) -> String {
    match entity(delivery) {
        Some(entity) => hash("entity", &format!("{}\0{}", delivery.subscription.id, entity.key)),
        None => of_delivery(&delivery.id),
    }
}

/// The word that what a delivery wrote has.
pub(crate) fn of_delivery(id: &str) -> String {
    hash("delivery", id)
}

fn hash(what: &str, name: &str) -> String {
    format!("postern{}", &digest(&format!("{what}\0{name}"))[..32])
}

/// The marker of an issue's text.
pub(crate) fn for_issue(delivery: &Delivery<Config, Connection>) -> String {
    format!("<!-- {} {} -->", of_issue(delivery), of_delivery(&delivery.id))
}

/// The marker of a comment's text.
pub(crate) fn for_comment(delivery: &Delivery<Config, Connection>) -> String {
    format!("<!-- {} -->", of_delivery(&delivery.id))
}

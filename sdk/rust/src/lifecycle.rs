//! Things at a target that events begin, change and end: alerts, say. Which thing it is, and what an event does to it.

use crate::delivery::{Delivery, Event};
use crate::failure::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An event type's id, or the first parts of some with `.*` behind.
const EVENT_PATTERN: &str = r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*(\.\*)?$";

/// What the events of one type do: an entry of a list by which an administrator sets that. `A` is an enum of the actions.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(inline, description = "What the events of one type do.")]
pub struct EventRule<A> {
    /// The event type, `incident.incident.updated`, or all that begin so: `incident.*`.
    #[schemars(title = "Event type", regex(pattern = EVENT_PATTERN), length(max = 265))]
    pub event_type: String,
    /// What its events do. `ignore` sends nothing.
    #[schemars(title = "Action")]
    pub action: A,
}

impl<A: Copy> EventRule<A> {
    /// What the first rule that fits the event says.
    pub fn choose(rules: &[Self], event: &Event) -> Option<A> {
        rules.iter().find(|rule| is_meant(&rule.event_type, &event.event_id)).map(|rule| rule.action)
    }
}

/// As the host reads the patterns of a subscription.
fn is_meant(pattern: &str, event_type: &str) -> bool {
    match pattern.strip_suffix(".*") {
        Some(prefix) => event_type.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.')),
        None => event_type == pattern,
    }
}

impl<C, N> Delivery<C, N> {
    /// What tells the thing that this event is about from others at the target: the entity's key.
    ///
    /// An event of no entity can only begin something, which is its own: the delivery's id keeps a second attempt from
    /// beginning another. A delivery that only tries the subscription out has a key with `test-` in front, so that it changes
    /// nothing real.
    ///
    /// # Errors
    /// The event begins nothing, and what it is about is not known. The failure says what to set.
    pub fn thing_key(&self, begins: bool) -> Result<String, Failure> {
        let key = match &self.entity {
            Some(entity) => &entity.key,
            None if begins || self.test => &self.id,
            None => {
                return Err(Failure::never(
                    "what this event is about is not known: give the subscription an entity key, `.payload.incidentId` say, that \
                     has a value in this event, or let its actions ignore this event type",
                ));
            }
        };
        Ok(if self.test { format!("test-{key}") } else { key.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, TestDelivery};
    use crate::{Manifest, NoConnection, Provider, Receipt};
    use serde_json::{Value, json};

    /// Delivers to nowhere: the external id is the action and the thing's key.
    struct Keeper;

    impl Provider for Keeper {
        type Config = Vec<EventRule<char>>;
        type Connection = NoConnection;

        fn manifest() -> Manifest {
            Manifest::new("keeper", "1.0.0", "Keeper")
        }

        fn deliver(delivery: &Delivery<Self::Config>) -> Result<Receipt, Failure> {
            let action = EventRule::choose(&delivery.config, &delivery.event).unwrap_or('-');
            Ok(Receipt::with_external_id(format!("{action} {}", delivery.thing_key(action == 'b')?)))
        }
    }

    fn kept(delivery: TestDelivery) -> Result<String, String> {
        testing::deliver::<Keeper>(delivery).map(|receipt| receipt.external_id.unwrap()).map_err(|failure| failure.message)
    }

    fn rule(pattern: &str) -> Value {
        json!([{"eventType": pattern, "action": "b"}])
    }

    #[test]
    fn the_first_rule_that_means_the_event_counts() {
        let chosen = |config| kept(TestDelivery::new(config).entity("inc-7", None)).unwrap();
        for pattern in ["incident.incident.created", "incident.*", "incident.incident.*"] {
            assert_eq!(chosen(rule(pattern)), "b inc-7", "{pattern}");
        }
        for pattern in ["incident", "incident.incident", "inc.*", "incident.incident.created.*", "created", ""] {
            assert_eq!(chosen(rule(pattern)), "- inc-7", "{pattern}");
        }
        let two = json!([{"eventType": "incident.*", "action": "c"}, {"eventType": "incident.incident.created", "action": "b"}]);
        assert_eq!(chosen(two), "c inc-7");
    }

    #[test]
    fn a_thing_without_an_entity_can_only_begin() {
        assert_eq!(kept(TestDelivery::new(rule("incident.*"))).unwrap(), "b delivery-1");
        assert!(kept(TestDelivery::new(json!([]))).unwrap_err().contains("entity key"));
        assert_eq!(kept(TestDelivery::new(json!([])).test(true)).unwrap(), "- test-delivery-1");
        assert_eq!(kept(TestDelivery::new(json!([])).test(true).entity("inc-7", None)).unwrap(), "- test-inc-7");
    }
}

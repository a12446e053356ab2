//! What an issue of the chosen type can hold: the fields on the project's create screen.

use crate::api::{self, Bounds, Listing, Refusal};
use crate::config::FieldType;
use crate::connection::Connection;
use postern_provider::prelude::*;
use serde_json::Value;

/// A page has at most 200: <https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-issues/>, "Get create field
/// metadata". Screens have some dozens of fields.
const BOUNDS: Bounds = Bounds { pages: 2, page_size: 200 };

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Field {
    pub(crate) field_id: String,
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) required: bool,
    #[serde(default)]
    pub(crate) has_default_value: bool,
    pub(crate) schema: Schema,
    /// The options of a select list, the priorities, the components.
    #[serde(default)]
    pub(crate) allowed_values: Vec<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Schema {
    #[serde(rename = "type")]
    kind: String,
    items: String,
    system: String,
    custom: String,
}

/// Those of an issue type. Both names are checked by the schema or encoded.
pub(crate) fn create_fields(connection: &Connection, project: &str, issue_type: &str) -> Result<Listing<Field>, Refusal> {
    api::list(connection, &format!("issue/createmeta/{project}/issuetypes/{issue_type}"), BOUNDS)
}

impl Field {
    /// The type that a value must have; `None` for what only Jira itself can fill.
    pub(crate) fn kind(&self) -> Option<FieldType> {
        let Schema { kind, items, system, custom } = &self.schema;
        let paragraphs = custom.ends_with(":textarea") || matches!(system.as_str(), "description" | "environment");
        Some(match kind.as_str() {
            "string" if paragraphs => FieldType::Paragraph,
            "string" => FieldType::Text,
            "number" => FieldType::Number,
            "date" => FieldType::Date,
            "datetime" => FieldType::DateTime,
            "option" => FieldType::Option,
            "option-with-child" => FieldType::Cascading,
            "user" => FieldType::User,
            "group" => FieldType::Group,
            "priority" | "version" | "component" | "securitylevel" | "resolution" => FieldType::Named,
            "array" => match items.as_str() {
                "string" => FieldType::Labels,
                "option" => FieldType::Options,
                "user" => FieldType::Users,
                "group" => FieldType::Groups,
                "version" | "component" => FieldType::NamedList,
                "attachment" | "issuelinks" | "worklog" => return None,
                _ => FieldType::Json,
            },
            "attachment" | "issuelinks" | "comments-page" | "votes" | "watches" => return None,
            _ => FieldType::Json,
        })
    }

    /// What the allowed values are called.
    pub(crate) fn choices(&self) -> impl Iterator<Item = &str> {
        self.allowed_values.iter().filter_map(called)
    }
}

/// An option's value, or a thing's name.
pub(crate) fn called(value: &Value) -> Option<&str> {
    value["value"].as_str().or_else(|| value["name"].as_str())
}

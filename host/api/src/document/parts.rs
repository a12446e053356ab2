//! The pieces that descriptions are made of.

use super::problems;
use aide::openapi::{
    HeaderStyle, MediaType, Operation, Parameter, ParameterData, ParameterSchemaOrContent, ReferenceOr, RequestBody, SchemaObject,
};
use aide::transform::TransformOperation;
use axum::http::StatusCode;
use indexmap::IndexMap;
use schemars::generate::{Contract, SchemaSettings};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value};
use std::cell::RefCell;

/// Where the document keeps its schemas; those of answers are there from the beginning.
pub(super) const ANSWERS: &str = "/components/schemas";

/// Where references to the schemas of requests point until both are joined.
pub(super) const REQUESTS: &str = "/components/requests";

thread_local! {
    /// A field with a default may be absent in a request and is always there in an answer, so a type has two schemas. The
    /// library's own generator makes those of answers; this one makes those of requests.
    static OF_REQUESTS: RefCell<SchemaGenerator> = RefCell::new(generator(REQUESTS, Contract::Deserialize));
}

/// A generator of schemas that refer to each other under this path.
pub(super) fn generator(path: &'static str, contract: Contract) -> SchemaGenerator {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = path.into();
        settings.contract = contract;
    });
    SchemaGenerator::new(settings)
}

pub(super) fn forget_requests() {
    OF_REQUESTS.set(generator(REQUESTS, Contract::Deserialize));
}

/// The schemas that requests refer to, by name.
pub(super) fn take_requests() -> Map<String, Value> {
    OF_REQUESTS.with_borrow_mut(|generator| generator.take_definitions(true))
}

/// The schema of a type as requests have it: a reference, if the type has a name.
pub(crate) fn request_schema<T: JsonSchema>() -> Schema {
    OF_REQUESTS.with_borrow_mut(SchemaGenerator::subschema_for::<T>)
}

/// The same, written out at its place.
pub(super) fn request_fields<T: JsonSchema>() -> Schema {
    OF_REQUESTS.with_borrow_mut(T::json_schema)
}

/// Adds statuses of errors.
pub(crate) fn fails(operation: &mut Operation, statuses: &[StatusCode]) {
    let responses = operation.responses.get_or_insert_default();
    for status in statuses {
        let reference = ReferenceOr::ref_(&problems::reference(*status));
        responses.responses.entry(aide::openapi::StatusCode::Code(status.as_u16())).or_insert(reference);
    }
}

/// Adds a body in one media type or several.
pub(crate) fn body(operation: &mut Operation, contents: impl IntoIterator<Item = (&'static str, Option<Schema>)>) {
    let content = contents
        .into_iter()
        .map(|(kind, schema)| (kind.to_owned(), MediaType { schema: schema.map(object), ..MediaType::default() }));
    operation.request_body =
        Some(ReferenceOr::Item(RequestBody { content: content.collect(), required: true, ..RequestBody::default() }));
}

/// Adds an optional header.
pub(crate) fn header(operation: &mut Operation, name: &str, description: &str, schema: Schema) {
    let parameter_data = ParameterData {
        name: name.into(),
        description: Some(description.into()),
        required: false,
        deprecated: None,
        format: self::schema(schema),
        example: None,
        examples: IndexMap::new(),
        explode: None,
        extensions: IndexMap::new(),
    };
    operation.parameters.push(ReferenceOr::Item(Parameter::Header { parameter_data, style: HeaderStyle::Simple }));
}

/// A schema as headers have it.
pub(crate) fn schema(schema: Schema) -> ParameterSchemaOrContent {
    ParameterSchemaOrContent::Schema(object(schema))
}

/// A schema as the document holds it.
fn object(json_schema: Schema) -> SchemaObject {
    SchemaObject { json_schema, external_docs: None, example: None }
}

/// What a handler's signature cannot say: the operation's name, what it does, and the statuses that are its own.
pub(crate) fn call(
    id: &'static str,
    summary: &'static str,
    statuses: &'static [StatusCode],
) -> impl Fn(TransformOperation<'_>) -> TransformOperation<'_> {
    move |mut operation| {
        fails(operation.inner_mut(), statuses);
        operation.id(id).summary(summary)
    }
}

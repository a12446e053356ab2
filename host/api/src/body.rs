//! Reads JSON bodies and query strings, with the place of what does not fit.

use crate::problem::Problem;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request, rejection::BytesRejection};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use postern_store::PageRequest;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::str::FromStr;

/// The largest JSON body: 2 MiB, room for a payload of 1 MiB in any spelling.
pub const LARGEST: usize = 2 << 20;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind =
            request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("application/json");
        let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if essence != "application/json" && !essence.ends_with("+json") {
            let detail = format!("the body is `{essence}`; send application/json");
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| too_large(&rejection, LARGEST))?;
        parse(&bytes).map(Self)
    }
}

/// A change of what a `T` describes: a JSON merge patch (RFC 7396), not yet applied.
#[derive(Debug)]
pub struct Patch<T> {
    /// A JSON object.
    pub change: Value,
    of: PhantomData<T>,
}

impl<T: Send, S: Send + Sync> FromRequest<S> for Patch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Body(change) = Body::<Value>::from_request(request, state).await?;
        if !change.is_object() {
            return Err(Problem::invalid("a change is a JSON object with the fields to change"));
        }
        Ok(Self { change, of: PhantomData })
    }
}

impl<T: JsonSchema> JsonSchema for Patch<T> {
    fn schema_name() -> Cow<'static, str> {
        let name = T::schema_name();
        format!("{}Patch", name.strip_suffix("Input").unwrap_or(&name)).into()
    }

    fn schema_id() -> Cow<'static, str> {
        format!("Patch<{}>", T::schema_id()).into()
    }

    /// As the whole, but every field may be absent, and null takes its value away.
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = T::json_schema(generator);
        schema.remove("required");
        schema.remove("examples");
        schema.insert("description".into(), "A JSON merge patch: what is absent stays, null takes a value away.".into());
        let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
        for (_, field) in fields.into_iter().flatten() {
            if let Some(field) = field.as_object_mut() {
                field.remove("default");
            }
            if !allows_null(field) {
                *field = json!({ "anyOf": [field.take(), { "type": "null" }] });
            }
        }
        schema
    }
}

/// Whether a field's schema says so itself.
fn allows_null(schema: &Value) -> bool {
    let null = json!({ "type": "null" });
    schema["type"].as_array().is_some_and(|types| types.contains(&json!("null")))
        || schema["anyOf"].as_array().is_some_and(|branches| branches.contains(&null))
}

/// What reading a body came to, as a problem.
pub fn too_large(rejection: &BytesRejection, limit: usize) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", format!("the body is larger than {limit} bytes"))
    } else {
        Problem::new(StatusCode::BAD_REQUEST, "bad-request", format!("the body could not be read: {rejection}"))
    }
}

/// Parses JSON.
///
/// # Errors
/// It is no JSON (400), or does not have the form that is needed (422, with the place).
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = postern_events::read_form(&mut deserializer).map_err(|(violation, error)| {
        if error.is_data() {
            Problem::invalid("the body does not have the form that is needed").at(vec![violation])
        } else {
            Problem::new(StatusCode::BAD_REQUEST, "bad-json", format!("the body is no JSON: {error}"))
        }
    })?;
    deserializer
        .end()
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "bad-json", format!("the body is no JSON: {error}")))?;
    Ok(value)
}

/// The query string.
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Query::<T>::from_request_parts(parts, state)
            .await
            .map(|Query(value)| Self(value))
            .map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, "bad-query", without_prefix(&rejection.body_text())))
    }
}

/// What does not fit, without the words of the library that found it.
fn without_prefix(text: &str) -> &str {
    text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text)
}

/// Which part of a listing: `?limit=&cursor=`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// At most so many, 1 to 500. Default: 50.
    #[serde(default)]
    #[schemars(range(min = 1, max = 500))]
    pub limit: Option<usize>,
    /// The `nextCursor` of the part before.
    #[serde(default)]
    pub cursor: Option<String>,
}

impl Paging {
    /// The same for the store.
    ///
    /// # Errors
    /// The limit is out of range.
    pub fn request(self) -> Result<PageRequest, Problem> {
        Ok(PageRequest { limit: self.limit()?, after: self.cursor })
    }

    /// The limit, checked.
    ///
    /// # Errors
    /// It is out of range.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(50) {
            limit @ 1..=500 => Ok(limit),
            _ => Err(Problem::new(StatusCode::BAD_REQUEST, "bad-query", "limit is a number from 1 to 500")),
        }
    }
}

/// A cursor that is an id.
///
/// # Errors
/// It is none.
pub fn cursor<T: FromStr>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let wrong = |_| Problem::new(StatusCode::BAD_REQUEST, "bad-cursor", "the cursor is not one that a listing returned");
    text.map(|text| text.parse().map_err(wrong)).transpose()
}

/// A part of a listing that lies in memory, in the order of its ids.
///
/// # Errors
/// The limit is out of range.
pub fn part<T>(items: Vec<T>, id: impl Fn(&T) -> String, paging: &Paging) -> Result<(Vec<T>, Option<String>), Problem> {
    let limit = paging.limit()?;
    let after = paging.cursor.as_deref();
    let mut rest: Vec<T> = items.into_iter().filter(|item| after.is_none_or(|after| id(item).as_str() > after)).collect();
    rest.sort_by_key(&id);
    let more = rest.len() > limit;
    rest.truncate(limit);
    let next = rest.last().filter(|_| more).map(id);
    Ok((rest, next))
}

//! Webex's API as its documentation describes it.
//!
//! - <https://developer.webex.com/docs/api/v1/messages/create-a-message>, <https://developer.webex.com/docs/api/v1/messages/edit-a-message>:
//!   7439 bytes, ten edits.
//! - <https://developer.webex.com/docs/api/v1/rooms/list-rooms>, <https://developer.webex.com/docs/basics>: pages by `max` and the
//!   header `Link`; statuses, `Retry-After` with 423 and 429; errors as `{message, errors: [{description}], trackingId}`.

use postern_provider::http::{Error, Request, Response};
use postern_provider::testing::{Server, header, json_body, json_response, query_fields, url_path};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) const TOKEN: &str = "sealed-token";
pub(crate) const OPS: &str = "Y2lzY29zcGFyazovL3VzL1JPT00vb3Bz";
pub(crate) const NEWS: &str = "Y2lzY29zcGFyazovL3VzL1JPT00vbmV3cw";

/// "The maximum message length is 7439 bytes."
const LONGEST: usize = 7439;

/// "The maximum currently supported is 10 edits per message."
const EDITS: u32 = 10;

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: Value,
    pub(crate) edits: u32,
}

impl Message {
    pub(crate) fn parent(&self) -> Option<&str> {
        self.body["parentId"].as_str()
    }
}

pub(crate) struct Webex {
    pub(crate) origin: &'static str,
    /// Spaces that the bot is in: id, title, type.
    pub(crate) rooms: Vec<(String, String, &'static str)>,
    pub(crate) messages: Vec<Message>,
    /// How many rooms a page holds at most, whatever is asked for.
    pub(crate) page: usize,
    /// The status for a parent that is gone: the documentation names none.
    pub(crate) orphan: u16,
    next: u32,
}

impl Webex {
    pub(crate) fn new() -> Self {
        let room = |id: &str, title: &str, kind| (id.to_owned(), title.to_owned(), kind);
        Self {
            origin: "https://webexapis.com/v1",
            rooms: vec![room(OPS, "Operations", "group"), room(NEWS, "News", "group"), room("Y2lzY29BREE", "Ada", "direct")],
            messages: Vec::new(),
            page: 1000,
            orphan: 404,
            next: 0,
        }
    }

    pub(crate) fn delete(&mut self, index: usize) {
        self.messages.remove(index);
    }

    fn post(&mut self, mut body: Value) -> Response {
        if let Some(wrong) = self.wrong(&body) {
            return wrong;
        }
        if let Some(parent) = body["parentId"].as_str() {
            match self.messages.iter().find(|message| message.id == parent) {
                None => return refused(self.orphan, "The parent message could not be found."),
                Some(parent) if parent.parent().is_some() => return refused(400, "A reply cannot have replies."),
                Some(parent) => assert_eq!(parent.body["roomId"], body["roomId"]),
            }
        }
        self.next += 1;
        let id = format!("TVNH{:04}", self.next);
        self.messages.push(Message { id: id.clone(), body: body.clone(), edits: 0 });
        body["id"] = json!(id);
        body["created"] = json!("2026-01-02T03:04:06.000Z");
        json_response(200, &[], &body)
    }

    fn edit(&mut self, id: &str, body: &Value) -> Response {
        if let Some(wrong) = self.wrong(body) {
            return wrong;
        }
        let Some(message) = self.messages.iter_mut().find(|message| message.id == id) else {
            return refused(404, "The requested resource could not be found.");
        };
        if message.edits == EDITS {
            return refused(400, "The maximum number of edits has been reached.");
        }
        message.edits += 1;
        for field in ["markdown", "text"] {
            message.body[field] = body[field].clone();
        }
        let mut answer = message.body.clone();
        answer["id"] = json!(id);
        answer["updated"] = json!("2026-01-02T03:04:07.000Z");
        json_response(200, &[], &answer)
    }

    fn wrong(&self, body: &Value) -> Option<Response> {
        assert!(body.get("html").is_none());
        if !self.rooms.iter().any(|(id, ..)| body["roomId"] == id.as_str()) {
            return Some(refused(404, "Could not find a room with provided ID."));
        }
        let texts: Vec<_> = ["markdown", "text"].iter().filter_map(|field| body[*field].as_str()).collect();
        if texts.iter().all(|text| text.is_empty()) || texts.iter().any(|text| text.len() > LONGEST) {
            return Some(refused(400, "The message is empty or too long."));
        }
        None
    }

    fn rooms(&self, query: &BTreeMap<String, String>) -> Response {
        let most: usize = query["max"].parse().unwrap();
        assert!((1..=1000).contains(&most), "between 1 and 1000, inclusive");
        let start: usize = query.get("cursor").map_or(0, |cursor| cursor.parse().unwrap());
        let end = self.rooms.len().min(start + most.min(self.page));
        let items: Vec<_> =
            self.rooms[start..end].iter().map(|(id, title, kind)| json!({"id": id, "title": title, "type": kind})).collect();
        let next = format!("<{}/rooms?max={most}&cursor={end}>; rel=\"next\"", self.origin);
        let headers = [("Link", next.as_str())];
        let headers = if end < self.rooms.len() { headers.as_slice() } else { &[] };
        json_response(200, headers, &json!({ "items": items }))
    }

    fn room(&self, wanted: &str) -> Response {
        match self.rooms.iter().find(|(id, ..)| id == wanted) {
            Some((id, title, kind)) => json_response(200, &[], &json!({"id": id, "title": title, "type": kind})),
            None => refused(404, "The requested resource could not be found."),
        }
    }
}

impl Server for Webex {
    fn answer(&mut self, request: &Request) -> Result<Response, Error> {
        assert!(request.url.starts_with(self.origin), "{}", request.url);
        if header(request, "Authorization") != Some("Bearer sealed-token") {
            return Ok(refused(401, "The request requires a valid access token set in the Authorization request header."));
        }
        let path = url_path(request).strip_prefix("/v1/").unwrap().to_owned();
        let parts: Vec<&str> = path.split('/').collect();
        Ok(match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["messages"]) => self.post(json_body(request)),
            ("PUT", ["messages", id]) => self.edit(id, &json_body(request)),
            ("GET", ["rooms"]) => self.rooms(&query_fields(request).into_iter().collect()),
            ("GET", ["rooms", id]) => self.room(id),
            ("GET", ["people", "me"]) => json_response(
                200,
                &[],
                &json!({"id": "UEVPUExF", "displayName": "Postern", "emails": ["postern@webex.bot"], "type": "bot"}),
            ),
            _ => refused(404, "The requested resource could not be found."),
        })
    }
}

fn refused(status: u16, message: &str) -> Response {
    let body = json!({"message": message, "errors": [{"description": message}], "trackingId": "ROUTER_1"});
    json_response(status, &[], &body)
}

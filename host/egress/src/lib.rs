//! The HTTP broker: the only way out of the process for providers.
//!
//! What holds here:
//! - A request leaves only if the operator grants its host to the provider, and lets any provider reach it.
//! - Every address is judged before it is connected to, and nothing is connected to but judged addresses. Private, loopback,
//!   link-local, metadata and other special addresses are denied unless the operator names them.
//! - A provider never holds a secret. A placeholder becomes the secret only in a request that every rule allows, and the
//!   secret is taken out of all that comes back: answers, records, errors.
//! - No redirect is followed unless the provider asks for it and may, and then each hop is judged anew. No proxy is used, no
//!   cookie is kept, and no connection is shared between two providers.
//! - Everything has a bound ([`Limits`]), and each request leaves exactly one record and one line in the log.
//!
//! What it cannot do: a receiver that was granted may tell the provider a secret in a form that nobody looks for, and a
//! provider may have anything signed with a key that it cannot read. A grant is trust.
//!
//! | module | what it holds |
//! |---|---|
//! | [`options`] | what the operator configures |
//! | [`limits`] | the bounds |
//! | [`address`] | which IP addresses may be reached; the operator's exceptions |
//! | `listeners` | the daemon's own addresses, which nobody reaches |
//! | `resolve` | names to judged addresses |
//! | [`secret`] | a secret in clear, and what it is found by |
//! | [`seal`] | the secrets of a call and their placeholders |
//! | [`audience`] | to whom one secret may go |
//! | [`oauth2`] | access tokens, fetched and renewed |
//! | `substitute` | putting secrets in |
//! | `redact` | taking secrets out |
//! | [`sign`] | HMAC and signatures with sealed keys |
//! | [`message`] | requests, answers, errors |
//! | `check` | the rules of a request in their order |
//! | `headers` | the rules of headers |
//! | [`client_certificate`] | certificates that clients show |
//! | `clients` | which HTTP client a request goes through |
//! | `transport` | how HTTP clients are made: TLS, pools, deadlines of connecting |
//! | `connecting` | what a connection knows of its request, and the request learns of it |
//! | `redirect` | where answers lead, for who may follow |
//! | `failure` | what an error of the client means |
//! | [`record`] | the exchange that is kept and the line that is logged |
//! | [`admission`] | requests that are counted before their bodies are there |
//! | [`timeouts`] | bounds of the parts of an exchange |
//! | [`fuzzing`] | rules that hold for any bytes, for fuzz targets |
//! | [`scripted`] | a broker whose requests all end at one server on this machine, for trying providers out |
//! | [`broker`] | [`Broker`] and [`Call`], which tie it together |

pub mod address;
pub mod admission;
pub mod audience;
pub mod broker;
mod check;
pub mod client_certificate;
mod clients;
mod connecting;
mod failure;
pub mod fuzzing;
mod headers;
pub mod limits;
mod listeners;
pub mod message;
pub mod oauth2;
pub mod options;
pub mod record;
mod redact;
mod redirect;
mod resolve;
pub mod scripted;
pub mod seal;
pub mod secret;
pub mod sign;
mod substitute;
pub mod timeouts;
mod transport;

pub use address::AllowRule;
pub use admission::Admission;
pub use audience::Audience;
pub use broker::{Broker, Call, CallSettings, Witness};
pub use client_certificate::ClientCertificate;
pub use limits::Limits;
pub use message::{ErrorKind, Header, Request, Response, SendError};
pub use oauth2::ClientCredentials;
pub use options::{Error, Options};
pub use record::RecordBodies;
pub use seal::Seals;
pub use secret::Secret;
pub use sign::{Digest, Encoding, HmacKey, KeyFormat, SignatureAlgorithm};
pub use timeouts::Timeouts;
pub use transport::own_client;

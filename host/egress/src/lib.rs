//! The HTTP broker: the only way out of the process for providers.
//!
//! What holds here:
//! - A request leaves only if the provider's manifest asks for its host *and* the operator grants it.
//! - Every address is judged before it is connected to, and nothing is connected to but judged addresses. Private, loopback,
//!   link-local, metadata and other special addresses are denied unless the operator names them.
//! - A provider never holds a secret. A placeholder becomes the secret only in a request that every rule allows, and the
//!   secret is taken out of all that comes back: answers, records, errors.
//! - No redirect is followed, no proxy is used, no cookie is kept, and no connection is shared between two providers.
//! - Everything has a bound ([`Limits`]), and each request leaves exactly one record and one line in the log.
//!
//! What it cannot do: a receiver that was granted may tell the provider a secret in a form that nobody looks for, and a
//! provider may have anything signed with a key that it cannot read. A grant is trust.
//!
//! | module | what it holds |
//! |---|---|
//! | [`limits`] | the bounds |
//! | [`address`] | which IP addresses may be reached; the operator's exceptions |
//! | `resolve` | names to judged addresses |
//! | [`seal`] | secrets and their placeholders |
//! | `substitute` | putting secrets in |
//! | `redact` | taking secrets out |
//! | [`sign`] | HMAC and signatures with sealed keys |
//! | [`message`] | requests, answers, errors |
//! | `check` | the rules of a request in their order |
//! | `headers` | the rules of headers |
//! | `transport` | HTTP clients: TLS, pools, deadlines of connecting |
//! | `failure` | what an error of the client means |
//! | `record` | the exchange that is kept and the line that is logged |
//! | [`broker`] | [`Broker`] and [`Call`], which tie it together |

pub mod address;
pub mod broker;
mod check;
mod failure;
mod headers;
pub mod limits;
pub mod message;
mod record;
mod redact;
mod resolve;
pub mod seal;
pub mod sign;
mod substitute;
mod transport;

pub use address::AllowRule;
pub use broker::{Broker, Call, CallSettings, Error, Options};
pub use limits::Limits;
pub use message::{ErrorKind, Header, Request, Response, SendError};
pub use seal::{Seals, Secret};
pub use sign::{Digest, Encoding, HmacKey, KeyFormat, SignatureAlgorithm};

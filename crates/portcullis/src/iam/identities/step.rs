//! One step of an import: one call.

use std::fmt;

use anyhow::Result;
use futures_util::future::BoxFuture;
use portcullis_wire::Operation;

use crate::client::{Client, Refusal};

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Something is made.
    Add,
    /// Something is changed.
    Change,
    /// Something goes away.
    Remove,
}

/// One call, and how people read it.
pub struct Step {
    sign: Sign,
    what: String,
    call: Box<dyn Call>,
}

impl Step {
    /// A step that makes something.
    pub fn add<O: Operation>(what: impl Into<String>, input: O::Input) -> Self {
        Self::new::<O>(Sign::Add, what.into(), input)
    }

    /// A step that changes something.
    pub fn change<O: Operation>(what: impl Into<String>, input: O::Input) -> Self {
        Self::new::<O>(Sign::Change, what.into(), input)
    }

    /// A step that takes something away.
    pub fn remove<O: Operation>(what: impl Into<String>, input: O::Input) -> Self {
        Self::new::<O>(Sign::Remove, what.into(), input)
    }

    fn new<O: Operation>(sign: Sign, what: String, input: O::Input) -> Self {
        let call = Box::new(Request::<O>(input));
        Self { sign, what, call }
    }

    /// What the step is about, without its sign.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Makes the call. Fails only when there is no answer at all.
    pub async fn make(&self, client: &Client) -> Result<Option<Refusal>> {
        self.call.make(client).await
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.sign {
            Sign::Add => '+',
            Sign::Change => '~',
            Sign::Remove => '-',
        };
        write!(f, "{sign} {}", self.what)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A call seen without its type.
trait Call: Send + Sync {
    fn make<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<Option<Refusal>>>;
}

struct Request<O: Operation>(O::Input);

impl<O: Operation> Call for Request<O> {
    fn make<'a>(&'a self, client: &'a Client) -> BoxFuture<'a, Result<Option<Refusal>>> {
        Box::pin(async move { Ok(client.call::<O>(&self.0).await?.result.err()) })
    }
}

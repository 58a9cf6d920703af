//! What requests for users and for groups have in common. A resource is found by name; what can be changed of it is made
//! anew from the request and the resource is brought there by IAM calls.

use serde_json::{Map, Value};

use super::desk::Desk;
use super::errors::ScimError;
use super::patch::{self, Operation};
use super::reading::Query;

/// Entries of a page of IAM's.
pub(super) const PAGE: Option<i32> = Some(1_000);

/// Names of a page of IAM's, and the marker of the next one.
pub(super) type Page = (Vec<String>, Option<String>);

/// A kind of resource.
pub(super) trait Resource: Sized {
    /// What can be changed of it.
    type Desired: Clone;

    /// The attribute it can be filtered by, in lower case.
    const NAMED_BY: &'static str;

    /// The IAM name of the resource with an id.
    fn name_of(desk: &Desk<'_>, id: &str) -> Result<String, ScimError>;
    async fn find(desk: &Desk<'_>, name: &str) -> Result<Self, ScimError>;
    async fn names(desk: &Desk<'_>, marker: Option<String>) -> Result<Page, ScimError>;
    fn shown(&self) -> Value;
    fn present(&self) -> Self::Desired;
    /// Reads the body of a resource; what it does not say stays as it was `before`.
    fn read(body: &Map<String, Value>, before: Option<&Self::Desired>) -> Result<Self::Desired, ScimError>;
    fn patched(before: Self::Desired, operations: &[Operation]) -> Result<Self::Desired, ScimError>;
    /// Makes it; answers its name.
    async fn make(desk: &Desk<'_>, wanted: &Self::Desired) -> Result<String, ScimError>;
    /// Brings it from `before` to `wanted`; answers its name then.
    async fn change(
        desk: &Desk<'_>,
        before: &Self::Desired,
        wanted: &Self::Desired,
    ) -> Result<String, ScimError>;
}

async fn by_id<R: Resource>(desk: &Desk<'_>, id: &str) -> Result<R, ScimError> {
    R::find(desk, &R::name_of(desk, id)?).await
}

pub(super) async fn get<R: Resource>(desk: &Desk<'_>, id: &str) -> Result<Value, ScimError> {
    Ok(by_id::<R>(desk, id).await?.shown())
}

pub(super) async fn list<R: Resource>(desk: &Desk<'_>, query: &Query) -> Result<Value, ScimError> {
    match &query.filter {
        None => {
            let names = all_names::<R>(desk).await?;
            let total = names.len();
            let mut page = Vec::new();
            for name in query.page(names) {
                page.push(R::find(desk, &name).await?.shown());
            }
            Ok(query.list(total, page))
        }
        Some(filter) if filter.attribute == R::NAMED_BY => {
            let found = match R::find(desk, &filter.value).await {
                Ok(found) => vec![found.shown()],
                Err(error) if error.is_nothing() => Vec::new(),
                Err(error) => return Err(error),
            };
            Ok(query.list(found.len(), query.page(found).collect()))
        }
        Some(_) => Err(ScimError::filter()),
    }
}

async fn all_names<R: Resource>(desk: &Desk<'_>) -> Result<Vec<String>, ScimError> {
    let mut all = Vec::new();
    let mut marker = None;
    loop {
        let (names, next) = R::names(desk, marker).await?;
        all.extend(names);
        marker = next;
        if marker.is_none() {
            return Ok(all);
        }
    }
}

pub(super) async fn create<R: Resource>(
    desk: &Desk<'_>,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    let name = R::make(desk, &R::read(body, None)?).await?;
    Ok(R::find(desk, &name).await?.shown())
}

pub(super) async fn replace<R: Resource>(
    desk: &Desk<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    let before = by_id::<R>(desk, id).await?.present();
    let wanted = R::read(body, Some(&before))?;
    bring::<R>(desk, &before, &wanted).await
}

pub(super) async fn patch<R: Resource>(
    desk: &Desk<'_>,
    id: &str,
    body: &Map<String, Value>,
) -> Result<Value, ScimError> {
    let operations = patch::operations(body)?;
    let before = by_id::<R>(desk, id).await?.present();
    let wanted = R::patched(before.clone(), &operations)?;
    bring::<R>(desk, &before, &wanted).await
}

async fn bring<R: Resource>(
    desk: &Desk<'_>,
    before: &R::Desired,
    wanted: &R::Desired,
) -> Result<Value, ScimError> {
    let name = R::change(desk, before, wanted).await?;
    Ok(R::find(desk, &name).await?.shown())
}

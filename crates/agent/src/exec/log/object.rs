//! An object of S3, `PREFIX/SESSION.log`: an upload in parts, because a session has no length before it ends. It is begun
//! with the session, which shows whether the role may, and is an object as soon as the session is over.

use http::{Method, Response};
use hyper::body::Bytes;
use portcullis_wire::session::document::SessionInputs;
use tokio::runtime::Handle;

use super::Scribe;
use crate::supplies::env_file::{error_text, path};

/// Least bytes of a part that is not the last; kept in memory until they are together.
const PART_BYTES: usize = 5 * 1024 * 1024;
/// AWS's words.
const NOT_ENCRYPTED: &str = "We couldn't start the session because encryption is not set up on the selected Amazon S3 bucket. Either \
                             encrypt the bucket or choose an option to enable logging without encryption.";

/// An upload that has begun. One that does not become an object is given up: what it holds costs until then.
struct Upload {
    scribe: Scribe,
    path: String,
    id: String,
    is_over: bool,
}

impl Upload {
    fn path(&self) -> String {
        format!("{}?uploadId={}", self.path, self.id)
    }

    fn part(&self, number: usize) -> String {
        format!("{}?partNumber={number}&uploadId={}", self.path, self.id)
    }

    /// Once; the bucket's rules may do it later. The role may lack the permission.
    async fn give_up(&mut self) {
        self.is_over = true;
        let path = self.path();
        give_up(&mut self.scribe, &path).await;
    }
}

async fn give_up(scribe: &mut Scribe, path: &str) {
    let asked = scribe.ask_s3_once(Method::DELETE, path, Bytes::new()).await;
    if !asked.is_ok_and(|answer| answer.status().is_success()) {
        tracing::warn!(path, "the upload of a session's log is left unfinished");
    }
}

/// The session ended while its log was being opened.
impl Drop for Upload {
    fn drop(&mut self) {
        if !self.is_over
            && let Ok(runtime) = Handle::try_current()
        {
            let (mut scribe, path) = (self.scribe.clone(), self.path());
            runtime.spawn(async move { give_up(&mut scribe, &path).await });
        }
    }
}

/// What is not written yet, and where it goes.
pub(super) struct LogObject {
    bucket: String,
    upload: Upload,
    parts: Vec<String>,
    waiting: Vec<u8>,
}

impl LogObject {
    /// Begins the upload. The bucket must be encrypted, if that is asked for.
    pub(super) async fn open(
        scribe: &mut Scribe,
        inputs: &SessionInputs,
        session: &str,
    ) -> Result<Self, String> {
        let bucket = &inputs.s3_bucket_name;
        if inputs.s3_encryption_enabled && !is_encrypted(scribe, bucket).await? {
            return Err(NOT_ENCRYPTED.to_owned());
        }
        let path = path(bucket, &key(&inputs.s3_key_prefix, session));
        let begun = ask(scribe, Method::POST, &format!("{path}?uploads="), Bytes::new()).await;
        let id = begun.and_then(|answer| {
            let id = element(answer.body(), "UploadId");
            id.ok_or_else(|| "the answer has no upload".to_owned())
        });
        let id = id.map_err(|problem| {
            format!("Couldn't start the session because its log cannot be written to the bucket {bucket}: {problem}")
        })?;
        Ok(Self {
            bucket: bucket.clone(),
            upload: Upload {
                scribe: scribe.clone(),
                path,
                id,
                is_over: false,
            },
            parts: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// Keeps it, and writes what is a part.
    pub(super) async fn push(&mut self, scribe: &mut Scribe, piece: &[u8]) -> Result<(), String> {
        self.waiting.extend_from_slice(piece);
        match self.waiting.len() >= PART_BYTES {
            true => self.put(scribe).await,
            false => Ok(()),
        }
    }

    async fn put(&mut self, scribe: &mut Scribe) -> Result<(), String> {
        let body = Bytes::from(std::mem::take(&mut self.waiting));
        let number = self.parts.len() + 1;
        let path = self.upload.part(number);
        let put = ask(scribe, Method::PUT, &path, body.clone()).await;
        if put.is_err() {
            // Whoever completes what there is tries it again.
            self.waiting = body.into();
        }
        let put = put.map_err(|problem| self.failed(&problem))?;
        let tag = put.headers().get("etag").and_then(|tag| tag.to_str().ok());
        let tag = tag.ok_or_else(|| self.failed("the answer has no ETag"))?;
        self.parts.push(tag.trim_matches('"').to_owned());
        Ok(())
    }

    /// Writes the rest; from then on the object is there, or there never will be one.
    pub(super) async fn complete(mut self, scribe: &mut Scribe) -> Result<(), String> {
        let completed = self.write_rest(scribe).await;
        match completed {
            Ok(()) => self.upload.is_over = true,
            Err(_) => self.upload.give_up().await,
        }
        completed
    }

    async fn write_rest(&mut self, scribe: &mut Scribe) -> Result<(), String> {
        if !self.waiting.is_empty() {
            self.put(scribe).await?;
        }
        let parts = self.parts.iter().enumerate().map(|(at, tag)| {
            let number = at + 1;
            format!("<Part><PartNumber>{number}</PartNumber><ETag>&quot;{tag}&quot;</ETag></Part>")
        });
        let parts: String = parts.collect();
        let list = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        let path = self.upload.path();
        let done = ask(scribe, Method::POST, &path, Bytes::from(list)).await;
        let done = done.map_err(|problem| self.failed(&problem))?;
        // An error that comes late is told in an answer that began well.
        match element(done.body(), "Code") {
            Some(_) => Err(self.failed(&error_text(done.status().as_u16(), done.body()))),
            None => Ok(()),
        }
    }

    fn failed(&self, problem: &str) -> String {
        format!("the bucket {} does not take the log: {problem}", self.bucket)
    }
}

/// The object's key.
fn key(prefix: &str, session: &str) -> String {
    match prefix.trim_matches('/') {
        "" => format!("{session}.log"),
        prefix => format!("{prefix}/{session}.log"),
    }
}

async fn is_encrypted(scribe: &mut Scribe, bucket: &str) -> Result<bool, String> {
    let path = format!("/{bucket}?encryption=");
    let asked = ask(scribe, Method::GET, &path, Bytes::new()).await;
    let answer = asked.map_err(|problem| {
        format!(
            "Couldn't start the session because we are unable to validate encryption on Amazon S3 bucket. Error: {problem}"
        )
    })?;
    Ok(element(answer.body(), "SSEAlgorithm").is_some())
}

/// Asks S3: `Err` for what is no success.
async fn ask(
    scribe: &mut Scribe,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Response<Bytes>, String> {
    let answer = scribe.ask_s3(method, path, body).await;
    let answer = answer.map_err(|error| error.to_string())?;
    match answer.status().is_success() {
        true => Ok(answer),
        false => Err(error_text(answer.status().as_u16(), answer.body())),
    }
}

fn element(body: &[u8], name: &str) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(content.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_key_is_prefix_session_and_log() {
        for (prefix, expected) in [
            ("", "s.log"),
            ("exec", "exec/s.log"),
            ("a/b/", "a/b/s.log"),
            ("/a", "a/s.log"),
        ] {
            assert_eq!(key(prefix, "s"), expected);
        }
    }

    #[test]
    fn elements_are_read_and_nothing_else() {
        assert_eq!(
            element(b"<A><UploadId>x1</UploadId></A>", "UploadId").as_deref(),
            Some("x1")
        );
        for nothing in [&b"<UploadId>x"[..], b"", b"\xff", b"<Code/>"] {
            assert_eq!(element(nothing, "UploadId"), None);
        }
    }
}

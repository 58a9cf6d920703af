//! The vectors of the AWS signing test suite (`tests/data/sigv4`).

use std::fs;
use std::path::{Path, PathBuf};

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use portcullis_core::{Secret, Timestamp};

use super::canonical::{Paths, View, scope_text, string_to_sign};
use super::presented::Presented;
use super::{AuthError, SigningKey, unhex};

/// Folders of the suite that hold a canonical request only.
const CANONICAL_ONLY: [&str; 2] = ["double-encode-path", "double-url-encode"];
/// The folder whose session token is added after signing: its signature is right, and a server must refuse it.
const UNSIGNED_TOKEN: &str = "post-sts-header-after";

struct Request {
    method: String,
    path: String,
    query: String,
    headers: HeaderMap,
    body: String,
}

impl Request {
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
        // A folded line continues the header before it.
        let head = head.replace("\n ", " ");
        let mut lines = head.lines();
        let line = lines.next().unwrap();
        let (method, target) = line.split_once(' ').unwrap();
        let target = target.strip_suffix(" HTTP/1.1").unwrap_or(target);
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        Self {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers,
            body: body.into(),
        }
    }

    fn view(&self, normalize: bool) -> View<'_> {
        let (method, path, query, headers) = (&self.method, &self.path, &self.query, &self.headers);
        View {
            method,
            path,
            query,
            headers,
            authority: None,
            paths: if normalize { Paths::Normalized } else { Paths::Kept },
        }
    }
}

struct Folder {
    name: String,
    path: PathBuf,
    context: serde_json::Value,
}

impl Folder {
    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path.join(file)).unwrap()
    }

    fn text(&self, pointer: &str) -> &str {
        self.context.pointer(pointer).unwrap().as_str().unwrap()
    }
}

fn folders() -> Vec<Folder> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/sigv4");
    let mut folders = Vec::new();
    for entry in fs::read_dir(suite).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if let Ok(context) = fs::read_to_string(path.join("context.json")) {
            folders.push(Folder {
                name,
                path,
                context: serde_json::from_str(&context).unwrap(),
            });
        }
    }
    folders
}

fn check(folder: &Folder, form: &str) {
    let name = &folder.name;
    let request = Request::parse(&folder.read(&format!("{form}-signed-request.txt")));
    let view = request.view(folder.context["normalize"].as_bool().unwrap());
    let presented = Presented::parse_view(&view);
    if name == UNSIGNED_TOKEN && form == "header" {
        assert!(
            matches!(presented, Err(AuthError::Invalid(_))),
            "{name}: the token is not signed"
        );
        return;
    }
    let presented = presented.unwrap_or_else(|error| panic!("{name} {form}: {error}"));
    let scope = &presented.scope;
    let secret = Secret::new(folder.text("/credentials/secret_access_key"));
    let key = SigningKey::derive(&secret, &scope.date, &scope.region, &scope.service);
    if name == UNSIGNED_TOKEN {
        assert_eq!(
            presented.verify_view(&key, &view, request.body.as_bytes()),
            Err(AuthError::Mismatch)
        );
        return;
    }
    assert_eq!(
        presented.verify_view(&key, &view, request.body.as_bytes()),
        Ok(()),
        "{name} {form}"
    );
    assert_eq!(presented.access_key_id, folder.text("/credentials/access_key_id"));
    assert_eq!(
        (scope.region.as_str(), scope.service.as_str()),
        (folder.text("/region"), folder.text("/service"))
    );
    let token = folder
        .context
        .pointer("/credentials/token")
        .map(|token| token.as_str().unwrap());
    assert_eq!(
        presented.session_token.as_ref().map(Secret::expose),
        token,
        "{name} {form}"
    );
    let signed_at: Timestamp = folder.text("/timestamp").parse().unwrap();
    assert_eq!(presented.check(folder.text("/service"), signed_at), Ok(()));
}

#[test]
fn vectors_verify_in_header_and_query_form() {
    let folders = folders();
    assert_eq!(folders.len(), 38);
    for folder in &folders {
        check(folder, "header");
        check(folder, "query");
    }
}

#[test]
fn vectors_have_the_canonical_request_string_to_sign_and_signature_of_the_suite() {
    for folder in folders().iter().filter(|folder| folder.name != UNSIGNED_TOKEN) {
        for form in ["header", "query"] {
            let request = Request::parse(&folder.read(&format!("{form}-signed-request.txt")));
            let canonical = folder.read(&format!("{form}-canonical-request.txt"));
            let mut last_lines = canonical.lines().rev();
            let (hash, signed_headers) = (last_lines.next().unwrap(), last_lines.next().unwrap());
            let view = request.view(folder.context["normalize"].as_bool().unwrap());
            let ours = view.canonical(signed_headers, hash).unwrap();
            assert_eq!(
                String::from_utf8(ours.clone()).unwrap(),
                canonical,
                "{} {form}",
                folder.name
            );

            let (region, service) = (folder.text("/region"), folder.text("/service"));
            let text = string_to_sign(
                "20150830T123600Z",
                &scope_text("20150830", region, service),
                &ours,
            );
            assert_eq!(
                text,
                folder.read(&format!("{form}-string-to-sign.txt")),
                "{} {form}",
                folder.name
            );

            let secret = Secret::new(folder.text("/credentials/secret_access_key"));
            let key = SigningKey::derive(&secret, "20150830", region, service);
            let signature = folder.read(&format!("{form}-signature.txt"));
            assert_eq!(
                Some(key.sign(&text)),
                unhex(signature.trim()),
                "{} {form}",
                folder.name
            );
        }
    }
}

#[test]
fn paths_are_encoded_twice() {
    for folder in CANONICAL_ONLY {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/sigv4")
            .join(folder);
        let request = Request::parse(&fs::read_to_string(path.join("request.txt")).unwrap());
        let canonical = fs::read_to_string(path.join("header-canonical-request.txt")).unwrap();
        let wanted = canonical.lines().nth(1).unwrap();
        let ours = request.view(true).canonical("host;x-amz-date", "").unwrap();
        assert_eq!(String::from_utf8(ours).unwrap().lines().nth(1).unwrap(), wanted);
    }
}

//! An upstream registry on this machine, as far as a pull asks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use portcullis_blobs::Digest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What is answered under a path.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The status line after `HTTP/1.1 `.
    pub status: String,
    /// More header lines, each with its line end.
    pub headers: String,
    pub body: Vec<u8>,
}

/// What was asked: path and authorization.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

#[derive(Clone)]
pub struct Upstream {
    pub url: String,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    asked: Asked,
    /// What requests of the registry must be authorized by, and the challenge for those that are not.
    wanted: Arc<Mutex<Option<(String, String)>>>,
}

impl Upstream {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let upstream = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            pages: Arc::default(),
            asked: Arc::default(),
            wanted: Arc::default(),
        };
        let serving = upstream.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = serving.clone();
                tokio::spawn(async move { serving.answer(stream).await });
            }
        });
        upstream
    }

    async fn answer(&self, mut stream: TcpStream) {
        let mut head = vec![0_u8; 16 * 1024];
        let mut length = 0;
        while !head[..length].ends_with(b"\r\n\r\n") {
            match stream.read(&mut head[length..]).await {
                Ok(read) if read > 0 => length += read,
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let authorization = head.lines().find_map(|line| line.strip_prefix("authorization: "));
        let authorization = authorization.unwrap_or_default().to_owned();
        self.asked
            .lock()
            .unwrap()
            .push((path.clone(), authorization.clone()));
        let page = self.page(&path, &authorization);
        let reply = format!(
            "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n",
            page.status,
            page.body.len(),
            page.headers,
        );
        let _ = stream.write_all(reply.as_bytes()).await;
        let _ = stream.write_all(&page.body).await;
        let _ = stream.shutdown().await;
    }

    fn page(&self, path: &str, authorization: &str) -> Page {
        let wanted = self.wanted.lock().unwrap().clone();
        if let Some((_, challenge)) =
            wanted.filter(|(wanted, _)| path.starts_with("/v2/") && wanted != authorization)
        {
            return Page {
                status: "401 Unauthorized".to_owned(),
                headers: format!("WWW-Authenticate: {challenge}\r\n"),
                body: Vec::new(),
            };
        }
        let page = self.pages.lock().unwrap().get(path).cloned();
        page.unwrap_or(Page {
            status: "404 Not Found".to_owned(),
            ..Page::default()
        })
    }

    /// Wants this authorization.
    pub fn want(&self, authorization: &str, challenge: &str) {
        *self.wanted.lock().unwrap() = Some((authorization.to_owned(), challenge.to_owned()));
    }

    pub fn put(&self, path: &str, status: &str, headers: &str, body: &[u8]) {
        let page = Page {
            status: status.to_owned(),
            headers: headers.to_owned(),
            body: body.to_vec(),
        };
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// A manifest under a tag and its digest; gives the digest.
    pub fn manifest(&self, name: &str, tag: &str, kind: &str, manifest: &str) -> String {
        let digest = Digest::of(manifest.as_bytes()).to_string();
        let headers = format!("Content-Type: {kind}\r\nDocker-Content-Digest: {digest}\r\n");
        for reference in [tag, &digest] {
            let path = format!("/v2/{name}/manifests/{reference}");
            self.put(&path, "200 OK", &headers, manifest.as_bytes());
        }
        digest
    }

    pub fn blob(&self, name: &str, bytes: &[u8]) -> String {
        let digest = Digest::of(bytes).to_string();
        self.put(&format!("/v2/{name}/blobs/{digest}"), "200 OK", "", bytes);
        digest
    }

    /// An image of one layer; gives its manifest.
    pub fn image(&self, name: &str, tag: &str, layer: &[u8]) -> String {
        self.blob(name, b"{}");
        self.blob(name, layer);
        let manifest = super::manifest(layer, None);
        self.manifest(name, tag, super::MANIFEST, &manifest);
        manifest
    }

    /// What was asked since this was last asked.
    pub fn asked(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

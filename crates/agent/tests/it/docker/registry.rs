//! A registry of one image, small enough for a test: what Docker asks is answered and noted.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// The registry; it stops answering when dropped.
pub struct Registry {
    pub address: SocketAddr,
    pub digest: String,
    asked: Arc<Mutex<Vec<String>>>,
    closed: Arc<AtomicBool>,
}

struct Image {
    manifest: Vec<u8>,
    config: Vec<u8>,
    layer: Vec<u8>,
}

impl Registry {
    /// Serves an image with these files and variables as `/app`, under any tag.
    pub fn serve(layer: Vec<u8>, environment: &[&str]) -> Self {
        let image = image(layer, environment);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let registry = Self {
            address: listener.local_addr().unwrap(),
            digest: digest(&image.manifest),
            asked: Arc::default(),
            closed: Arc::default(),
        };
        let (asked, closed) = (Arc::clone(&registry.asked), Arc::clone(&registry.closed));
        let image = Arc::new(image);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    return;
                }
                let (image, asked) = (Arc::clone(&image), Arc::clone(&asked));
                std::thread::spawn(move || answer(stream, &image, &asked));
            }
        });
        registry
    }

    /// The image's name.
    pub fn image(&self, tag: &str) -> String {
        format!("{}/app:{tag}", self.address)
    }

    /// Paths asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn image(layer: Vec<u8>, environment: &[&str]) -> Image {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    };
    let config = json!({
        "architecture": architecture, "os": "linux", "config": {"Env": environment},
        "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
    });
    let config = serde_json::to_vec(&config).unwrap();
    let part = |kind: &str, bytes: &[u8]| -> Value {
        json!({"mediaType": kind, "size": bytes.len(), "digest": digest(bytes)})
    };
    let manifest = json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": part("application/vnd.docker.container.image.v1+json", &config),
        "layers": [part("application/vnd.docker.image.rootfs.diff.tar.gzip", &layer)],
    });
    Image {
        manifest: serde_json::to_vec(&manifest).unwrap(),
        config,
        layer,
    }
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

fn answer(stream: TcpStream, image: &Image, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let Some(Ok(first)) = lines.next() else { return };
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    asked.lock().unwrap().push(format!("{method} {path}"));
    let found: Option<(&str, &[u8])> = match path {
        "/v2/" => Some(("application/json", b"{}")),
        _ if path.contains("/manifests/") => Some((MANIFEST, &image.manifest)),
        _ if path.ends_with(&digest(&image.config)) => Some(("application/octet-stream", &image.config)),
        _ if path.ends_with(&digest(&image.layer)) => Some(("application/octet-stream", &image.layer)),
        _ => None,
    };
    let (status, (kind, body)) = match found {
        Some(found) => ("200 OK", found),
        None => ("404 Not Found", ("application/json", &b"{}"[..])),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nDocker-Content-Digest: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        digest(body)
    );
    let mut stream = stream;
    let _ = stream.write_all(head.as_bytes());
    if method != "HEAD" {
        let _ = stream.write_all(body);
    }
}

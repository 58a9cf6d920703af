//! An identity provider on this machine: a discovery document, keys, and tokens signed with them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_control::server::TlsAcceptor;
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// A 2,048-bit key, PKCS #8, made for these tests.
const RSA: &[u8] = include_bytes!("../../data/federation-rsa2048.pk8");

/// What the provider answers.
#[derive(Debug, Clone)]
pub struct Page {
    /// The status line after `HTTP/1.1 `.
    pub status: &'static str,
    /// More header lines, each with its line end.
    pub headers: String,
    /// The body.
    pub body: String,
}

/// Answers one request.
async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    pages: &Mutex<BTreeMap<String, Page>>,
    asked: &Mutex<Vec<String>>,
) {
    let mut head = [0_u8; 4096];
    let length = stream.read(&mut head).await.unwrap_or(0);
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    asked.lock().unwrap().push(path.clone());
    let page = pages.lock().unwrap().get(&path).cloned();
    let page = page.unwrap_or(Page {
        status: "404 Not Found",
        headers: String::new(),
        body: String::new(),
    });
    let reply = format!(
        "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n{}\r\n{}",
        page.status,
        page.body.len(),
        page.headers,
        page.body
    );
    let _ = stream.write_all(reply.as_bytes()).await;
    let _ = stream.shutdown().await;
}

/// The provider.
pub struct Provider {
    /// Its issuer.
    pub url: String,
    ec: EcdsaKeyPair,
    rsa: RsaKeyPair,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider {
    /// Starts one, with its keys under the ids `ec` and `rsa`.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        Self::over(listener, url, None)
    }

    /// Starts one that speaks TLS, under this name of the machine.
    pub async fn start_tls(host: &str, tls: TlsAcceptor) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{host}:{}", listener.local_addr().unwrap().port());
        Self::over(listener, url, Some(tls))
    }

    fn over(listener: TcpListener, url: String, tls: Option<TlsAcceptor>) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let provider = Self {
            url,
            ec: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap(),
            rsa: RsaKeyPair::from_pkcs8(RSA).unwrap(),
            pages: Arc::default(),
            asked: Arc::default(),
        };
        provider.publish();
        let (pages, asked) = (provider.pages.clone(), provider.asked.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                match &tls {
                    None => answer(stream, &pages, &asked).await,
                    Some(tls) => {
                        if let Ok(stream) = tls.accept(stream).await {
                            answer(stream, &pages, &asked).await;
                        }
                    }
                }
            }
        });
        provider
    }

    /// The issuer without its scheme.
    pub fn name(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// Paths that were asked for, in order.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// Sets what is answered under a path.
    pub fn answer(&self, path: &str, page: Page) {
        self.pages.lock().unwrap().insert(path.to_owned(), page);
    }

    /// Sets a JSON document.
    pub fn document(&self, path: &str, document: &Value) {
        let page = Page {
            status: "200 OK",
            headers: String::new(),
            body: document.to_string(),
        };
        self.answer(path, page);
    }

    /// Publishes both documents as they should be.
    pub fn publish(&self) {
        let jwks_uri = format!("{}/keys", self.url);
        self.document(
            "/.well-known/openid-configuration",
            &json!({ "issuer": self.url, "jwks_uri": jwks_uri }),
        );
        self.document("/keys", &json!({ "keys": [self.ec_key("ec"), self.rsa_key()] }));
    }

    /// The public half of the EC key.
    pub fn ec_key(&self, id: &str) -> Value {
        let point = self.ec.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "kid": id, "use": "sig", "alg": "ES256",
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..65]),
        })
    }

    fn rsa_key(&self) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        json!({
            "kty": "RSA", "kid": "rsa", "use": "sig", "alg": "RS256",
            "n": URL_SAFE_NO_PAD.encode(n),
            "e": URL_SAFE_NO_PAD.encode(e),
        })
    }

    /// A token signed with the EC key.
    pub fn token(&self, claims: &Value) -> String {
        self.token_of(&json!({ "alg": "ES256", "typ": "JWT", "kid": "ec" }), claims)
    }

    /// A token with another header, signed with the key its algorithm asks for.
    pub fn token_of(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match header["alg"].as_str().unwrap_or_default() {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public().modulus_len()];
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            "none" => Vec::new(),
            "HS256" => {
                // The old confusion: the public key as a secret.
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, self.ec.public_key().as_ref());
                ring::hmac::sign(&key, signed.as_bytes()).as_ref().to_vec()
            }
            _ => self
                .ec
                .sign(&random, signed.as_bytes())
                .unwrap()
                .as_ref()
                .to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

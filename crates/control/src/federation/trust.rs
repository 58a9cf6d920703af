//! Whose certificates are trusted when keys are fetched: known authorities, and what a provider's thumbprints pin.

use std::fmt::Write as _;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};
use thiserror::Error;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_name};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

/// The certificate authorities that are trusted for every provider.
#[derive(Debug, Clone)]
pub struct Authorities(RootCertStore);

impl Default for Authorities {
    /// None: only what thumbprints pin is trusted.
    fn default() -> Self {
        Self(RootCertStore::empty())
    }
}

/// A file that was given for its authorities has none.
#[derive(Debug, Error)]
#[error("the file holds no certificate in PEM form that could be an authority")]
pub struct NoCertificate;

impl Authorities {
    /// Reads authorities in PEM; those that cannot be used are left out.
    pub fn from_pem(pem: &[u8]) -> Result<Self, NoCertificate> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
        if roots.is_empty() {
            return Err(NoCertificate);
        }
        Ok(Self(roots))
    }
}

/// How TLS is spoken with a provider. `None` only if rustls itself is at odds with its own defaults.
pub(crate) fn client(authorities: &Authorities, thumbprints: &[String]) -> Option<Arc<ClientConfig>> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Verifier {
        known: verifier(authorities.0.clone(), &provider),
        thumbprints: thumbprints.to_vec(),
        provider: Arc::clone(&provider),
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .ok()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Some(Arc::new(config))
}

/// `None` without authorities.
fn verifier(roots: RootCertStore, provider: &Arc<CryptoProvider>) -> Option<Arc<WebPkiServerVerifier>> {
    WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
        .build()
        .ok()
}

/// Known authorities decide; where they do not know the issuer, a certificate of the chain whose thumbprint the provider
/// was registered with takes their place. Names and times are checked either way.
#[derive(Debug)]
struct Verifier {
    known: Option<Arc<WebPkiServerVerifier>>,
    thumbprints: Vec<String>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn is_pinned(&self, certificate: &CertificateDer<'_>) -> bool {
        let thumbprint = thumbprint(certificate);
        self.thumbprints
            .iter()
            .any(|known| known.eq_ignore_ascii_case(&thumbprint))
    }
}

fn thumbprint(certificate: &CertificateDer<'_>) -> String {
    Sha1::digest(certificate.as_ref())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            // Writing into a String cannot fail.
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let by = |verifier: &WebPkiServerVerifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        };
        let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let refused = match self.known.as_deref().map(by) {
            Some(Ok(verified)) => return Ok(verified),
            Some(Err(error)) => error,
            None => unknown,
        };
        let chain = std::iter::once(end_entity).chain(intermediates);
        let Some(pinned) = chain.into_iter().find(|certificate| self.is_pinned(certificate)) else {
            return Err(refused);
        };
        let mut roots = RootCertStore::empty();
        roots.add(pinned.clone().into_owned())?;
        match verifier(roots, &self.provider).as_deref().map(by) {
            Some(Ok(verified)) => Ok(verified),
            // The pinned certificate is the server's own: nobody else has to vouch for it. That it signed itself as an
            // authority, or that its issuer is unknown, is found out after its times were checked.
            Some(Err(Error::InvalidCertificate(
                CertificateError::Other(_) | CertificateError::UnknownIssuer,
            ))) if pinned == end_entity => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            Some(Err(error)) => Err(error),
            None => Err(refused),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

//! What a SAML provider says of itself: read far enough to know that it is such a document.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use roxmltree::{Document, Node};

use super::credential_errors::CredentialError;
use super::x509::Certificate;

const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
const SIGNATURE: &str = "http://www.w3.org/2000/09/xmldsig#";

/// Refuses what is no metadata of a provider. Documents with a DTD are refused too: nothing in them is expanded.
pub(super) fn check(text: &str) -> Result<(), CredentialError> {
    let document = Document::parse(text).map_err(|_| CredentialError::SamlMetadata)?;
    let root = document.root_element();
    let is_metadata = is(root, METADATA, "EntityDescriptor") || is(root, METADATA, "EntitiesDescriptor");
    let mut certificates = root
        .descendants()
        .filter(|node| is(*node, SIGNATURE, "X509Certificate"));
    if !is_metadata || !certificates.all(holds_certificate) {
        return Err(CredentialError::SamlMetadata);
    }
    let has_issuer = root
        .descendants()
        .any(|node| is(node, METADATA, "IDPSSODescriptor"));
    if has_issuer {
        Ok(())
    } else {
        Err(CredentialError::NoSamlIssuer)
    }
}

fn is(node: Node<'_, '_>, namespace: &str, name: &str) -> bool {
    node.has_tag_name((namespace, name))
}

fn holds_certificate(node: Node<'_, '_>) -> bool {
    let letters: String = node.text().unwrap_or_default().split_whitespace().collect();
    let der = STANDARD.decode(letters).ok();
    der.is_some_and(|der| Certificate::of_der(&der).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entity(inside: &str) -> String {
        format!(
            r#"<EntityDescriptor xmlns="{METADATA}" entityID="https://idp.example.com/">{inside}</EntityDescriptor>"#
        )
    }

    #[test]
    fn an_issuer_is_asked_for_and_nothing_is_expanded() {
        assert_eq!(check(&entity("<IDPSSODescriptor/>")), Ok(()));
        let many = format!(
            r#"<EntitiesDescriptor xmlns="{METADATA}">{}</EntitiesDescriptor>"#,
            entity("<IDPSSODescriptor/>")
        );
        assert_eq!(check(&many), Ok(()));
        assert_eq!(
            check(&entity("<SPSSODescriptor/>")),
            Err(CredentialError::NoSamlIssuer)
        );
        let key = format!(
            r#"<IDPSSODescriptor><X509Certificate xmlns="{SIGNATURE}">aaaa</X509Certificate></IDPSSODescriptor>"#
        );
        let with_dtd = format!(
            "<!DOCTYPE x [<!ENTITY a \"b\">]>{}",
            entity("<IDPSSODescriptor/>")
        );
        let elsewhere = entity("<IDPSSODescriptor/>").replace("metadata", "protocol");
        for text in ["", "{}", "<html/>", &entity(&key), &with_dtd, &elsewhere] {
            assert_eq!(check(text), Err(CredentialError::SamlMetadata), "{text}");
        }
    }
}

//! The container instance's own credentials: given, or in a file that something else keeps fresh (agent.md 7).

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use portcullis_core::{Secret, Timestamp};
use serde_json::Value;
use tokio::sync::Notify;

use crate::{AgentError, CredentialsSource, InstanceCredentials};

const FILE_AGE_MAX: Duration = Duration::from_secs(60);

/// Hands out the newest credentials.
#[derive(Debug)]
pub(crate) struct InstanceCredentialsProvider {
    source: CredentialsSource,
    last: Mutex<(InstanceCredentials, Instant)>,
    /// When the last ones end, where their source says so.
    expires: Mutex<Option<Timestamp>>,
    /// Told when they are replaced.
    renewed: Notify,
}

impl InstanceCredentialsProvider {
    /// Reads them once, so that a wrong setting is found at the start.
    pub(crate) fn new(source: CredentialsSource) -> Result<Self, AgentError> {
        let (first, expires) = read(&source)?;
        Ok(Self {
            source,
            last: Mutex::new((first, Instant::now())),
            expires: Mutex::new(expires),
            renewed: Notify::new(),
        })
    }

    /// The credentials to sign with now. A file that cannot be read at the moment leaves the last ones in use.
    pub(crate) fn current(&self) -> InstanceCredentials {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.source, CredentialsSource::File(_)) && last.1.elapsed() >= FILE_AGE_MAX {
            last.1 = Instant::now();
            match read(&self.source) {
                Ok((fresh, expires)) => {
                    last.0 = fresh;
                    *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = expires;
                }
                Err(error) => tracing::warn!(%error, "keeping the credentials read before"),
            }
        }
        last.0.clone()
    }

    /// Puts newer credentials in the place of the last ones.
    pub(crate) fn replace(&self, keys: InstanceCredentials, expires: Timestamp) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (keys, Instant::now());
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner) = Some(expires);
        self.renewed.notify_waiters();
    }

    /// Resolves when they are replaced next.
    pub(crate) async fn replaced(&self) {
        self.renewed.notified().await;
    }

    /// When the credentials end that [`Self::current`] gave last; nobody says so of given ones.
    pub(crate) fn expires(&self) -> Option<Timestamp> {
        *self.expires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Found = (InstanceCredentials, Option<Timestamp>);

fn read(source: &CredentialsSource) -> Result<Found, AgentError> {
    match source {
        CredentialsSource::Static(credentials) => Ok((credentials.clone(), None)),
        CredentialsSource::File(path) => read_file(path),
        // Come over the network, before anything is signed.
        CredentialsSource::Activation(_) => Ok((InstanceCredentials::none(), None)),
    }
}

fn read_file(path: &Path) -> Result<Found, AgentError> {
    let problem = |what: &str| AgentError::Credentials(format!("{}: {what}", path.display()));
    let text = fs::read_to_string(path).map_err(|error| problem(&error.to_string()))?;
    let found = if text.trim_start().starts_with('{') {
        from_json(&text)
    } else {
        from_profile(&text)
    };
    found.ok_or_else(|| problem("neither credentials JSON nor a [default] section with aws_access_key_id and aws_secret_access_key"))
}

fn from_json(text: &str) -> Option<Found> {
    let value: Value = serde_json::from_str(text).ok()?;
    let member = |name: &str| Some(value.get(name)?.as_str()?.to_owned());
    let keys = InstanceCredentials {
        access_key_id: member("AccessKeyId")?,
        secret_access_key: Secret::new(member("SecretAccessKey")?),
        session_token: member("Token")
            .or_else(|| member("SessionToken"))
            .map(Secret::new),
    };
    Some((keys, member("Expiration").and_then(|end| end.parse().ok())))
}

fn from_profile(text: &str) -> Option<Found> {
    let section = text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[default]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let settings: Vec<_> = section.filter_map(|line| line.split_once('=')).collect();
    let setting = |name: &str| {
        let found = settings.iter().find(|(key, _)| key.trim() == name)?;
        Some(found.1.trim().to_owned())
    };
    let keys = InstanceCredentials {
        access_key_id: setting("aws_access_key_id")?,
        secret_access_key: Secret::new(setting("aws_secret_access_key")?),
        session_token: setting("aws_session_token").map(Secret::new),
    };
    Some((keys, None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_file_formats_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("credentials");
        let cases = [
            (
                r#"{"AccessKeyId":"AK","SecretAccessKey":"sk","Token":"tok","Expiration":"2026-11-22T05:00:00Z"}"#,
                Some("tok"),
            ),
            (r#"{"AccessKeyId":"AK","SecretAccessKey":"sk"}"#, None),
            (
                "[other]\naws_access_key_id=no\n[default]\naws_access_key_id = AK\naws_secret_access_key=sk\naws_session_token = tok\n[x]\n",
                Some("tok"),
            ),
        ];
        for (text, token) in cases {
            fs::write(&path, text).unwrap();
            let (found, expires) = read_file(&path).unwrap();
            assert_eq!(expires.is_some(), text.contains("Expiration"));
            assert_eq!(
                (found.access_key_id.as_str(), found.secret_access_key.expose()),
                ("AK", "sk"),
                "{text}"
            );
            assert_eq!(found.session_token.as_ref().map(Secret::expose), token);
        }
        for text in ["", "{}", "[default]\naws_access_key_id=AK\n"] {
            fs::write(&path, text).unwrap();
            let error = read_file(&path).unwrap_err().to_string();
            assert!(error.contains("neither credentials JSON"), "{error}");
        }
    }
}

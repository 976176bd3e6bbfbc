//! A certificate from an ACME authority (RFC 8555), such as Let's Encrypt, by the http-01 challenge. The protocol is the kept
//! crate's; where answers are put and files are written is the caller's.

use std::path::{Path, PathBuf};
use std::time::Duration;

use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;

/// Names in one order: Let's Encrypt takes no more.
const MOST_NAMES: usize = 100;
/// Orders that are begun anew over a stale nonce, the first included.
const TRIES: u32 = 4;

/// Why no certificate was obtained.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ObtainError {
    /// The terms of the authority are for a person to accept.
    #[error("order a certificate: read the terms of the authority and agree to them first")]
    Terms,
    /// Nothing, or too much, to order.
    #[error("order a certificate: give 1 to {MOST_NAMES} names")]
    Names,
    /// What was kept of the account is not that.
    #[error("read the account kept from earlier orders; delete its file to make a new one")]
    Account(#[source] serde_json::Error),
    /// The authority refused, or cannot be reached.
    #[error("order a certificate")]
    Authority(#[source] instant_acme::Error),
    /// The authority wants something else than a file served over http.
    #[error("prove to hold {name}: the authority offers no http-01 challenge; wildcards need another client")]
    Challenge {
        /// The name.
        name: String,
    },
    /// The answer could not be put where the authority looks.
    #[error("put the answer for {name} below {path}; can this user write there?", path = path.display())]
    Answer {
        /// The name.
        name: String,
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The authority looked and did not see the answer.
    #[error(
        "prove to hold {names}: the authority did not see the answer; is /.well-known/acme-challenge/ of each name served \
         from the folder given, on port 80, from outside?"
    )]
    NotProven {
        /// The names.
        names: String,
        /// What the authority said.
        #[source]
        source: Option<instant_acme::Error>,
    },
    /// It took too long.
    #[error("order a certificate within {seconds} s; try again, the account is kept")]
    Timeout {
        /// The time allowed.
        seconds: u64,
    },
}

/// An order.
#[derive(Debug)]
#[non_exhaustive]
pub struct AcmeOrder {
    /// The directory of the authority.
    pub directory: String,
    /// The names, the main one first.
    pub names: Vec<String>,
    /// The folder that is served at `/` of every name over plain http; answers go below `.well-known/acme-challenge`.
    pub webroot: PathBuf,
    /// `mailto:` addresses for the authority's warnings.
    pub contact: Vec<String>,
    /// Whether somebody read the terms of the authority and agrees.
    pub agreed_to_terms: bool,
    /// What [`Obtained::account`] was the last time.
    pub account: Option<SecretString>,
    /// A certificate authority that signs the directory's own certificate, when the system does not know it.
    pub directory_authority: Option<PathBuf>,
    /// For everything.
    pub timeout: Duration,
}

impl AcmeOrder {
    /// An order at this directory; 3 minutes in all.
    pub fn new<N: Into<String>>(
        directory: impl Into<String>,
        names: impl IntoIterator<Item = N>,
        webroot: impl Into<PathBuf>,
    ) -> Self {
        Self {
            directory: directory.into(),
            names: names.into_iter().map(Into::into).collect(),
            webroot: webroot.into(),
            contact: Vec::new(),
            agreed_to_terms: false,
            account: None,
            directory_authority: None,
            timeout: Duration::from_secs(180),
        }
    }
}

/// What came of an order.
#[derive(Debug)]
#[non_exhaustive]
pub struct Obtained {
    /// The certificate with its chain, PEM.
    pub chain_pem: String,
    /// Its private key, PEM: made here, seen by nobody else.
    pub key_pem: SecretString,
    /// The account for the next order, as JSON. It holds a private key.
    pub account: SecretString,
}

/// Orders a certificate, proves to hold its names, and fetches it. What was put into the webroot is taken away again.
///
/// # Errors
/// See [`ObtainError`]. Nothing but the account is left at the authority.
pub async fn obtain_certificate(order: &AcmeOrder) -> Result<Obtained, ObtainError> {
    if !order.agreed_to_terms {
        return Err(ObtainError::Terms);
    }
    if order.names.is_empty() || order.names.len() > MOST_NAMES {
        return Err(ObtainError::Names);
    }
    let seconds = order.timeout.as_secs();
    let mut put = Vec::new();
    let done = tokio::time::timeout(order.timeout, obtain_patiently(order, &mut put)).await;
    for path in put {
        let _best_effort = tokio::fs::remove_file(path).await;
    }
    done.map_err(|_elapsed| ObtainError::Timeout { seconds })?
}

/// An authority may take a nonce of its own for stale as often as it likes, and the client is to try again (RFC 8555, 6.5). The
/// library gives up after some tries of one request.
async fn obtain_patiently(order: &AcmeOrder, put: &mut Vec<PathBuf>) -> Result<Obtained, ObtainError> {
    for _ in 1..TRIES {
        match obtain(order, put).await {
            Err(error) if is_stale_nonce(&error) => {}
            ended => return ended,
        }
    }
    obtain(order, put).await
}

fn is_stale_nonce(error: &ObtainError) -> bool {
    let (ObtainError::Authority(instant_acme::Error::Api(problem))
    | ObtainError::NotProven { source: Some(instant_acme::Error::Api(problem)), .. }) = error
    else {
        return false;
    };
    problem.r#type.as_deref() == Some("urn:ietf:params:acme:error:badNonce")
}

async fn obtain(order: &AcmeOrder, put: &mut Vec<PathBuf>) -> Result<Obtained, ObtainError> {
    let (account, kept) = account(order).await?;
    let identifiers: Vec<Identifier> = order.names.iter().cloned().map(Identifier::Dns).collect();
    let mut placed = account.new_order(&NewOrder::new(&identifiers)).await.map_err(ObtainError::Authority)?;
    answer(order, &mut placed, put).await?;
    let not_proven = |source| ObtainError::NotProven { names: order.names.join(", "), source };
    match placed.poll_ready(&patience(order)).await {
        Ok(OrderStatus::Ready) => {}
        Ok(_) => return Err(not_proven(None)),
        Err(error @ instant_acme::Error::Api(_)) => return Err(not_proven(Some(error))),
        Err(error) => return Err(ObtainError::Authority(error)),
    }
    let key_pem = SecretString::from(placed.finalize().await.map_err(ObtainError::Authority)?);
    let chain_pem = placed.poll_certificate(&patience(order)).await.map_err(ObtainError::Authority)?;
    Ok(Obtained { chain_pem, key_pem, account: kept })
}

fn patience(order: &AcmeOrder) -> RetryPolicy {
    RetryPolicy::default().timeout(order.timeout)
}

async fn account(order: &AcmeOrder) -> Result<(Account, SecretString), ObtainError> {
    let builder = match &order.directory_authority {
        Some(path) => Account::builder_with_root(path),
        None => Account::builder(),
    };
    let builder = builder.map_err(ObtainError::Authority)?;
    if let Some(kept) = &order.account {
        let credentials: AccountCredentials =
            serde_json::from_str(kept.expose_secret()).map_err(ObtainError::Account)?;
        let account = builder.from_credentials(credentials).await.map_err(ObtainError::Authority)?;
        return Ok((account, kept.clone()));
    }
    let contact: Vec<&str> = order.contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let (account, credentials) =
        builder.create(&new, order.directory.clone(), None).await.map_err(ObtainError::Authority)?;
    let kept = serde_json::to_string(&credentials).map_err(ObtainError::Account)?;
    Ok((account, kept.into()))
}

/// Puts each answer where the authority looks, and tells it to.
async fn answer(order: &AcmeOrder, placed: &mut Order, put: &mut Vec<PathBuf>) -> Result<(), ObtainError> {
    let folder = order.webroot.join(".well-known").join("acme-challenge");
    let mut authorizations = placed.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.map_err(ObtainError::Authority)?;
        let name = authorization.identifier().to_string();
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(ChallengeType::Http01) else {
            return Err(ObtainError::Challenge { name });
        };
        let fail = |source| ObtainError::Answer { name: name.clone(), path: folder.clone(), source };
        let path = file_of(&folder, &challenge.token)
            .ok_or_else(|| fail(std::io::ErrorKind::InvalidInput.into()))?;
        tokio::fs::create_dir_all(&folder).await.map_err(fail)?;
        put.push(path.clone());
        tokio::fs::write(&path, challenge.key_authorization().as_str()).await.map_err(fail)?;
        challenge.set_ready().await.map_err(ObtainError::Authority)?;
    }
    Ok(())
}

/// The token is the authority's to choose: it names a file in this folder and nothing else.
fn file_of(folder: &Path, token: &str) -> Option<PathBuf> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    ((1..=256).contains(&token.len()) && token.bytes().all(is_plain)).then(|| folder.join(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_a_file_in_the_folder_and_nothing_else() {
        let folder = Path::new("/srv/acme");
        assert_eq!(file_of(folder, "Abc-_9"), Some(folder.join("Abc-_9")));
        for token in ["", "../x", "a/b", "a.b", "/etc/passwd", "a\0", &"a".repeat(257)] {
            assert_eq!(file_of(folder, token), None, "{token:?}");
        }
    }
}

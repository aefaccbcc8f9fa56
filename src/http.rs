//! The one HTTP client: models, the git transport and forges share its trust, proxies and pool.
//! Knows nothing of what is sent; never retries and never follows a redirect, because a credential may be on it.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// How long a TCP and TLS handshake may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// A client that trusts the machine's authorities, the public web's and those of `ca_files` (PEM), takes its
/// proxies from `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, and follows no redirect.
///
/// Building costs well under a millisecond: only `ca_files` are read now, so that a bad one is named before the run
/// begins. The other roots (some 150, read from the machine's store) wait for the first TLS handshake, which a run
/// on a recording or on loopback never makes.
///
/// # Errors
/// Names every file of `ca_files` that cannot be read or holds no certificate.
pub(crate) fn client(ca_files: &[PathBuf]) -> anyhow::Result<reqwest::Client> {
    build(ca_files, reqwest::Client::builder())
}

/// The same client without proxies, so that tests on loopback do not depend on the environment.
#[cfg(test)]
pub(crate) fn direct(ca_files: &[PathBuf]) -> anyhow::Result<reqwest::Client> {
    build(ca_files, reqwest::Client::builder().no_proxy())
}

fn build(ca_files: &[PathBuf], builder: reqwest::ClientBuilder) -> anyhow::Result<reqwest::Client> {
    let provider = Arc::new(ring::default_provider());
    let verifier = LazyVerifier {
        extra: read_authorities(ca_files)?,
        provider: Arc::clone(&provider),
        inner: OnceLock::new(),
    };
    let mut tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .context("TLS could not be set up")?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    builder
        .tls_backend_preconfigured(tls)
        .user_agent(concat!("pace/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .context("the HTTP client could not be set up")
}

fn read_authorities(files: &[PathBuf]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let mut certificates = Vec::new();
    let mut problems = Vec::new();
    for file in files {
        let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match read {
            Ok(found) if found.is_empty() => {
                problems.push(format!(
                    "{}: holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
                    file.display()
                ));
            }
            Ok(found) => certificates.extend(found),
            Err(error) => {
                problems.push(format!("{}: not readable as PEM certificates: {error}", file.display()))
            }
        }
    }
    if !problems.is_empty() {
        bail!(problems.join("\n"));
    }
    Ok(certificates)
}

/// The usual verification of a server's certificate, with roots that are loaded when the first server shows one.
struct LazyVerifier {
    extra: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
    inner: OnceLock<Result<Arc<WebPkiServerVerifier>, String>>,
}

impl LazyVerifier {
    fn inner(&self) -> Result<&WebPkiServerVerifier, rustls::Error> {
        self.inner
            .get_or_init(|| self.load())
            .as_ref()
            .map(AsRef::as_ref)
            .map_err(|problem| rustls::Error::General(problem.clone()))
    }

    /// The union of three sources: images without a certificate folder still reach public hosts, and an
    /// `SSL_CERT_FILE` that names one private authority does not take the public ones away.
    fn load(&self) -> Result<Arc<WebPkiServerVerifier>, String> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let native = rustls_native_certs::load_native_certs();
        for problem in &native.errors {
            tracing::debug!("certificate store of this machine: {problem}");
        }
        // Stores hold certificates that no TLS library accepts; they must not take the good ones along.
        roots.add_parsable_certificates(native.certs);
        for certificate in &self.extra {
            roots
                .add(certificate.clone())
                .map_err(|error| format!("an extra certificate authority is unusable: {error}"))?;
        }
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&self.provider))
            .build()
            .map_err(|error| format!("no certificate can be verified: {error}"))
    }
}

impl fmt::Debug for LazyVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LazyVerifier")
            .field("extra", &self.extra.len())
            .field("loaded", &self.inner.get().is_some())
            .finish_non_exhaustive()
    }
}

impl ServerCertVerifier for LazyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a server's certificate was refused, where that is what stopped `error`. Asking again cannot help then.
pub(crate) fn certificate_problem(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
                    Some("its certificate comes from an authority that this machine does not know".to_owned())
                }
                rustls::Error::InvalidCertificate(problem) => {
                    Some(format!("its certificate is refused: {problem}"))
                }
                _ => None,
            };
        }
        // An io::Error does not show the error it wraps as its source.
        next = match current.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_authority_file_is_named_and_all_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "not a certificate\n").unwrap();
        let absent = dir.path().join("absent.pem");
        let error = client(&[empty.clone(), absent.clone()]).unwrap_err().to_string();
        assert!(error.contains(&empty.display().to_string()), "{error}");
        assert!(error.contains("holds no certificate in PEM form"), "{error}");
        assert!(error.contains(&absent.display().to_string()), "{error}");
    }

    #[test]
    fn building_loads_no_roots() {
        let verifier = LazyVerifier {
            extra: Vec::new(),
            provider: Arc::new(ring::default_provider()),
            inner: OnceLock::new(),
        };
        assert!(format!("{verifier:?}").contains("loaded: false"));
        assert!(verifier.inner().is_ok());
        assert!(format!("{verifier:?}").contains("loaded: true"));
    }
}

//! Git's smart HTTP protocol for libgit2 on the shared client: one GET or POST per service, credentials in a header
//! only. Knows no repository and no branch.
//!
//! libgit2 creates transports through a process-wide registry and hands them nothing but the URL, so the
//! [`Session`] travels in a thread-local: libgit2 works on the thread that called it.

use std::cell::RefCell;
use std::io::{self, Cursor, Read, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use git2::transport::{Service, SmartSubtransport, SmartSubtransportStream, Transport};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, DATE, HeaderValue, LOCATION};
use reqwest::{Body, Response};
use tempfile::{SpooledData, SpooledTempFile};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::timeout;
use url::Url;

use super::refusal::{Refusal, plain};
use super::remote::Credential;

/// A request body beyond this many bytes waits in a temporary file, not in memory.
const IN_MEMORY: usize = 1024 * 1024;
/// Longest wait for the head of an answer; a server may run its hooks before it answers a push.
const HEAD_WAIT: Duration = Duration::from_secs(300);
/// Longest silence within an answer.
const CHUNK_WAIT: Duration = Duration::from_secs(120);
/// Longest request as a whole, above whatever the shared client allows a model call.
const TOTAL: Duration = Duration::from_secs(3600);

/// Bytes of an answer at most: of a list of references or a report, which libgit2 keeps in memory, and of a pack, which goes
/// to disk. A server that never stops sending is none.
const LARGEST_LIST: u64 = 128 << 20;
const LARGEST_PACK: u64 = 32 << 30;

thread_local! {
    static SESSION: RefCell<Option<Session>> = const { RefCell::new(None) };
}

/// What one connection needs, and what became of it.
#[derive(Debug, Clone)]
pub(super) struct Session {
    http: reqwest::Client,
    runtime: tokio::runtime::Handle,
    credential: Option<Credential>,
    refusal: Arc<Mutex<Option<Refusal>>>,
    server_time: Arc<Mutex<Option<i64>>>,
}

impl Session {
    pub(super) fn new(
        http: reqwest::Client,
        runtime: tokio::runtime::Handle,
        credential: Option<Credential>,
    ) -> Self {
        Self { http, runtime, credential, refusal: Arc::default(), server_time: Arc::default() }
    }

    /// Where the server's own time goes (its `Date` header, seconds since 1970) once it has answered.
    pub(super) fn server_time(&self) -> Arc<Mutex<Option<i64>>> {
        Arc::clone(&self.server_time)
    }

    /// Runs libgit2 calls that may connect; the refusal is the reason behind an error of theirs.
    pub(super) fn run<T>(self, work: impl FnOnce() -> T) -> (T, Option<Refusal>) {
        let refusal = Arc::clone(&self.refusal);
        let before = SESSION.replace(Some(self));
        let result = work();
        SESSION.set(before);
        let refusal = refusal.lock().unwrap_or_else(PoisonError::into_inner).take();
        (result, refusal)
    }

    fn refuse(&self, refusal: Refusal) -> io::Error {
        let error = io::Error::other(refusal.text().to_owned());
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        error
    }
}

/// The factory for libgit2's registry.
pub(super) fn create(remote: &git2::Remote<'_>) -> Result<Transport, git2::Error> {
    let session = SESSION.with_borrow(Clone::clone);
    let session = session.ok_or_else(|| git2::Error::from_str("no session for an HTTP remote"))?;
    Transport::smart(remote, true, Subtransport(session))
}

struct Subtransport(Session);

impl SmartSubtransport for Subtransport {
    fn action(&self, url: &str, service: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        let (path, name, post) = match service {
            Service::UploadPackLs => ("info/refs?service=git-upload-pack", "git-upload-pack", false),
            Service::UploadPack => ("git-upload-pack", "git-upload-pack", true),
            Service::ReceivePackLs => ("info/refs?service=git-receive-pack", "git-receive-pack", false),
            Service::ReceivePack => ("git-receive-pack", "git-receive-pack", true),
        };
        let url = Url::parse(&format!("{}/{path}", url.trim_end_matches('/')))
            .map_err(|_| git2::Error::from_str("the remote's URL is not valid"))?;
        Ok(Box::new(Exchange {
            session: self.0.clone(),
            url,
            name,
            post,
            request: SpooledTempFile::new(IN_MEMORY),
            answer: None,
            taken: 0,
            chunk: Cursor::default(),
        }))
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// One request and its answer: what is written is collected, the first read sends it.
struct Exchange {
    session: Session,
    url: Url,
    name: &'static str,
    post: bool,
    request: SpooledTempFile,
    answer: Option<Response>,
    /// Bytes of the answer so far.
    taken: u64,
    chunk: Cursor<Vec<u8>>,
}

impl Write for Exchange {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.request.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for Exchange {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let runtime = self.session.runtime.clone();
        if self.answer.is_none() {
            let answer = runtime.block_on(self.send()).map_err(|refusal| self.session.refuse(refusal))?;
            self.answer = Some(answer);
        }
        loop {
            let count = Read::read(&mut self.chunk, buffer)?;
            let Some(answer) = self.answer.as_mut().filter(|_| count == 0) else {
                return Ok(count);
            };
            match runtime.block_on(timeout(CHUNK_WAIT, answer.chunk())) {
                Ok(Ok(Some(bytes))) => {
                    self.taken += bytes.len() as u64;
                    self.chunk = Cursor::new(bytes.to_vec());
                    if self.taken > self.most() {
                        return Err(self.session.refuse(endless(&self.url, self.most())));
                    }
                }
                Ok(Ok(None)) => return Ok(0),
                Ok(Err(error)) => return Err(self.session.refuse(network(&self.url, error))),
                Err(_) => return Err(self.session.refuse(silence(&self.url, CHUNK_WAIT))),
            }
        }
    }
}

impl Exchange {
    fn most(&self) -> u64 {
        if self.post && self.name == "git-upload-pack" { LARGEST_PACK } else { LARGEST_LIST }
    }

    async fn send(&mut self) -> Result<Response, Refusal> {
        let (kind, mut request) = if self.post {
            let (length, body) = self.body().await.map_err(|error| Refusal::Network(error.to_string()))?;
            let request = self.session.http.post(self.url.clone()).body(body);
            let request = request.header(CONTENT_LENGTH, length);
            ("result", request.header(CONTENT_TYPE, format!("application/x-{}-request", self.name)))
        } else {
            ("advertisement", self.session.http.get(self.url.clone()))
        };
        let expected = format!("application/x-{}-{kind}", self.name);
        request = request.header(ACCEPT, &expected).timeout(TOTAL);
        if let Some(header) = self.authorization() {
            request = request.header(AUTHORIZATION, header);
        }
        let answer = match timeout(HEAD_WAIT, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(network(&self.url, error)),
            Err(_) => return Err(silence(&self.url, HEAD_WAIT)),
        };
        let date = answer.headers().get(DATE).and_then(|date| date.to_str().ok()).and_then(seconds);
        if date.is_some() {
            *self.session.server_time.lock().unwrap_or_else(PoisonError::into_inner) = date;
        }
        self.judge(answer, &expected).await
    }

    fn authorization(&self) -> Option<HeaderValue> {
        let credential = self.session.credential.as_ref()?;
        let mut header = HeaderValue::from_str(credential.header.expose()).ok()?;
        header.set_sensitive(true);
        credential.covers(&self.url).then_some(header)
    }

    /// The collected request with its length; a large one is read from disk while it is sent.
    async fn body(&mut self) -> io::Result<(u64, Body)> {
        let collected = std::mem::replace(&mut self.request, SpooledTempFile::new(IN_MEMORY));
        match collected.into_inner() {
            SpooledData::InMemory(bytes) => {
                let bytes = bytes.into_inner();
                Ok((bytes.len() as u64, Body::from(bytes)))
            }
            SpooledData::OnDisk(file) => {
                let mut file = tokio::fs::File::from_std(file);
                let length = file.metadata().await?.len();
                file.seek(SeekFrom::Start(0)).await?;
                let chunks = futures_util::stream::try_unfold(file, |mut file| async move {
                    let mut chunk = vec![0; 64 * 1024];
                    let count = file.read(&mut chunk).await?;
                    chunk.truncate(count);
                    Ok::<_, io::Error>((count > 0).then_some((chunk, file)))
                });
                Ok((length, Body::wrap_stream(chunks)))
            }
        }
    }

    /// Lets a good answer through and puts a name on every other.
    async fn judge(&self, answer: Response, expected: &str) -> Result<Response, Refusal> {
        let host = self.url.host_str().unwrap_or_default();
        let status = answer.status();
        if status.is_redirection() || answer.url().origin() != self.url.origin() {
            let to = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok());
            let to = to.and_then(|to| self.url.join(to).ok()).unwrap_or_else(|| answer.url().clone());
            return Err(Refusal::Access(format!(
                "{host} redirects to {}{}; give the remote its final URL",
                to.host_str().unwrap_or("another place"),
                to.path()
            )));
        }
        if status.is_success() {
            let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            if kind.is_some_and(|kind| kind.eq_ignore_ascii_case(expected)) {
                return Ok(answer);
            }
            return Err(Refusal::Access(format!(
                "{host} does not answer as a git server at {} (smart HTTP); check the remote's URL",
                self.repository()
            )));
        }
        let said = self.said(answer).await;
        let sent = self.session.credential.as_ref().filter(|_| self.authorization().is_some());
        let user = sent.map(|credential| credential.user.as_str());
        Err(Refusal::of_status(status.as_u16(), host, self.repository(), user, &said))
    }

    /// Path of the repository, without the service's part.
    fn repository(&self) -> &str {
        let path = self.url.path();
        let service = if self.post { self.name } else { "info/refs" };
        path.strip_suffix(service).unwrap_or(path).trim_end_matches('/')
    }

    /// The first line that the server said in plain text, if any, without the token.
    async fn said(&self, mut answer: Response) -> String {
        let kind = answer.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if !kind.is_some_and(|kind| kind.starts_with("text/plain")) {
            return String::new();
        }
        let chunk = timeout(CHUNK_WAIT, answer.chunk()).await.ok().and_then(Result::ok).flatten();
        let text = chunk.map(|chunk| String::from_utf8_lossy(&chunk).into_owned()).unwrap_or_default();
        let token = self.session.credential.as_ref().map(|credential| credential.token.expose());
        let line = plain(text.lines().next().unwrap_or_default(), token);
        if line.is_empty() { line } else { format!(": {line}") }
    }
}

/// Seconds since 1970 of an HTTP date (RFC 9110, 5.6.7).
fn seconds(date: &str) -> Option<i64> {
    let parser = jiff::fmt::rfc2822::DateTimeParser::new();
    parser.parse_timestamp(date).ok().map(jiff::Timestamp::as_second)
}

fn network(url: &Url, error: reqwest::Error) -> Refusal {
    let error = anyhow::Error::new(error.without_url());
    Refusal::Network(format!("{} cannot be reached: {error:#}", url.host_str().unwrap_or_default()))
}

fn silence(url: &Url, waited: Duration) -> Refusal {
    let host = url.host_str().unwrap_or_default();
    Refusal::Network(format!("{host} was silent for {} s", waited.as_secs()))
}

fn endless(url: &Url, most: u64) -> Refusal {
    let host = url.host_str().unwrap_or_default();
    Refusal::Network(format!("{host} sent more than {} MiB, which no answer of a git server is", most >> 20))
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_http_date_is_read() {
        assert_eq!(super::seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(super::seconds("yesterday"), None);
    }
}

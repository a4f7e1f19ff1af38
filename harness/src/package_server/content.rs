//! What is true: tiny_http on a unix socket, in a directory that only this user can enter.
//!
//! It speaks well-formed HTTP and nothing else, and only the gate speaks to it: one request a
//! connection, two at a time, so that none of the ways in which tiny_http can be brought down
//! (threads that starve, heads without end, an accept loop that ends) is open to anybody.

mod directory;
mod truth;

use std::collections::HashMap;
use std::io::{self, Cursor, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tiny_http::{Header, Response, StatusCode};

use self::directory::PrivateDirectory;
use self::truth::truth;
use super::ServerError;

/// How long an answer may take: content is in memory, and on this machine.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// A path that is always there, for probes.
const PROBE: &str = "/probe";

/// Files by their path.
type Files = RwLock<HashMap<String, File>>;

#[derive(Clone, Debug)]
struct File {
    bytes: Bytes,
    etag: String,
}

/// The content server.
#[derive(Debug)]
pub(super) struct Content {
    files: Arc<Files>,
    running: Mutex<Running>,
    /// Dropped last: tiny_http ends its accept thread by connecting to its own socket, which
    /// must still be there.
    directory: PrivateDirectory,
}

struct Running {
    socket: PathBuf,
    server: Arc<tiny_http::Server>,
    thread: Option<JoinHandle<()>>,
    starts: u32,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl Content {
    pub(super) fn start() -> Result<Content, ServerError> {
        let failed = |source: io::Error| ServerError::Content {
            source: source.into(),
        };
        let directory = PrivateDirectory::make(&std::env::temp_dir()).map_err(failed)?;
        let files = Arc::new(Files::default());
        let probe = File::of(Bytes::from_static(b"alive"));
        if let Ok(mut files) = files.write() {
            files.insert(PROBE.to_owned(), probe);
        }
        let running = Running::start(directory.path(), 1, &files)?;
        Ok(Content {
            directory,
            files,
            running: Mutex::new(running),
        })
    }

    /// Where the gate reaches it.
    pub(super) fn socket(&self) -> PathBuf {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .socket
            .clone()
    }

    /// Puts a file at a path.
    pub(super) fn put(&self, path: String, bytes: Bytes) {
        let file = File::of(bytes);
        self.files
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path, file);
    }

    /// Takes away all files below a path.
    pub(super) fn remove_below(&self, prefix: &str) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        files.retain(|path, _| !path.starts_with(prefix));
    }

    /// Asks for a file that is always there; starts the server anew where it does not come.
    pub(super) fn probe(&self) -> Result<(), ServerError> {
        if probe(&self.socket()).is_ok() {
            return Ok(());
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let anew = Running::start(self.directory.path(), running.starts + 1, &self.files)?;
        let mut dead = std::mem::replace(&mut *running, anew);
        dead.server.unblock();
        // It does not answer, so it may not end either: its thread is not waited for.
        drop(dead.thread.take());
        Err(ServerError::ContentSilent)
    }
}

impl Drop for Content {
    fn drop(&mut self) {
        let running = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner);
        running.server.unblock();
        if let Some(thread) = running.thread.take() {
            drop(thread.join());
        }
    }
}

impl Running {
    fn start(directory: &Path, starts: u32, files: &Arc<Files>) -> Result<Running, ServerError> {
        let socket = directory.join(format!("content-{starts}"));
        let server = tiny_http::Server::http_unix(&socket)
            .map(Arc::new)
            .map_err(|source| ServerError::Content { source })?;
        let (serving, files) = (Arc::clone(&server), Arc::clone(files));
        let thread = std::thread::Builder::new()
            .name("package-content".to_owned())
            .spawn(move || {
                for request in serving.incoming_requests() {
                    answer(request, &files);
                }
            })
            .map_err(|source| ServerError::Threads { source })?;
        Ok(Running {
            socket,
            server,
            thread: Some(thread),
            starts,
        })
    }
}

impl File {
    fn of(bytes: Bytes) -> File {
        let digest = Sha256::digest(&bytes);
        let etag = digest
            .iter()
            .take(8)
            .fold("\"".to_owned(), |text, byte| format!("{text}{byte:02x}"))
            + "\"";
        File { bytes, etag }
    }
}

fn answer(request: tiny_http::Request, files: &Files) {
    let of = |name: &'static str| {
        let header = request
            .headers()
            .iter()
            .find(|header| header.field.equiv(name));
        header.map(|header| header.value.as_str().to_owned())
    };
    let (range, if_range) = (of("Range"), of("If-Range"));
    let file = files
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .get(request.url())
        .cloned();
    let truth = truth(file.as_ref(), range.as_deref(), if_range.as_deref());
    let length = truth.body.len();
    let headers = truth
        .headers
        .iter()
        .filter_map(|(name, value)| Header::from_bytes(*name, value.as_bytes()).ok())
        .collect();
    let response = Response::new(
        StatusCode(truth.status),
        headers,
        Cursor::new(truth.body),
        Some(length),
        None,
    )
    .with_chunked_threshold(usize::MAX);
    // A gate that has gone away needs no answer, and it is the gate that says so in its record.
    drop(request.respond(response));
}

fn probe(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_WITHIN))?;
    stream.set_write_timeout(Some(ANSWER_WITHIN))?;
    write!(
        stream,
        "GET {PROBE} HTTP/1.1\r\nHost: content\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(4_096).read_to_end(&mut answer)?;
    if answer.starts_with(b"HTTP/1.1 200") && answer.ends_with(b"alive") {
        Ok(())
    } else {
        Err(io::Error::other("the answer to a probe is wrong"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_answers_a_probe_and_is_started_anew_where_it_does_not() {
        let content = Content::start().unwrap();
        content.probe().unwrap();
        content.running.lock().unwrap().server.unblock();
        let dead = content.running.lock().unwrap().thread.take().unwrap();
        dead.join().unwrap();
        let socket = content.socket();
        assert!(matches!(content.probe(), Err(ServerError::ContentSilent)));
        assert_ne!(content.socket(), socket);
        content.probe().unwrap();
    }

    use crate::package_server::{
        Limits, Offer, Options, PackageServer, Seen, ServerReport, Serving,
    };

    fn server() -> (PackageServer, std::sync::mpsc::Receiver<ServerReport>) {
        let options = Options {
            listen: "127.0.0.1:0".parse().unwrap(),
            public_url: None,
            limits: Limits::default(),
        };
        let (events, reports) = std::sync::mpsc::channel();
        (PackageServer::start(options, events).unwrap(), reports)
    }

    fn offer() -> Offer {
        Offer {
            name: "a".to_owned(),
            package: b"0123456789".as_slice().into(),
            others: Default::default(),
            serving: Serving::Honestly,
            seed: 1,
            speed: 1,
        }
    }

    /// Its thread ends, as it would of a panic.
    fn kill(server: &PackageServer) {
        let mut running = server.shared.content.running.lock().unwrap();
        running.server.unblock();
        running.thread.take().unwrap().join().unwrap();
    }

    fn ask(server: &PackageServer, path: &str) -> Vec<u8> {
        let mut stream = std::net::TcpStream::connect(server.local_addr()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        answer
    }

    fn troubles(reports: &std::sync::mpsc::Receiver<ServerReport>) -> Vec<String> {
        let told = reports.try_iter().filter_map(|report| match report.seen {
            Seen::Trouble(trouble) => Some(trouble),
            _ => None,
        });
        told.collect()
    }

    #[test]
    fn a_request_that_finds_it_dead_has_it_started_anew_for_the_next() {
        let (server, _reports) = server();
        let path = server.offer(offer()).unwrap().path;
        kill(&server);
        assert_eq!(ask(&server, &path), b"");
        assert!(ask(&server, &path).ends_with(b"0123456789"));
    }

    #[test]
    fn one_that_died_is_noticed_before_an_offer_and_behind_it() {
        let (server, reports) = server();
        let offered = server.offer(offer()).unwrap();
        assert!(ask(&server, &offered.path).ends_with(b"0123456789"));
        assert_eq!(troubles(&reports), [""; 0]);
        kill(&server);
        server.withdraw(&offered).unwrap();
        let told = troubles(&reports);
        assert_eq!(
            told,
            ["the content server does not answer; it was started anew"]
        );

        kill(&server);
        let offered = server.offer(offer()).unwrap();
        assert_eq!(troubles(&reports).len(), 1);
        assert!(ask(&server, &offered.path).ends_with(b"0123456789"));
        server.withdraw(&offered).unwrap();
        assert_eq!(troubles(&reports), [""; 0]);
    }

    #[test]
    fn nobody_else_can_enter_its_directory_and_it_is_gone_afterwards() {
        use std::os::unix::fs::PermissionsExt;
        let content = Content::start().unwrap();
        let directory = content.directory.path().to_owned();
        let mode = std::fs::metadata(&directory).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        drop(content);
        assert!(!directory.exists());
    }
}

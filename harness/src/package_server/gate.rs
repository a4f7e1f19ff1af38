//! The public port: admits, reads one bounded head, refuses or fetches and plays, records.
//!
//! Each connection is a task of its own. Whatever happens in one, a panic included, the accept
//! loop goes on; nothing of one is seen by another.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::Limits;
use super::admission::{Admission, Admitted};
use super::budget::Budget;
use super::content::Content;
use super::door::Door;
use super::interference::Interference;
use super::record::{ConnectionRecord, Reports, Seen, ServerReport, milliseconds};
use super::standing::Standing;

/// How long the accept loop rests after an error (descriptors are used up, for one).
const REST: Duration = Duration::from_millis(50);
/// How many strangers a minute are told one by one.
const STRANGERS_TOLD: u32 = 60;

/// What all connections share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) limits: Limits,
    pub(super) started: Instant,
    pub(super) door: Door,
    pub(super) interference: Interference,
    pub(super) content: Content,
    /// By path.
    pub(super) offers: Mutex<BTreeMap<String, Arc<Standing>>>,
    pub(super) fetching: Semaphore,
    admission: Mutex<Admission>,
    /// How those that have not asked for anything are told to make room.
    silent: Mutex<HashMap<u64, Arc<Notify>>>,
    next_connection: AtomicU64,
    reports: Reports,
    strangers: Mutex<Strangers>,
    budget: Mutex<Budget>,
}

/// How many strangers were told of.
#[derive(Debug)]
struct Strangers {
    minute: Instant,
    told: u32,
    untold: Untold,
}

/// Strangers that are told as a number.
#[derive(Clone, Copy, Debug, Default)]
struct Untold {
    count: u64,
    turned_away: u64,
}

impl Shared {
    pub(super) fn new(limits: Limits, door: Door, content: Content, reports: Reports) -> Shared {
        let now = Instant::now();
        Shared {
            limits,
            started: now,
            interference: Interference::new(door.address()),
            door,
            content,
            offers: Mutex::default(),
            // tiny_http starves where five come at a time; two are always served.
            fetching: Semaphore::new(2),
            admission: Mutex::new(Admission::new(limits)),
            silent: Mutex::default(),
            next_connection: AtomicU64::new(1),
            reports,
            strangers: Mutex::new(Strangers {
                minute: now,
                told: 0,
                untold: Untold::default(),
            }),
            budget: Mutex::new(Budget::new(limits.bytes_per_day)),
        }
    }

    /// Tells what was seen. Nobody to tell it to means that the run is over.
    pub(super) fn tell(&self, seen: Seen) {
        self.reports.send(ServerReport {
            at: std::time::Instant::now(),
            seen,
        });
    }

    /// Tells of a stranger: one by one while they are few, as a number when they are many.
    fn tell_stranger(&self, why: String, record: ConnectionRecord) {
        let now = Instant::now();
        let more = {
            let mut strangers = self
                .strangers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut more = Untold::default();
            if now - strangers.minute >= Duration::from_secs(60) {
                more = strangers.untold;
                *strangers = Strangers {
                    minute: now,
                    told: 0,
                    untold: Untold::default(),
                };
            }
            if strangers.told >= STRANGERS_TOLD {
                strangers.untold.count += 1;
                strangers.untold.turned_away += u64::from(record.turned_away);
                return;
            }
            strangers.told += 1;
            more
        };
        self.tell_more(more);
        self.tell(Seen::Stranger {
            connection: record.connection,
            why,
            record: Box::new(record),
        });
    }

    /// Tells how many strangers were not told of one by one.
    pub(super) fn tell_untold(&self) {
        let mut strangers = self
            .strangers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let more = std::mem::take(&mut strangers.untold);
        drop(strangers);
        self.tell_more(more);
    }

    fn tell_more(&self, more: Untold) {
        let Untold { count, turned_away } = more;
        if count > 0 {
            self.tell(Seen::MoreStrangers { count, turned_away });
        }
    }

    /// The offer of a path.
    pub(super) fn offer_at(&self, path: &str) -> Option<Arc<Standing>> {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers
            .values()
            .find(|standing| standing.path == path || standing.moved == path)
            .cloned()
    }

    /// The offer whose path is in what was sent, whatever else that is: who knows the path is no
    /// stranger.
    pub(super) fn offer_named_in(&self, head: &[u8]) -> Option<Arc<Standing>> {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        let names = |path: &str| head.windows(path.len()).any(|part| part == path.as_bytes());
        offers
            .values()
            .find(|standing| names(&standing.path))
            .cloned()
    }

    pub(super) fn any_connect_fault(&self) -> Option<(Arc<Standing>, u64, super::NamedPlan)> {
        let offers = self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers.values().find_map(|standing| {
            let (number, plan) = standing.next_connect_fault()?;
            Some((Arc::clone(standing), number, plan))
        })
    }

    /// A connection asked for what is on offer.
    pub(super) fn known(&self, connection: u64) {
        self.silent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&connection);
        self.admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .known(connection);
    }

    /// Whether so many bytes may still be sent today.
    pub(super) fn may_send(&self, bytes: u64) -> bool {
        self.budget().has_room(bytes, self.started.elapsed())
    }

    /// So many bytes were sent; whether more may be.
    pub(super) fn sent(&self, bytes: u64) -> bool {
        self.budget().spend(bytes, self.started.elapsed())
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one whole answer from content. Descriptors that strangers hold come back within
    /// moments, so a want of them is waited out.
    pub(super) async fn fetch(&self, request: &[u8]) -> io::Result<Bytes> {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let _turn = self.fetching.acquire().await.map_err(io::Error::other)?;
        let fetched = async {
            let mut stream = loop {
                match tokio::net::UnixStream::connect(self.content.socket()).await {
                    Err(error) if is_want_of_descriptors(&error) => {
                        tokio::time::sleep(REST).await;
                    }
                    connected => break connected?,
                }
            };
            stream.write_all(request).await?;
            let mut answer = Vec::with_capacity(64 << 10);
            let read = (&mut stream)
                .take(ANSWER_MAX)
                .read_to_end(&mut answer)
                .await?;
            if read as u64 == ANSWER_MAX {
                return Err(io::Error::other("the answer is too large"));
            }
            Ok(Bytes::from(answer))
        };
        tokio::time::timeout(super::content::ANSWER_WITHIN, fetched).await?
    }
}

fn is_want_of_descriptors(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE))
}

/// The largest answer that is taken from content, in bytes.
const ANSWER_MAX: u64 = 16 << 20;

/// Accepts for ever.
pub(super) async fn accept(shared: Arc<Shared>) {
    let mut troubled: Option<Instant> = None;
    loop {
        match shared.door.accept().await {
            Ok((stream, peer)) => {
                if shared.door.is_own(peer) {
                    continue;
                }
                admit(&shared, stream, peer);
            }
            Err(error) => {
                if troubled.is_none_or(|at| at.elapsed() >= Duration::from_secs(60)) {
                    troubled = Some(Instant::now());
                    shared.tell(Seen::Trouble(format!(
                        "the package server cannot accept a connection: {error}"
                    )));
                }
                tokio::time::sleep(REST).await;
            }
        }
    }
}

fn admit(shared: &Arc<Shared>, stream: TcpStream, peer: SocketAddr) {
    let connection = shared.next_connection.fetch_add(1, Ordering::Relaxed);
    let accepted = Instant::now();
    let record = ConnectionRecord {
        connection,
        peer: peer.to_string(),
        accepted_ms: milliseconds(accepted - shared.started),
        ..ConnectionRecord::default()
    };
    let admitted = {
        let mut admission = shared
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        admission.arrive(connection, peer.ip(), accepted - shared.started)
    };
    if let Admitted::No(why) = admitted {
        // Whether it can be reset or not, it is dropped.
        drop(SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
        drop(stream);
        let how = "reset by us, unread".to_owned();
        shared.tell_stranger(
            why.to_owned(),
            ConnectionRecord {
                stranger: true,
                turned_away: true,
                how,
                ..record
            },
        );
        return;
    }
    let room = Arc::new(Notify::new());
    {
        let mut silent = shared.silent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Admitted::InsteadOf(oldest) = admitted
            && let Some(oldest) = silent.remove(&oldest)
        {
            oldest.notify_one();
        }
        silent.insert(connection, Arc::clone(&room));
    }
    let inside = Inside {
        shared: Arc::clone(shared),
        connection,
        peer: peer.ip(),
        record: Some(record),
        accepted,
    };
    tokio::spawn(async move {
        let mut inside = inside;
        super::connection::serve(&mut inside, stream, &room).await;
    });
}

/// A connection that was admitted, until this is dropped.
pub(super) struct Inside {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: u64,
    pub(super) peer: IpAddr,
    /// `None` once it was told.
    record: Option<ConnectionRecord>,
    pub(super) accepted: Instant,
}

impl Inside {
    /// What is known of it so far.
    pub(super) fn record(&mut self) -> &mut ConnectionRecord {
        self.record.get_or_insert_default()
    }

    /// It is over, and how: tells of it.
    pub(super) fn over(&mut self, how: String) {
        let Some(mut record) = self.record.take() else {
            return;
        };
        record.lasted_ms = milliseconds(self.accepted.elapsed());
        record.how.clone_from(&how);
        if record.stranger {
            self.shared.tell_stranger(how, record);
            return;
        }
        self.shared.tell(Seen::Closed {
            connection: record.connection,
            status: record.status,
            acked: record.body_acked,
            sent: record.body_written,
            declared: record.declared,
            honest: record.honest,
            how,
            record: Box::new(record),
        });
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let connection = self.connection;
        if self.record.is_some() && std::thread::panicking() {
            let trouble = format!("the package server broke in connection {connection}");
            self.shared.tell(Seen::Trouble(trouble));
        }
        self.over("ended by the server's own end".to_owned());
        self.shared
            .silent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&connection);
        self.shared
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .leave(connection);
    }
}

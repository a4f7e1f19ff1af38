//! One connection, from its first byte to its record.

use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::answer::{self, Answer, Surroundings};
use super::gate::{Inside, Shared};
use super::playout::{Played, Playout, Watcher};
use super::random::Sequence;
use super::record::{Fired, Seen};
use super::request::{self, HEAD_BYTES_MAX, Refusal, Request};
use super::script::{self, Making, Script};
use super::standing::Standing;
use super::wire_plan::{BodySource, Connect, WirePlan};
use super::{Limits, NamedPlan};

/// How long a peer that is refused may take to take note of it.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);
/// The least time between two reports of progress, unless half a percent has gone in between.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Serves one connection, to its end.
pub(super) async fn serve(inside: &mut Inside, stream: TcpStream, room: &Notify) {
    let shared = Arc::clone(&inside.shared);
    if let Err(error) = stream.set_nodelay(true) {
        inside.record().stranger = true;
        inside.over(format!("given up: {error}"));
        return;
    }
    if let Some((standing, number, named)) = shared.any_connect_fault() {
        fault_at_connect(inside, &stream, number, &named);
        let _connected = standing.connected();
        drop(stream);
        inside.over("ended before a request was read, as planned".to_owned());
        return;
    }
    let received = tokio::select! {
        received = read_head(&stream, shared.limits.head_within) => received,
        () = room.notified() => Err(Unread::MadeRoom),
    };
    let head = match received {
        Ok(head) => head,
        Err(unread) => {
            let record = inside.record();
            record.stranger = true;
            record.turned_away = matches!(unread, Unread::MadeRoom);
            inside.over(unread.text());
            return;
        }
    };
    inside.record().head = escape(&head.bytes);
    let request = match head.refusal {
        Some(refusal) => Err(refusal),
        None => request::parse(&head.bytes),
    };
    let known = match &request {
        Ok(request) => shared.offer_at(&request.path),
        Err(_) => shared.offer_named_in(&head.bytes),
    };
    let Some(standing) = known else {
        inside.record().stranger = true;
        let refusal = request.err().unwrap_or(Refusal {
            status: 404,
            why: "nothing is on offer there",
        });
        refuse(inside, &stream, refusal, None).await;
        return;
    };
    shared.known(inside.connection);
    let connected = standing.connected();
    match request {
        Ok(request) => answer(inside, &stream, &standing, &request).await,
        Err(refusal) => refuse(inside, &stream, refusal, Some(&standing)).await,
    }
    // The record is told before the offer counts this connection as ended.
    drop(connected);
}

/// What is done before a request can be read.
fn fault_at_connect(inside: &mut Inside, stream: &TcpStream, number: u64, named: &NamedPlan) {
    let what = match named.plan.connect {
        // Dropping it without having read anything sends RST all the same where bytes wait, so
        // FIN goes first.
        Some(Connect::Close) => SockRef::from(stream)
            .shutdown(std::net::Shutdown::Both)
            .map(|()| "closed"),
        _ => SockRef::from(stream)
            .set_linger(Some(Duration::ZERO))
            .map(|()| "reset"),
    };
    let Ok(what) = what else { return };
    let connection = inside.connection;
    let record = inside.record();
    record.request = Some(number);
    record.plan = Some(named.name.clone());
    inside.shared.tell(Seen::FaultFired {
        name: named.name.clone(),
        connection: Some(connection),
        at_byte: 0,
        acked: 0,
        text: format!(
            "connection {connection} was {what} when it was accepted, before it could ask"
        ),
    });
}

/// A head, or as much of it as shows that it is none.
struct Received {
    bytes: Vec<u8>,
    refusal: Option<Refusal>,
}

/// Why nothing was read to answer.
enum Unread {
    TooSlow,
    Closed(usize),
    Reset,
    MadeRoom,
}

impl Unread {
    fn text(&self) -> String {
        match self {
            Unread::TooSlow => "no request in time".to_owned(),
            Unread::Closed(bytes) => format!("closed by the peer after {bytes} bytes of a request"),
            Unread::Reset => "reset by the peer before its request".to_owned(),
            Unread::MadeRoom => "silent, and made room for another".to_owned(),
        }
    }
}

async fn read_head(stream: &TcpStream, within: Duration) -> Result<Received, Unread> {
    let deadline = Instant::now() + within;
    let mut bytes = Vec::new();
    let refused = |bytes, status, why| {
        Ok(Received {
            bytes,
            refusal: Some(Refusal { status, why }),
        })
    };
    loop {
        let mut piece = [0; 2_048];
        match tokio::time::timeout_at(deadline, stream.readable()).await {
            Err(_) if bytes.is_empty() => return Err(Unread::TooSlow),
            Err(_) => return refused(bytes, 408, "the head was not complete in time"),
            Ok(Err(_)) => return Err(Unread::Reset),
            Ok(Ok(())) => {}
        }
        match stream.try_read(&mut piece) {
            Ok(0) => return Err(Unread::Closed(bytes.len())),
            Ok(count) => bytes.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(_) => return Err(Unread::Reset),
        }
        match request::end_of_head(&bytes) {
            Some(end) if end > HEAD_BYTES_MAX => {
                return refused(bytes, 431, "the head is too large");
            }
            Some(end) if end < bytes.len() => return refused(bytes, 400, "bytes after the head"),
            Some(_) => {
                return Ok(Received {
                    bytes,
                    refusal: None,
                });
            }
            None if bytes.len() > HEAD_BYTES_MAX => {
                return refused(bytes, 431, "the head is too large");
            }
            None if request::is_hopeless(&bytes) => return refused(bytes, 400, "no HTTP"),
            None => {}
        }
    }
}

/// Says no, and why, to a stranger or to the module.
async fn refuse(
    inside: &mut Inside,
    stream: &TcpStream,
    refusal: Refusal,
    known: Option<&Standing>,
) {
    let answer = Answer::of_status(
        refusal.status,
        "text/plain",
        answer::status_text(refusal.status),
        request::Method::Get,
    );
    let plan = WirePlan::default();
    let making = Making {
        plan: &plan,
        others: &answer::Others::new(),
        speed: 1,
    };
    let script = script::make(&answer, making, &mut Sequence::new(0, 0));
    let limits = Limits {
        progress_within: REFUSED_WITHIN,
        connection_within: inside.accepted.elapsed() + REFUSED_WITHIN,
        ..inside.shared.limits
    };
    let nobody = watch::channel(false);
    let gone = known.map_or(nobody.1, Standing::gone);
    if known.is_some() {
        inside.shared.tell(Seen::Request {
            connection: inside.connection,
            method: "refused".to_owned(),
            range_from: None,
            peer: inside.peer,
        });
    }
    let shared = Arc::clone(&inside.shared);
    let mut playout = Playout::new(
        stream,
        inside.accepted,
        limits,
        gone,
        &shared.interference,
        Silent,
    );
    let how = playout.play(&script, Sequence::new(0, 0)).await;
    let played = std::mem::take(&mut playout.played);
    note(inside, played, &script, &answer);
    inside.over(format!(
        "refused with {}: {}; {how}",
        refusal.status, refusal.why
    ));
}

/// Answers a request for what is on offer.
async fn answer(inside: &mut Inside, stream: &TcpStream, standing: &Standing, request: &Request) {
    let shared = Arc::clone(&inside.shared);
    inside.shared.tell(Seen::Request {
        connection: inside.connection,
        method: request.method.name().to_owned(),
        range_from: request.range_from(),
        peer: inside.peer,
    });
    let (number, named) = if request.path == standing.moved {
        (None, None)
    } else {
        let (number, named) = standing.next_request();
        (Some(number), named)
    };
    let honest = WirePlan::default();
    let plan = named.as_ref().map_or(&honest, |named| &named.plan);
    let seed = plan.seed.unwrap_or(standing.seed);
    let mut random = Sequence::new(seed, number.unwrap_or(0));
    let record = inside.record();
    record.request = number;
    record.plan = named.as_ref().map(|named| named.name.clone());
    let answer = match fetch(&shared, standing, request, plan, &mut random).await {
        Ok(answer) => answer,
        Err(error) => {
            shared.tell(Seen::Trouble(format!("the content server failed: {error}")));
            // What was served is in doubt; the next request shall find a server all the same.
            let _probed = tokio::task::spawn_blocking(move || shared.content.probe()).await;
            inside.over(format!("given up: the content server failed: {error}"));
            return;
        }
    };
    let making = Making {
        plan,
        others: &standing.others,
        speed: standing.speed,
    };
    let script = script::make(&answer, making, &mut random);
    if !shared.may_send(answer.body.len() as u64) {
        let why = "as many bytes as the limits allow a day were sent";
        shared.tell(Seen::Trouble(format!("the package is not served: {why}")));
        refuse(inside, stream, Refusal { status: 503, why }, Some(standing)).await;
        return;
    }
    let teller = Teller {
        shared: &shared,
        standing,
        connection: inside.connection,
        named: named.as_ref(),
        script: &script,
        from: answer.from,
        of: standing.package.len() as u64,
        body: answer.body.len() as u64,
        told: 0,
        told_at: Instant::now(),
        fired: Vec::new(),
    };
    let mut playout = Playout::new(
        stream,
        inside.accepted,
        shared.limits,
        standing.gone(),
        &shared.interference,
        teller,
    );
    let how = playout.play(&script, random).await;
    let played = std::mem::take(&mut playout.played);
    drop(playout);
    let body_acked = played.acked.saturating_sub(script.head_length);
    let honest = matches!(answer.status, 200 | 206)
        && script.is_honest(&standing.package, answer.from, body_acked);
    note(inside, played, &script, &answer);
    inside.record().honest = honest;
    inside.over(how);
}

/// The answer that the plan wants: the truth, or what is well-formed in its place.
async fn fetch(
    shared: &Shared,
    standing: &Standing,
    request: &Request,
    plan: &WirePlan,
    random: &mut Sequence,
) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
    let body = plan
        .answer
        .as_ref()
        .and_then(|instead| instead.body.as_ref());
    let (path, package) = match body {
        Some(BodySource::Package(name)) => {
            (standing.path_of_other(name), standing.others.get(name))
        }
        _ => (request.path.clone(), None),
    };
    let package = package.unwrap_or(&standing.package);
    let mut asked = format!(
        "{} {path} HTTP/1.1\r\nHost: content\r\nConnection: close\r\n",
        request.method.name()
    );
    for (name, value) in [("Range", &request.range), ("If-Range", &request.if_range)] {
        if let Some(value) = value {
            asked.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    asked.push_str("\r\n");
    let honest = match standing.known_answer(&asked) {
        Some(answer) => answer,
        None => {
            let said = shared.fetch(asked.as_bytes()).await?;
            let mut answer = Answer::parse(said, request.method)?;
            // What was fetched is a part of the package, so a thousand slow readers need one copy.
            let from = usize::try_from(answer.from)?;
            let part = package.get(from..from + answer.body.len());
            if part == Some(&answer.body[..]) {
                answer.body = package.slice(from..from + answer.body.len());
                standing.keep_answer(asked, &answer);
            }
            answer
        }
    };
    let around = Surroundings {
        package,
        path: &request.path,
        moved: &standing.moved,
        base: &standing.base,
    };
    let mut answer = match plan.range {
        Some(lie) => answer::range_lie(honest, lie, request, package, random),
        None => honest,
    };
    if let Some(instead) = &plan.answer {
        answer = answer::instead(answer, instead, request, around, random);
    }
    Ok(answer)
}

/// Writes down what was played.
fn note(inside: &mut Inside, played: Played, script: &Script, answer: &Answer) {
    let record = inside.record();
    let mut head = Vec::new();
    for said in script.said() {
        let left = usize::try_from(script.head_length)
            .unwrap_or(usize::MAX)
            .min(HEAD_KEPT)
            - head.len();
        head.extend_from_slice(&said[..said.len().min(left)]);
    }
    record.status = Some(answer.status).filter(|_| played.written > 0);
    record.answer_head = Some(escape(&head));
    record.from = answer.from;
    record.declared = script.declared;
    record.body_acked = played.acked.saturating_sub(script.head_length);
    record.written = played.written;
    record.acked = played.acked;
    record.samples = played.samples;
    record.fired = played.fired;
    record.more_received = played.more_received;
}

/// How much of a head that we sent is kept.
const HEAD_KEPT: usize = 8 * 1024;

/// As it can be shown anywhere: printable ASCII only.
pub(super) fn escape(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Tells nothing.
struct Silent;

impl Watcher for Silent {
    fn acked(&mut self, _bytes: u64, _sent: u64) {}
    fn fired(&mut self, _fired: &Fired) {}
}

/// Tells the runner how a reply goes on.
struct Teller<'a> {
    shared: &'a Shared,
    standing: &'a Standing,
    connection: u64,
    named: Option<&'a NamedPlan>,
    script: &'a Script,
    from: u64,
    of: u64,
    /// Bytes of the honest body.
    body: u64,
    told: u64,
    told_at: Instant,
    fired: Vec<String>,
}

impl Watcher for Teller<'_> {
    fn acked(&mut self, bytes: u64, sent: u64) {
        let bytes = bytes.saturating_sub(self.script.head_length);
        let sent = sent.saturating_sub(self.script.head_length);
        let step = bytes.saturating_sub(self.told);
        let worth_it =
            step * 200 >= self.of || bytes == self.body || self.told_at.elapsed() >= TELL_EVERY;
        if step > 0 && worth_it {
            self.told = bytes;
            self.told_at = Instant::now();
            let (connection, from, of) = (self.connection, self.from, self.of);
            self.shared.tell(Seen::Acked {
                connection,
                from,
                bytes,
                sent,
                of,
            });
        }
    }

    fn fired(&mut self, fired: &Fired) {
        self.fired.push(fired.what.clone());
        let Some(named) = self.named else { return };
        if self.fired.len() != self.script.operations {
            return;
        }
        if named.plan.network.is_some() {
            // The other half of its proof comes when the plan ends.
            self.standing.has_played(&named.name);
            return;
        }
        self.shared.tell(Seen::FaultFired {
            name: named.name.clone(),
            connection: Some(self.connection),
            at_byte: fired.at_byte.saturating_sub(self.script.head_length),
            acked: fired.acked.saturating_sub(self.script.head_length),
            text: self.fired.join("; "),
        });
    }
}

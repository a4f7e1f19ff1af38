//! One connection, from its first byte to its record.

mod fetch;
mod head;
mod teller;

use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use self::fetch::fetch;
use self::head::{Unread, read_head};
use self::teller::{SPENT, Silent, Teller};
use super::answer::{self, Answer};
use super::gate::Inside;
use super::playout::{Finished, Peer, Played, Playout};
use super::random::Sequence;
use super::record::Seen;
use super::request::{self, Refusal, Request};
use super::script::{self, Making, Script};
use super::standing::Standing;
use super::wire_plan::{Connect, WirePlan};
use super::{Limits, NamedPlan};

/// How long a peer that is refused may take to take note of it.
const REFUSED_WITHIN: Duration = Duration::from_secs(5);

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
    let peer = Peer::new(stream, inside.accepted, limits, gone, Silent(&shared));
    let playout = Playout::new(&script, peer, &shared.interference);
    let Finished { how, played } = playout.play(Sequence::new(0, 0)).await;
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
        let why = SPENT;
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
    let (limits, gone) = (shared.limits, standing.gone());
    let peer = Peer::new(stream, inside.accepted, limits, gone, teller);
    let playout = Playout::new(&script, peer, &shared.interference);
    let Finished { how, played } = playout.play(random).await;
    let body_acked = played.acked.saturating_sub(script.head_length);
    let honest = matches!(answer.status, 200 | 206)
        && script.is_honest(&standing.package, answer.from, body_acked);
    note(inside, played, &script, &answer);
    inside.record().honest = honest;
    inside.over(how);
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
    record.body_written = played.written.saturating_sub(script.head_length);
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

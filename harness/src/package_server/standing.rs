//! An offer that stands, and what is done with it.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::answer::{Answer, Others};
use super::door::Doorway;
use super::interference::Disturbance;
use super::wire_plan::{BodySource, BodyWhat, Connect};
use super::{NamedPlan, Offer, ServerError, Serving};

/// How long the connections of an offer may take to end when it is withdrawn.
const END_WITHIN: Duration = Duration::from_secs(5);

/// An offer, its path, and its connections.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) path: String,
    /// Where the package is always served honestly.
    pub(super) moved: String,
    /// What content has of it is below this.
    pub(super) below: String,
    pub(super) package: Bytes,
    pub(super) others: Others,
    pub(super) seed: u64,
    pub(super) speed: u32,
    /// The server as the module knows it.
    pub(super) base: String,
    play: Mutex<Play>,
    gone: watch::Sender<bool>,
    live: Mutex<usize>,
    ended: Condvar,
    answers: Mutex<HashMap<String, Answer>>,
    /// Plans with two halves, one of them the network's, whose other half was played.
    played: Mutex<HashSet<String>>,
}

/// How many of the content server's answers are kept. What is on offer does not change, so the
/// same question has the same answer; a module asks for a new range at each attempt.
const ANSWERS_KEPT: usize = 64;

#[derive(Debug)]
struct Play {
    serving: Serving,
    /// Requests since it was set.
    requests: u64,
}

impl Standing {
    pub(super) fn new(offer: Offer, token: &str, base: String) -> Result<Standing, ServerError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if !(1..=64).contains(&offer.name.len()) || !offer.name.bytes().all(plain) {
            return Err(ServerError::Name { name: offer.name });
        }
        let below = format!("/t/{token}/");
        let others = offer
            .others
            .into_iter()
            .map(|(name, bytes)| (name, Bytes::from_owner(bytes)))
            .collect();
        let standing = Standing {
            path: format!("{below}{}", offer.name),
            moved: format!("{below}moved/{}", offer.name),
            below,
            package: Bytes::from_owner(offer.package),
            others,
            seed: offer.seed,
            speed: offer.speed.max(1),
            base,
            play: Mutex::new(Play {
                serving: Serving::Honestly,
                requests: 0,
            }),
            gone: watch::channel(false).0,
            live: Mutex::new(0),
            ended: Condvar::new(),
            answers: Mutex::default(),
            played: Mutex::default(),
        };
        standing.serve(offer.serving)?;
        Ok(standing)
    }

    /// Where content has another package.
    pub(super) fn path_of_other(&self, name: &str) -> String {
        format!("{}others/{name}", self.below)
    }

    /// Changes what is done with it.
    pub(super) fn serve(&self, serving: Serving) -> Result<(), ServerError> {
        if let Serving::Through(plans) = &serving {
            for named in plans.iter().flat_map(packages_named) {
                if !self.others.contains_key(named) {
                    let has = self
                        .others
                        .keys()
                        .map(String::as_str)
                        .collect::<Vec<_>>()
                        .join(", ");
                    return Err(ServerError::NoSuchPackage {
                        name: named.to_owned(),
                        has,
                    });
                }
            }
        }
        *self.play.lock().unwrap_or_else(PoisonError::into_inner) = Play {
            serving,
            requests: 0,
        };
        Ok(())
    }

    /// How it wants the port.
    pub(super) fn doorway(&self) -> Doorway {
        let play = self.play.lock().unwrap_or_else(PoisonError::into_inner);
        match &play.serving {
            Serving::Honestly => Doorway::Open,
            Serving::Nothing => Doorway::Shut,
            Serving::Through(plans) => plans
                .iter()
                .find_map(|named| match named.plan.connect? {
                    Connect::Refuse => Some(Doorway::Shut),
                    Connect::BlackHole => Some(Doorway::Full),
                    Connect::NeverAccept => Some(Doorway::NeverAccept),
                    // The port is open; it is the way there that is not.
                    Connect::Unreachable | Connect::Close | Connect::Reset => None,
                })
                .unwrap_or(Doorway::Open),
        }
    }

    /// The plans that are done to the port.
    pub(super) fn plans_of_the_port(&self) -> Vec<String> {
        let play = self.play.lock().unwrap_or_else(PoisonError::into_inner);
        match &play.serving {
            Serving::Honestly | Serving::Nothing => Vec::new(),
            Serving::Through(plans) => plans
                .iter()
                .filter(|named| named.plan.connect.is_some_and(Connect::is_of_the_port))
                .map(|named| named.name.clone())
                .collect(),
        }
    }

    /// What is to be done to the packets of the port, and by which plan.
    pub(super) fn disturbance(&self) -> Option<(NamedPlan, Disturbance)> {
        let play = self.play.lock().unwrap_or_else(PoisonError::into_inner);
        let Serving::Through(plans) = &play.serving else {
            return None;
        };
        plans.iter().find_map(|named| {
            let disturbance = match (named.plan.network, named.plan.connect) {
                (Some(network), _) => Disturbance::Network(network.at_speed(self.speed)),
                (None, Some(Connect::Unreachable)) => Disturbance::Unreachable,
                _ => return None,
            };
            Some((named.clone(), disturbance))
        })
    }

    /// What a plan does to replies was done.
    pub(super) fn has_played(&self, name: &str) {
        let mut played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        played.insert(name.to_owned());
    }

    /// Whether a plan has done to replies what it says, where it says anything.
    pub(super) fn is_played(&self, named: &NamedPlan) -> bool {
        let played = self.played.lock().unwrap_or_else(PoisonError::into_inner);
        !named.plan.plays() || played.contains(&named.name)
    }

    /// The next request: its number, and the plan that covers it.
    pub(super) fn next_request(&self) -> (u64, Option<NamedPlan>) {
        let mut play = self.play.lock().unwrap_or_else(PoisonError::into_inner);
        play.requests += 1;
        (play.requests, play.plan_of(play.requests).cloned())
    }

    /// What is done to the next connection before its request is read, where that is planned.
    /// Who it is cannot be known; it counts as a request.
    pub(super) fn next_connect_fault(&self) -> Option<(u64, NamedPlan)> {
        let mut play = self.play.lock().unwrap_or_else(PoisonError::into_inner);
        let number = play.requests + 1;
        let plan = play.plan_of(number)?;
        plan.plan
            .connect
            .filter(|connect| !connect.is_of_the_port())?;
        let plan = plan.clone();
        play.requests = number;
        Some((number, plan))
    }

    /// What the content server answered to this before.
    pub(super) fn known_answer(&self, asked: &str) -> Option<Answer> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(asked).cloned()
    }

    /// Keeps what the content server answered, while there are few; its body is a part of the
    /// package, not a copy.
    pub(super) fn keep_answer(&self, asked: String, answer: &Answer) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() < ANSWERS_KEPT {
            answers.insert(asked, answer.clone());
        }
    }

    /// Told to its connections when it is withdrawn.
    pub(super) fn gone(&self) -> watch::Receiver<bool> {
        self.gone.subscribe()
    }

    /// A connection of it, until this is dropped.
    pub(super) fn connected(&self) -> Connected<'_> {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        Connected(self)
    }

    /// Ends its connections, and waits until they are.
    pub(super) fn end(&self) {
        self.gone.send_replace(true);
        let until = Instant::now() + END_WITHIN;
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        while *live > 0 {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                break;
            };
            live = self
                .ended
                .wait_timeout(live, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }
}

impl Play {
    fn plan_of(&self, request: u64) -> Option<&NamedPlan> {
        match &self.serving {
            Serving::Honestly | Serving::Nothing => None,
            Serving::Through(plans) => plans
                .iter()
                .find(|named| named.plan.plays() && named.plan.request.covers(request)),
        }
    }
}

fn packages_named(named: &NamedPlan) -> impl Iterator<Item = &str> {
    let answered = named
        .plan
        .answer
        .as_ref()
        .and_then(|answer| match &answer.body {
            Some(BodySource::Package(name)) => Some(name.as_str()),
            _ => None,
        });
    let spliced = named.plan.body.iter().filter_map(|op| match &op.what {
        BodyWhat::Splice(name) => Some(name.as_str()),
        _ => None,
    });
    answered.into_iter().chain(spliced)
}

/// A connection of an offer.
#[derive(Debug)]
pub(super) struct Connected<'a>(&'a Standing);

impl Drop for Connected<'_> {
    fn drop(&mut self) {
        *self.0.live.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.ended.notify_all();
    }
}

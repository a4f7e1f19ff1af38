//! Fetches one whole answer before anything is played.

use crate::package_server::answer::{self, Answer, Surroundings};
use crate::package_server::gate::Shared;
use crate::package_server::random::Sequence;
use crate::package_server::request::Request;
use crate::package_server::standing::Standing;
use crate::package_server::wire_plan::{BodySource, WirePlan};

/// The answer that the plan wants: the truth, or what is well-formed in its place.
pub(super) async fn fetch(
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

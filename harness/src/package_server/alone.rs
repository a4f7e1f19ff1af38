//! The package server without a module: for people who test modem code of their own.
//!
//! The same server, the same wire plans, the same record of each connection; a line for each
//! thing that it sees instead of a timeline.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use rig::written::{FormError, Mistake, Source};
use serde::Deserialize;

use super::{
    NamedPlan, Offer, Options, PackageServer, Seen, ServerError, ServerReport, Serving, WirePlan,
};

/// The largest file that is served, in bytes.
const FILE_MAX: u64 = 16 << 20;
/// How often it is asked whether to stop.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// What is to be served, and how.
#[derive(Clone, Debug)]
pub struct Alone {
    /// Where, and within which limits.
    pub options: Options,
    /// The files, each under its own path. Plans can name them by their file names.
    pub files: Vec<PathBuf>,
    /// A file with `[[server]]` tables, as in a scenario; they cover the requests of each file.
    pub plan: Option<PathBuf>,
    /// Where random choices begin.
    pub seed: u64,
    /// Where the record of each connection goes, a line of JSON each.
    pub log: Option<PathBuf>,
}

/// What is wrong before anything is served, or ends it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages say it")]
pub enum AloneError {
    /// To be drawn by [`crate::diagnostic::render`].
    #[error(transparent)]
    Plan(#[from] Mistake<FormError>),
    #[error("no file to serve: name at least one")]
    NoFile,
    #[error("cannot read `{path}`")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "`{path}` has no name that a URL can have: rename it to letters, digits, `.`, `-` or `_`"
    )]
    Name { path: PathBuf },
    #[error("two files are called `{name}`: plans and paths could not tell them apart")]
    Twice { name: String },
    #[error("cannot write the log `{path}`")]
    Log { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output { source: io::Error },
    #[error(transparent)]
    Server(#[from] ServerError),
}

/// A file with plans and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    #[serde(default)]
    server: Vec<WirePlan>,
}

/// Serves until it is told to stop. A line is written for each offer and for each thing seen.
pub fn serve_alone(
    what: &Alone,
    say: &mut dyn Write,
    told_to_stop: &dyn Fn() -> bool,
) -> Result<(), AloneError> {
    let serving = what
        .plan
        .as_deref()
        .map_or(Ok(Serving::Honestly), read_plans)?;
    let files = read_files(&what.files)?;
    let mut log = what.log.as_deref().map(open_log).transpose()?;
    let (events, reports) = channel();
    let server = PackageServer::start(what.options.clone(), events)?;
    let base = server.base();
    let output = |source| AloneError::Output { source };
    let mut offers = Vec::new();
    for (name, package) in &files {
        let offered = server.offer(Offer {
            name: name.clone(),
            package: Arc::clone(package),
            others: files.clone(),
            serving: serving.clone(),
            seed: what.seed,
            speed: 1,
        })?;
        let (length, path) = (package.len(), &offered.path);
        writeln!(say, "{name}: {length} bytes at {base}{path}").map_err(output)?;
        offers.push(offered);
    }
    if what.options.listen.ip().is_unspecified() && what.options.public_url.is_none() {
        writeln!(
            say,
            "on every address of this machine; `--url` says how others call it"
        )
        .map_err(output)?;
    }
    say.flush().map_err(output)?;
    let began = Instant::now();
    loop {
        let report = match reports.recv_timeout(ASK_EVERY) {
            Ok(report) => report,
            // What came of the offers is told when they end.
            Err(RecvTimeoutError::Timeout) if told_to_stop() => match offers.pop() {
                Some(offered) => {
                    server.withdraw(&offered)?;
                    continue;
                }
                None => return Ok(()),
            },
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if let (Some((path, log)), Seen::Closed { record, .. } | Seen::Stranger { record, .. }) =
            (&mut log, &report.seen)
        {
            serde_json::to_writer(&mut *log, record)
                .map_err(io::Error::from)
                .and_then(|()| log.write_all(b"\n"))
                .map_err(|source| AloneError::Log {
                    path: path.clone(),
                    source,
                })?;
        }
        if let Some(line) = line(&report, began) {
            writeln!(say, "{line}")
                .and_then(|()| say.flush())
                .map_err(output)?;
        }
        if told_to_stop()
            && let Some(offered) = offers.pop()
        {
            server.withdraw(&offered)?;
        }
    }
}

/// A report, for a person; progress is in the log.
fn line(report: &ServerReport, began: Instant) -> Option<String> {
    let at = report.at.saturating_duration_since(began).as_secs_f64();
    let text = match &report.seen {
        Seen::Request {
            connection,
            method,
            range_from,
            peer: _,
        } => {
            let range = range_from.map_or_else(String::new, |from| format!(" from byte {from}"));
            format!("{connection}: {method}{range}")
        }
        Seen::Acked { .. } => return None,
        Seen::FaultFired { name, text, .. } => format!("fault {name}: {text}"),
        Seen::Closed {
            connection,
            status,
            acked,
            how,
            ..
        } => {
            let status = status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
            format!("{connection}: {status}, {acked} bytes of the body acknowledged, {how}")
        }
        Seen::Stranger {
            connection,
            why,
            record,
        } => format!("{connection}: a stranger at {}: {why}", record.peer),
        Seen::MoreStrangers { count, .. } => format!("{count} more strangers"),
        Seen::Trouble(trouble) => format!("trouble: {trouble}"),
    };
    Some(format!("{at:9.3} {text}"))
}

fn read_plans(path: &Path) -> Result<Serving, AloneError> {
    let source = Source::read::<FormError>(path)?;
    let file: PlanFile = source.fill::<_, FormError>(source.table::<FormError>()?)?;
    let named = |(number, plan)| NamedPlan {
        name: format!("server-{number}"),
        plan,
    };
    Ok(Serving::Through(
        (1..).zip(file.server).map(named).collect(),
    ))
}

fn read_files(paths: &[PathBuf]) -> Result<BTreeMap<String, Arc<[u8]>>, AloneError> {
    let mut files = BTreeMap::new();
    for path in paths {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name
            .ok_or_else(|| AloneError::Name { path: path.clone() })?
            .to_owned();
        let bytes = read_file(path).map_err(|source| AloneError::File {
            path: path.clone(),
            source,
        })?;
        if files.insert(name.clone(), bytes).is_some() {
            return Err(AloneError::Twice { name });
        }
    }
    if files.is_empty() {
        return Err(AloneError::NoFile);
    }
    Ok(files)
}

fn read_file(path: &Path) -> io::Result<Arc<[u8]>> {
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::other(format!(
            "it is longer than {FILE_MAX} bytes"
        )));
    }
    Ok(bytes.into())
}

fn open_log(path: &Path) -> Result<(PathBuf, File), AloneError> {
    match File::create(path) {
        Ok(file) => Ok((path.to_owned(), file)),
        Err(source) => Err(AloneError::Log {
            path: path.to_owned(),
            source,
        }),
    }
}

//! Files that people write, in TOML: where a mistake is, and what it is.
//!
//! Rig files, scenarios and package manifests are read through here, so that each mistake
//! names file, line and column and a way out. What keys mean is the affair of each file.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::duration::{self, DurationError};

/// The longest file that a person may write, in bytes.
pub const FILE_LEN_MAX: u64 = 1 << 20;

/// A file that was read: its name and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// As it was named.
    pub path: PathBuf,
    /// All of it.
    pub text: Arc<str>,
}

impl Source {
    /// Reads a file of bounded length.
    pub fn read<K: From<FormError>>(path: &Path) -> Result<Source, Mistake<K>> {
        let unreadable = |cause: io::Error| Mistake {
            place: Place {
                source: Source::new(path, ""),
                span: 0..0,
            },
            kind: Box::new(FormError::Unreadable(Arc::new(cause)).into()),
        };
        let mut bytes = Vec::new();
        regular(path)
            .and_then(|()| File::open(path))
            .and_then(|file| file.take(FILE_LEN_MAX + 1).read_to_end(&mut bytes))
            .map_err(unreadable)?;
        if bytes.len() as u64 > FILE_LEN_MAX {
            let cause = io::Error::other(format!("it is longer than {FILE_LEN_MAX} bytes"));
            return Err(unreadable(cause));
        }
        String::from_utf8(bytes)
            .map(|text| Source::new(path, &text))
            .map_err(|error| {
                let at = error.utf8_error().valid_up_to();
                let byte = error.as_bytes().get(at).copied().unwrap_or_default();
                // Shown with a mark where the byte is.
                let text = String::from_utf8_lossy(error.as_bytes());
                let span = at..at + char::REPLACEMENT_CHARACTER.len_utf8();
                let source = Source::new(path, &text);
                source.mistake(span, FormError::NotUtf8 { byte }.into())
            })
    }

    /// Text that did not come from a file, under a name.
    pub fn new(path: &Path, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.into(),
        }
    }

    /// A mistake in this file.
    pub fn mistake<K>(&self, span: Range<usize>, kind: K) -> Mistake<K> {
        let place = Place {
            source: self.clone(),
            span,
        };
        let kind = Box::new(kind);
        Mistake { place, kind }
    }

    /// The file as a TOML table.
    pub fn table<K: From<FormError>>(&self) -> Result<Spanned<DeTable<'_>>, Mistake<K>> {
        DeTable::parse(&self.text).map_err(|error| self.toml_mistake(&error, 0..0))
    }

    /// Reads a table into a type whose fields are the keys that it may have.
    pub fn fill<T, K>(&self, table: Spanned<DeTable<'_>>) -> Result<T, Mistake<K>>
    where
        T: DeserializeOwned,
        K: From<FormError>,
    {
        let span = table.span();
        let value = Spanned::new(span.clone(), DeValue::Table(table.into_inner()));
        T::deserialize(ValueDeserializer::from(value))
            .map_err(|error| self.toml_mistake(&error, span))
    }

    fn toml_mistake<K: From<FormError>>(
        &self,
        error: &toml::de::Error,
        otherwise: Range<usize>,
    ) -> Mistake<K> {
        let span = error.span().unwrap_or(otherwise);
        let kind = match error.message() {
            "duplicate key" => FormError::Twice {
                found: self.text.get(span.clone()).unwrap_or("a key").to_owned(),
            },
            message => FormError::of_serde(message),
        };
        self.mistake(span, kind.into())
    }

    /// Reads a duration that was written in this file.
    pub fn duration<K: From<FormError>>(
        &self,
        text: &Spanned<String>,
    ) -> Result<Duration, Mistake<K>> {
        duration::parse(text.get_ref())
            .map_err(|error| self.mistake(text.span(), FormError::from(error).into()))
    }
}

/// A FIFO would be waited for without end, and is empty when it is read again.
fn regular(path: &Path) -> io::Result<()> {
    let is = std::fs::metadata(path)?.file_type();
    match () {
        () if is.is_file() => Ok(()),
        () if is.is_dir() => Err(io::Error::other("it is a folder")),
        () => Err(io::Error::other(
            "it is no regular file, which can be read again",
        )),
    }
}

/// The one of `known` that was probably meant.
pub fn nearest(found: &str, known: &[&str]) -> Option<String> {
    known
        .iter()
        .map(|&word| (strsim::damerau_levenshtein(found, word), word))
        // One slip in three letters is still a slip; more is another word.
        .filter(|(distance, word)| *distance <= word.len().max(3) / 3)
        .min()
        .map(|(_, word)| word.to_owned())
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Source,
    /// The part, in bytes.
    pub span: Range<usize>,
}

impl Place {
    /// The line, from 1.
    pub fn line(&self) -> usize {
        1 + self.before().matches('\n').count()
    }

    /// The column, from 1, in characters.
    pub fn column(&self) -> usize {
        let before = self.before();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        1 + before.get(line_start..).unwrap_or("").chars().count()
    }

    fn before(&self) -> &str {
        self.source.text.get(..self.span.start).unwrap_or("")
    }
}

/// One struct for where, one enum (`K`) for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake<K> {
    /// Where.
    pub place: Place,
    /// What; boxed, for it is large and rare.
    pub kind: Box<K>,
}

/// What is wrong in a file, in two pieces.
pub trait Kind: fmt::Display + std::error::Error {
    /// The way out, where the sentence itself does not name one.
    fn way_out(&self) -> Option<String>;
}

impl<K: Kind> fmt::Display for Mistake<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Mistake { place, kind } = self;
        write!(f, "{}:", place.source.path.display())?;
        if !place.source.text.is_empty() {
            write!(f, "{}:{}:", place.line(), place.column())?;
        }
        write!(f, " {kind}")?;
        match kind.way_out() {
            Some(way_out) => write!(f, ": {way_out}"),
            None => Ok(()),
        }
    }
}

impl<K: Kind + 'static> std::error::Error for Mistake<K> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

/// What can be wrong in any file, before its keys mean anything.
#[derive(Clone, Debug, thiserror::Error)]
pub enum FormError {
    /// The file cannot be read.
    #[error("cannot read this file")]
    Unreadable(#[source] Arc<io::Error>),
    /// It is not text as TOML wants it.
    #[error("the byte 0x{byte:02x} is not UTF-8: save this file as UTF-8")]
    NotUtf8 {
        /// The byte.
        byte: u8,
    },
    /// It is not TOML, or a value is of another type than its key wants.
    #[error("{0}")]
    Toml(String),
    /// A key or a section that is there already.
    #[error("`{found}` is here for the second time")]
    Twice {
        /// The key.
        found: String,
    },
    /// A number where a text is wanted.
    #[error("{found} is a number, and a text in quotes is wanted here")]
    NoText {
        /// The number.
        found: String,
    },
    /// A key that means nothing here.
    #[error("unknown key `{found}`")]
    UnknownKey {
        /// The key.
        found: String,
        /// What it was probably meant to be.
        meant: Option<String>,
        /// What could be here.
        known: Vec<String>,
    },
    /// A word that is not one of those that may stand here.
    #[error("unknown word `{found}`")]
    UnknownWord {
        /// The word.
        found: String,
        /// What it was probably meant to be.
        meant: Option<String>,
        /// What could stand here.
        known: Vec<String>,
    },
    /// A key that must be here is not.
    #[error("`{key}` is missing")]
    MissingKey {
        /// The key.
        key: String,
    },
    /// Text that is not a duration.
    #[error(transparent)]
    Duration(#[from] DurationError),
}

impl FormError {
    /// Serde says in a sentence of its own what it did not like; the common ones are said in
    /// ours, with a guess at what was meant.
    fn of_serde(message: &str) -> FormError {
        let quoted = |text: &str| -> Vec<String> {
            let parts = text.split('`').skip(1).step_by(2);
            parts.map(str::to_owned).collect()
        };
        let guess = |found: &str, known: &[String]| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            nearest(found, &known)
        };
        // Serde's words for a value that is no section have the name of a type of ours.
        if message.starts_with("invalid type: ") && message.contains(", expected struct ") {
            return FormError::Toml("a section is wanted here, with keys below it".to_owned());
        }
        let mut words = quoted(message);
        if words.is_empty() {
            let message = match message {
                // Serde's words for a value of an enum that is no text.
                "wanted string or table" => "a word in quotes is wanted here",
                other => other,
            };
            return FormError::Toml(message.to_owned());
        }
        let found = words.remove(0);
        let (meant, known) = (guess(&found, &words), words);
        if message.starts_with("invalid type: integer `") && message.ends_with(" a string") {
            return FormError::NoText { found };
        }
        if message.starts_with("unknown field `") {
            FormError::UnknownKey {
                found,
                meant,
                known,
            }
        } else if message.starts_with("unknown variant `") {
            FormError::UnknownWord {
                found,
                meant,
                known,
            }
        } else if message.starts_with("missing field `") {
            FormError::MissingKey { key: found }
        } else {
            FormError::Toml(message.to_owned())
        }
    }
}

impl PartialEq for FormError {
    fn eq(&self, other: &Self) -> bool {
        // Errors of the system have no equality; their text is what a person sees of them.
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for FormError {}

impl Kind for FormError {
    fn way_out(&self) -> Option<String> {
        match self {
            FormError::UnknownKey {
                meant: Some(meant), ..
            }
            | FormError::UnknownWord {
                meant: Some(meant), ..
            } => Some(format!("did you mean `{meant}`?")),
            FormError::UnknownKey { known, .. } | FormError::UnknownWord { known, .. } => {
                Some(format!("known here are {}", listed(known)))
            }
            FormError::MissingKey { key } => Some(format!("add `{key} = …`")),
            FormError::Twice { .. } => Some("keep one of the two".to_owned()),
            FormError::NoText { found } => Some(format!(
                "write `\"{found}\"`, and a duration with its unit, as in `\"{found}s\"`"
            )),
            FormError::Unreadable(_)
            | FormError::NotUtf8 { .. }
            | FormError::Toml(_)
            | FormError::Duration(_) => None,
        }
    }
}

/// `a`, `b` and `c`
pub fn listed<S: AsRef<str>>(words: &[S]) -> String {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

/// An error with everything that caused it, on one line.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

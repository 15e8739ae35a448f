//! What is wrong with a file, printed with its source lines as a compiler prints errors.

use std::fmt;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::path::Path;
use crate::place::{Place, Sources};

/// One fault: what is wrong, where, what was expected, what to do.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Where; `None` for a file that cannot be read at all.
    pub place: Option<Place>,
    /// What is wrong: a lower-case fragment with values in backticks.
    pub message: String,
    /// What was expected there; empty when the message is enough.
    pub label: String,
    /// What to do, where known.
    pub hint: Option<String>,
    /// Another place that explains the fault, with a note.
    pub related: Option<Related>,
    /// Keys of the table or value that is at fault, where the structure check found it.
    pub(crate) keys: Vec<String>,
}

/// A second place of a fault.
#[derive(Clone, Debug)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub note: String,
}

impl Fault {
    /// A fault at a place.
    pub fn at(place: Place, message: impl Into<String>) -> Self {
        Fault {
            place: Some(place),
            message: message.into(),
            label: String::new(),
            hint: None,
            related: None,
            keys: Vec::new(),
        }
    }

    /// A fault of the file as a whole.
    pub fn of_file(message: impl Into<String>) -> Self {
        Fault {
            place: None,
            ..Fault::at(Place::top(), message)
        }
    }

    /// Adds what was expected.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what to do, where that is known.
    pub fn maybe_hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.or(self.hint);
        self
    }

    /// Points at another place as well.
    pub fn related(mut self, place: Place, note: impl Into<String>) -> Self {
        let note = note.into();
        self.related = Some(Related { place, note });
        self
    }

    /// Adds the keys of the table or value.
    pub(crate) fn of(mut self, path: &Path) -> Self {
        self.keys = path.keys().to_vec();
        self
    }
}

/// A fault for programs: line and column start at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultLine {
    /// Path of the file as given, or `--set N`.
    pub source: String,
    /// Line; 0 when the file could not be read.
    pub line: usize,
    /// Column in characters; 0 when the file could not be read.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What was expected there; may be empty.
    pub expected: String,
    /// What to do, where known.
    pub hint: Option<String>,
}

impl fmt::Display for FaultLine {
    /// `source:line:column: message`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(formatter, "{}: {}", self.source, self.message),
            line => {
                let (source, column) = (&self.source, self.column);
                write!(formatter, "{source}:{line}:{column}: {}", self.message)
            }
        }
    }
}

/// All faults of a file and its flags, sorted by place. `Display` prints each with its source
/// lines.
#[derive(Clone, Debug)]
pub struct Faults {
    sources: Sources,
    faults: Vec<Fault>,
}

impl std::error::Error for Faults {}

impl Faults {
    /// Sorts the faults by place and drops repeated ones.
    pub fn new(sources: Sources, mut faults: Vec<Fault>) -> Self {
        faults.sort_by(|a, b| (a.place, &a.message).cmp(&(b.place, &b.message)));
        faults.dedup_by(|a, b| (a.place, &a.message) == (b.place, &b.message));
        Faults { sources, faults }
    }

    /// Number of faults.
    pub fn count(&self) -> usize {
        self.faults.len()
    }

    /// The faults, sorted by place.
    pub fn iter(&self) -> impl Iterator<Item = FaultLine> {
        self.faults.iter().map(|fault| {
            let place = fault.place.unwrap_or(Place::top());
            let (line, column) = match fault.place {
                Some(place) => self.sources.line_column(place),
                None => (0, 0),
            };
            FaultLine {
                source: self.sources.of(place).name.clone(),
                line,
                column,
                message: fault.message.clone(),
                expected: fault.label.clone(),
                hint: fault.hint.clone(),
            }
        })
    }

    /// One line per fault, `source:line:column: message`, for editors and grep.
    pub fn lines(&self) -> String {
        self.iter().map(|fault| format!("{fault}\n")).collect()
    }

    /// Each fault with its source lines, then their number; `colour` adds terminal colours.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let mut text = String::new();
        for fault in &self.faults {
            text.push_str(&renderer.render(&self.report(fault)));
            text.push_str("\n\n");
        }
        let name = &self.sources.of(Place::top()).name;
        let plural = if self.faults.len() == 1 { "" } else { "s" };
        text.push_str(&format!("{} fault{plural} in `{name}`", self.faults.len()));
        text
    }

    fn report<'a>(&'a self, fault: &'a Fault) -> Vec<Group<'a>> {
        let title = Level::ERROR.primary_title(fault.message.as_str());
        let mut group = match fault.place {
            None => Group::with_title(title),
            Some(place) => {
                let primary = AnnotationKind::Primary
                    .span(self.visible(place))
                    .label(fault.label.as_str());
                let mut snippet = self.snippet(place).annotation(primary);
                let mut apart = None;
                if let Some(Related { place: other, note }) = &fault.related {
                    let context = AnnotationKind::Context
                        .span(self.visible(*other))
                        .label(note.as_str());
                    if other.source == place.source {
                        snippet = snippet.annotation(context);
                    } else {
                        apart = Some(self.snippet(*other).annotation(context));
                    }
                }
                let group = title.element(snippet);
                match apart {
                    Some(snippet) => group.element(snippet),
                    None => group,
                }
            }
        };
        if let Some(hint) = &fault.hint {
            group = group.element(Level::HELP.message(hint.as_str()));
        }
        vec![group]
    }

    fn snippet<'a>(&'a self, place: Place) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
        let source = self.sources.of(place);
        Snippet::source(source.text.as_str()).path(source.name.as_str())
    }

    /// The first line of a place: a table or a list over many lines is marked at its start.
    fn visible(&self, place: Place) -> std::ops::Range<usize> {
        let text = &self.sources.of(place).text;
        let start = place.start.min(text.len());
        let end = place.end.clamp(start, text.len());
        let line = text[start..end].find('\n').map_or(end, |at| start + at);
        start..line
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

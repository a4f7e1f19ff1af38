//! Shows a mistake in a file as compilers do: the line, a mark under it, and the way out.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use rig::written::{Kind, Mistake, chain};

/// The longest mark, in lines: a mistake that spans a whole table is shown at its beginning.
const MARKED_LINES_MAX: usize = 3;

/// Draws a mistake; with colors for a terminal, without them for a file or a test.
pub fn render<K: Kind + 'static>(mistake: &Mistake<K>, colors: bool) -> String {
    let renderer = if colors {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let place = &mistake.place;
    let what = mistake.kind.to_string();
    let way_out = mistake.kind.way_out();
    let text = &*place.source.text;
    if text.is_empty() {
        // There is nothing to show of a file that could not be read, but why.
        return format!("error: {}", chain(mistake));
    }
    let path = place.source.path.display().to_string();
    let span = shortened(text, place.span.start, place.span.end);
    let mut group = Group::with_title(Level::ERROR.primary_title(what.as_str())).element(
        Snippet::source(text)
            .path(path.as_str())
            .annotation(AnnotationKind::Primary.span(span)),
    );
    if let Some(way_out) = &way_out {
        group = group.element(Level::HELP.message(way_out.as_str()));
    }
    renderer.render(&[group])
}

/// A span that marks at most a few lines, inside the text.
fn shortened(text: &str, start: usize, end: usize) -> std::ops::Range<usize> {
    let start = start.min(text.len());
    let end = end.clamp(start, text.len());
    let marked = text.get(start..end).unwrap_or("");
    if marked.lines().count() <= MARKED_LINES_MAX {
        return start..end;
    }
    let first_line = marked.lines().next().unwrap_or("");
    start..start + first_line.len()
}

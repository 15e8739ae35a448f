//! Figures inside the report: only what figures are made of gets through.

use super::theme::themed;
use crate::render::escape::one_line;

const ELEMENTS: [&str; 8] = [
    "svg", "rect", "line", "polyline", "polygon", "circle", "text", "title",
];

/// The SVG with a name for screen readers, in the colours of the report and without fixed size.
/// `None` when it holds anything but shapes and texts; the report then shows the figure's file.
pub fn inline(svg: &str, name: &str, title: &str) -> Option<String> {
    if !is_harmless(svg) {
        return None;
    }
    let (head, rest) = svg.split_once('>')?;
    let view_box = head.split("viewBox=\"").nth(1)?.split('"').next()?;
    let id = format!("figure-{name}-title");
    let title = minijinja::HtmlEscape(&one_line(title)).to_string();
    let id = minijinja::HtmlEscape(&id).to_string();
    Some(format!(
        "<svg viewBox=\"{view_box}\" role=\"img\" aria-labelledby=\"{id}\" xmlns=\"http://www.w3.org/2000/svg\"><title id=\"{id}\">{title}</title>{}",
        themed(rest)
    ))
}

fn is_harmless(svg: &str) -> bool {
    svg.split('<').skip(1).all(|piece| {
        let (tag, _) = piece.split_once('>').unwrap_or((piece, ""));
        let tag = tag.trim_start_matches('/').to_ascii_lowercase();
        let element = tag.split([' ', '/', '\n']).next().unwrap_or_default();
        // Values are escaped, so a quote always ends one. The rest are the names of attributes.
        let names = tag.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        ELEMENTS.contains(&element)
            && !names.contains(" on")
            && !names.contains("href")
            && !names.contains("style")
    })
}

#[cfg(test)]
mod tests {
    use super::inline;

    #[test]
    fn shapes_and_escaped_texts_pass() {
        let svg = "<svg width=\"1\" height=\"1\" viewBox=\"0 0 8 8\" xmlns=\"x\">\n<text x=\"1\">\n&lt;script&gt; onload=1\n</text>\n</svg>\n";
        let inline = inline(svg, "a", "<b>\"").unwrap();
        assert!(
            inline.starts_with("<svg viewBox=\"0 0 8 8\" role=\"img\""),
            "{inline}"
        );
        assert!(inline.contains("&lt;b&gt;&quot;</title>"), "{inline}");
    }

    #[test]
    fn anything_that_could_run_or_load_is_refused() {
        for inner in [
            "<script>1</script>",
            "<rect onload=\"x\"/>",
            "<image href=\"x\"/>",
            "<foreignObject/>",
            "<a href=\"x\"/>",
            "<rect style=\"x\"/>",
        ] {
            assert_eq!(
                inline(&format!("<svg viewBox=\"0 0 1 1\">{inner}</svg>"), "a", "b"),
                None,
                "{inner}"
            );
        }
    }
}

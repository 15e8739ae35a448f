//! The spec's prose (Markdown) as HTML without any markup of its author's: raw HTML is shown as text, images become their
//! descriptions, and links lead only to web or mail addresses and places of the page.

use minijinja::HtmlEscape;
use pulldown_cmark::{CowStr, Event, Options, Parser, Tag, TagEnd, html};

/// Markdown to safe HTML.
pub fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH;
    let markdown: String = markdown
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    let events = Parser::new_ext(&markdown, options).filter_map(safe);
    let mut text = String::new();
    html::push_html(&mut text, events);
    text
}

/// One line of the program's own words or of data as HTML: nothing in it is markup but what stands between two backticks, which
/// is a name.
pub fn line(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, (name, after))) = rest
        .split_once('`')
        .and_then(|(before, begun)| Some((before, begun.split_once('`')?)))
    {
        let (before, name) = (HtmlEscape(before), HtmlEscape(name));
        html.push_str(&format!("{before}<code>{name}</code>"));
        rest = after;
    }
    html.push_str(&HtmlEscape(rest).to_string());
    html
}

fn safe(event: Event<'_>) -> Option<Event<'_>> {
    Some(match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
        // The page has its own first levels.
        Event::Start(Tag::Heading { .. }) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::Heading(_)) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link {
            link_type,
            dest_url,
            title,
            id,
        }) => Event::Start(Tag::Link {
            link_type,
            dest_url: safe_address(dest_url),
            title,
            id,
        }),
        event => event,
    })
}

fn safe_address(address: CowStr<'_>) -> CowStr<'_> {
    let lower = address.to_ascii_lowercase();
    let allowed = ["https://", "http://", "mailto:", "#"];
    if allowed.iter().any(|start| lower.starts_with(start)) {
        address
    } else {
        "#".into()
    }
}

#[cfg(test)]
mod tests {
    use super::{html, line};

    #[test]
    fn raw_html_in_prose_is_shown_as_text() {
        let text = html(
            "a *b* <script>alert(1)</script>\n\n<img src=x onerror=alert(1)>\n\n![alt](http://x/y.png)",
        );
        assert!(text.contains("<em>b</em>"), "{text}");
        assert!(
            !text.contains("<script") && !text.contains("<img"),
            "{text}"
        );
    }

    #[test]
    fn names_between_backticks_are_code_and_all_else_is_text() {
        let table = [
            (
                "by `hit@1`, not `<b>`",
                "by <code>hit@1</code>, not <code>&lt;b&gt;</code>",
            ),
            ("<b> & *a* ``", "&lt;b&gt; &amp; *a* <code></code>"),
            ("`open <i>", "`open &lt;i&gt;"),
            ("", ""),
        ];
        for (text, expected) in table {
            assert_eq!(line(text), expected);
        }
    }

    #[test]
    fn links_cannot_run_anything() {
        for link in [
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert)",
            "[x](data:text/html,y)",
            "<javascript:x>",
        ] {
            let text = html(link).to_lowercase();
            assert!(
                !text.contains("href=\"javascript") && !text.contains("href=\"data"),
                "{text}"
            );
        }
        assert!(html("[x](https://a.b/c)").contains("href=\"https://a.b/c\""));
    }
}

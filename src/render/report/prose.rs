//! The spec's prose (Markdown) as HTML. Raw HTML is shown as text, images become their
//! descriptions, and only web addresses become links.

use minijinja::HtmlEscape;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Markdown to safe HTML.
pub fn html(markdown: &str) -> String {
    let markdown: String = markdown
        .chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect();
    let mut links = Vec::new();
    let events = Parser::new_ext(&markdown, Options::empty());
    let mut text = String::new();
    html::push_html(
        &mut text,
        events.filter_map(|event| safe(event, &mut links)),
    );
    text
}

/// The first sentence of a text in Markdown, as safe HTML without a paragraph; empty for none. A
/// full stop inside a number or an abbreviation does not end a sentence.
pub fn first_sentence(markdown: &str) -> String {
    let paragraph = markdown.trim().split("\n\n").next().unwrap_or_default();
    let words: Vec<&str> = paragraph.split_whitespace().collect();
    let starts =
        |word: &str| word.starts_with(|c: char| c.is_uppercase() || c.is_numeric() || c == '`');
    let ends = |at: &usize| {
        let next = words.get(at + 1).is_none_or(|next| starts(next));
        words[*at].ends_with(['.', '!', '?']) && next
    };
    let last = (0..words.len()).find(ends);
    let kept = last.map_or(words.len(), |last| last + 1);
    let html = html(&words[..kept].join(" "));
    let inner = html.trim().strip_prefix("<p>");
    match inner.and_then(|inner| inner.strip_suffix("</p>")) {
        Some(inner) => inner.to_owned(),
        // A list is not a sentence.
        None => String::new(),
    }
}

/// One line of the program's own words or of data as HTML: only text between two
/// backticks becomes markup: a name in code.
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

/// The event, or what is shown in its place. `links` has an entry for each open link: whether it
/// leads somewhere.
fn safe<'a>(event: Event<'a>, links: &mut Vec<bool>) -> Option<Event<'a>> {
    Some(match event {
        Event::Html(raw) | Event::InlineHtml(raw) => Event::Text(raw),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
        // The page has its own first levels.
        Event::Start(Tag::Heading { .. }) => Event::Start(Tag::Paragraph),
        Event::End(TagEnd::Heading(_)) => Event::End(TagEnd::Paragraph),
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            links.push(is_web(dest_url));
            return is_web(dest_url).then_some(event);
        }
        Event::End(TagEnd::Link) => return links.pop()?.then_some(event),
        event => event,
    })
}

fn is_web(address: &str) -> bool {
    let lower = address.to_ascii_lowercase();
    lower.starts_with("https://") || lower.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::{first_sentence, html, line};

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
    fn only_web_addresses_become_links() {
        let attacks = [
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert)",
            "[x](java&#115;cript:alert(1))",
            "[x](&#x6A;avascript:alert(1))",
            "[x](<java\nscript:alert(1)>)",
            "[x]( javascript:alert(1))",
            "[x](data:text/html,y)",
            "[x](vbscript:y)",
            "[x](file:///etc/passwd)",
            "[x](//host/path)",
            "[x][y]\n\n[y]: javascript:alert(1)",
            "<javascript:alert(1)>",
            "![x](javascript:alert(1))",
        ];
        for attack in attacks {
            let text = html(attack);
            assert!(!text.contains("<a") && !text.contains("<img"), "{text}");
        }
        let good = html("[a *b*](https://a.b/c) and <http://d.e> [x](javascript:f)");
        assert!(
            good.contains("<a href=\"https://a.b/c\">a <em>b</em></a>"),
            "{good}"
        );
        assert!(
            good.contains("<a href=\"http://d.e\">http://d.e</a> x</p>"),
            "{good}"
        );
    }

    #[test]
    fn addresses_and_titles_cannot_leave_their_quotes() {
        let text =
            html("[x](https://a.b/\"onclick=alert(1) \"t\\\" onclick=f\") `<i>` ```\"><b>```");
        assert!(!text.contains("<i>") && !text.contains("<b>"), "{text}");
        let outside: Vec<&str> = text.split('"').step_by(2).collect();
        assert!(!outside.join(" ").contains("<a onclick"), "{text}");
        assert!(!outside.join(" ").contains(" onclick="), "{text}");
    }

    #[test]
    fn lists_bold_italics_and_code_are_markup() {
        let text = html("- **a**\n- *b*\n\n1. `c`");
        for markup in [
            "<ul>",
            "<strong>a</strong>",
            "<em>b</em>",
            "<ol>",
            "<code>c</code>",
        ] {
            assert!(text.contains(markup), "{markup}: {text}");
        }
    }

    #[test]
    fn the_first_sentence_ends_at_a_full_stop_before_a_capital_letter() {
        let table = [
            (
                "A is 0.26 over\n**three** seeds. Next.",
                "A is 0.26 over <strong>three</strong> seeds.",
            ),
            ("No end\n\nNext.", "No end"),
            ("cf. e.g. this one", "cf. e.g. this one"),
            ("- a list", ""),
            ("", ""),
            ("<b>x</b>. Y", "&lt;b&gt;x&lt;/b&gt;."),
        ];
        for (text, expected) in table {
            assert_eq!(first_sentence(text), expected);
        }
    }
}

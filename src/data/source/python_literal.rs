//! The 2014 metadata files hold Python dictionaries, not JSON: single quotes, `None`, `True`, `False`, `\x` escapes.

/// The JSON that means what a Python literal of dictionaries, lists, texts and numbers means; `None` when it is none.
pub(super) fn to_json(text: &str) -> Option<String> {
    let mut json = String::with_capacity(text.len() + 16);
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\'' | '"' => string(character, &mut characters, &mut json)?,
            'N' | 'T' | 'F' => {
                let mut word = String::from(character);
                while let Some(&next) = characters.peek().filter(|next| next.is_ascii_alphabetic())
                {
                    word.push(next);
                    characters.next();
                }
                json.push_str(match word.as_str() {
                    "None" => "null",
                    "True" => "true",
                    "False" => "false",
                    _ => return None,
                });
            }
            other => json.push(other),
        }
    }
    Some(json)
}

/// Copies a quoted text up to its closing quote.
fn string(
    quote: char,
    characters: &mut impl Iterator<Item = char>,
    json: &mut String,
) -> Option<()> {
    json.push('"');
    loop {
        match characters.next()? {
            character if character == quote => break,
            '\\' => match characters.next()? {
                'x' => {
                    let code: String = [characters.next()?, characters.next()?].iter().collect();
                    push(char::from(u8::from_str_radix(&code, 16).ok()?), json);
                }
                'u' => {
                    json.push_str("\\u");
                    json.extend((0..4).filter_map(|_| characters.next()));
                }
                'n' => json.push_str("\\n"),
                'r' => json.push_str("\\r"),
                't' => json.push_str("\\t"),
                other => push(other, json),
            },
            other => push(other, json),
        }
    }
    json.push('"');
    Some(())
}

fn push(character: char, json: &mut String) {
    match character {
        '"' => json.push_str("\\\""),
        '\\' => json.push_str("\\\\"),
        control if (control as u32) < 0x20 => json.push_str(&format!("\\u{:04x}", control as u32)),
        other => json.push(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_python_dictionary_becomes_the_same_json() {
        let text = r#"{'asin': '1', 'title': "It's \"big\"", 'q': 'a "b" \'c\' \xe9', 'n': None, 'l': [['A', 'B']], 'p': 1.5, 't': True}"#;
        let value: serde_json::Value = serde_json::from_str(&to_json(text).unwrap()).unwrap();
        assert_eq!(value["title"], "It's \"big\"");
        assert_eq!(value["q"], "a \"b\" 'c' é");
        assert!(value["n"].is_null() && value["t"] == true && value["l"][0][1] == "B");
        assert_eq!(to_json("{'a': 'unclosed"), None);
        assert_eq!(to_json("{'a': Nope}"), None);
    }
}

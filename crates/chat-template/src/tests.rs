#![allow(clippy::disallowed_methods)]

use super::*;

/// Templates with what transformers makes of them, by `scripts/make-chat-fixture.py`.
fn fixture() -> Value {
    serde_json::from_str(include_str!("fixture.json")).unwrap()
}

fn template(source: &str) -> ChatTemplate {
    ChatTemplate::new(source, Some("<s>"), Some("</s>"))
}

#[test]
fn conversations_are_those_of_transformers() {
    let fixture = fixture();
    let cases = fixture["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 36);
    for case in cases {
        let name = case["template"].as_str().unwrap();
        let template = template(fixture["templates"][name].as_str().unwrap());
        let text = |field: &str| case[field].as_str().unwrap();
        match (
            template.render(text("system"), text("user")),
            &case["refusal"],
        ) {
            (Ok(found), Value::Null) => assert_eq!(found, text("text"), "{name}"),
            (Err(ChatError::Refused { message }), Value::String(expected)) => {
                assert_eq!(&message, expected, "{name}");
            }
            (found, expected) => panic!("{name}: {found:?}, expected {expected}"),
        }
    }
}

#[test]
fn a_turn_is_the_conversation_without_the_users_text() {
    let fixture = fixture();
    for case in fixture["cases"].as_array().unwrap() {
        let name = case["template"].as_str().unwrap();
        let template = template(fixture["templates"][name].as_str().unwrap());
        let (Some(text), Some(user)) = (case["text"].as_str(), case["user"].as_str()) else {
            continue;
        };
        let turn = template.turn(case["system"].as_str().unwrap()).unwrap();
        let user = if turn.trims { user.trim() } else { user };
        assert_eq!(
            format!("{}{user}{}", turn.before, turn.after),
            text,
            "{name}"
        );
    }
}

#[test]
fn templates_that_cannot_be_used_are_refused() {
    let refused = |source: &str| template(source).turn("").unwrap_err().to_string();
    for (source, words) in [
        (
            "{{ raise_exception('Only tools') }}",
            "refuses the prompt: Only tools",
        ),
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{{ a }}{% endfor %}{% endfor %}",
            "takes more than 1000000 steps",
        ),
        (
            "{% for message in messages %}",
            "cannot be used: syntax error",
        ),
        (
            "{{ messages | unheard_of }}",
            "cannot be used: unknown filter",
        ),
        ("no text", "writes the user's text 0 times"),
        (
            "{{ messages[0].content }}{{ messages[0].content }}",
            "writes the user's text 2 times",
        ),
    ] {
        let text = refused(source);
        assert!(text.contains(words), "{source}: {text}");
    }
}

#[test]
fn a_folders_template_is_found_in_each_of_its_places() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    assert_eq!(ChatTemplate::of_folder(folder.path()).unwrap(), None);
    write(
        "tokenizer_config.json",
        r#"{"bos_token": {"content": "<s>"}, "chat_template": [{"name": "other", "template": "x"},
            {"name": "default", "template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}"}]}"#,
    );
    write("special_tokens_map.json", r#"{"eos_token": "</s>"}"#);
    let text = |user| {
        let template = ChatTemplate::of_folder(folder.path()).unwrap().unwrap();
        template.render("", user).unwrap()
    };
    assert_eq!(text("hi"), "<s>hi</s>");
    write("chat_template.jinja", "[{{ messages[0].content }}]");
    assert_eq!(text("hi"), "[hi]");
    write("tokenizer_config.json", "{");
    let error = ChatTemplate::of_folder(folder.path()).unwrap_err();
    assert!(
        error.to_string().contains("tokenizer_config.json"),
        "{error}"
    );
}

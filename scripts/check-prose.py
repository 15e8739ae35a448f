#!/usr/bin/env python3
"""Checks the language of documents, and of comments in Rust files.

    scripts/check-prose.py                    documents and Rust files that scripts/prose.toml names
    scripts/check-prose.py FILE.md ...        these documents
    scripts/check-prose.py --rust PATH ...    comments of these Rust files or folders
    scripts/check-prose.py --rust PATH --strings   string literals too (banned words only)
    scripts/check-prose.py --self-test        every rule fires, and does not fire, where it should

Rules: words that docs/CONTRIBUTING.md bans, sentences of at most 25 words, lines of at most 100
columns, links and paths to what exists, and code blocks of TOML and Python that parse. A code span
counts as one word. Tables and headings are checked for banned words only.

A finding is `FILE:LINE: RULE: TEXT`; the exit code is then 1. A line, or the line after it, is exempt
from banned words and the sentence limit with `<!-- prose: allow RULE -->` in Markdown and
`// prose: allow RULE` in Rust. Only Python's standard library is needed (3.11 or newer).
"""

import argparse
import dataclasses
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIG = Path("scripts/prose.toml")
MAX_WORDS = 25
MAX_COLUMNS = 100


@dataclasses.dataclass(frozen=True)
class Banned:
    """A word or phrase, what to write instead, and texts in which it must and must not be found."""

    name: str
    pattern: str
    instead: str
    fires: tuple[str, ...]
    silent: tuple[str, ...] = ()

    def matches(self, text):
        return re.finditer(self.pattern, text, re.IGNORECASE)


COMPARATIVE = "longer|more|less|fewer|greater|larger|smaller|faster|slower|better|worse|later|earlier|different"

BANNED = [
    Banned("tell", r"\b(?:tells?|told|telling)\b", "say, report, print, show, set",
           ("The plan tells the key.", "unless told otherwise"), ("a teller", "retold")),
    Banned("ask", r"\b(?:ask|asks|asked|asking)\b", "prompt, query, request",
           ("The model is asked.", "It asks for scores."), ("a task", "masked", "basks")),
    Banned("stand", r"\b(?:stands?|stood|standing)\b(?!-in)", "is, comes, appears; stand-in as a noun is fine",
           ("Its loss stands alone.", "it stood\nthere"), ("a stand-in", "two stand-ins", "understand", "standard")),
    Banned("beside", r"\bbeside\b", "next to, besides, with", ("a peer beside it",), ("besides",)),
    Banned("behind", r"\bbehind\b", "after", ("a vector behind the title",), ("hind",)),
    Banned("room", r"\brooms?\b", "module, space", ("a room of the program",), ("headroom", "roomy")),
    Banned("floor", r"\bfloors?\b", "baseline, layer", ("Popularity is a floor.",), ("flooring",)),
    Banned("door", r"\bdoors?\b", "command line, entry point", ("the only door to the disk",), ("doorway", "indoor")),
    Banned("house", r"(?<!-)\bhouses?\b", "folder, program", ("a house of modules",), ("in-house", "warehouse")),
    Banned("bend", r"\b(?:bends?|bent)\b", "activation", ("a norm and a bend",), ("bender",)),
    Banned("lean", r"\b(?:leans?|leaning|leaned)\b", "depends on, weighted", ("a vector that leans to it",), ("clean",)),
    Banned("spell", r"\b(?:spells?|spelled|spelt|spellers?)\b", "tokenize, write",
           ("Texts are spelled by a thread.",), ("with its spelling", "misspelled")),
    Banned("piece", r"\bpieces?\b", "token, part", ("It has no piece for it.",), ("SentencePiece", "piecewise")),
    Banned("remark", r"\bremark(?:s|ed|ing)?\b", "warning, note, count", ("That is remarked.",), ("remarkable",)),
    Banned("wish", r"\bwish(?:es|ed|ing)?\b", "request, setting", ("the wish of a user",), ("swish", "wishful")),
    Banned("happening", r"\bhappenings?\b", "event", ("a happening of a stage",), ("what happens",)),
    Banned("heed", r"\bheed(?:s|ed|ing)?\b", "use, read", ("Nothing would heed them.",), ("heedless",)),
    Banned("anew", r"\banew\b", "again", ("It is written anew.",), ("a new file",)),
    Banned("nobody", r"\b(?:nobody|everybody)\b", "no user, all users", ("It measures nobody.",), ("no body",)),
    Banned("mend", r"\bmend(?:s|ed|ing)?\b", "fix", ("Mend what failed.",), ("amend", "recommend")),
    Banned("hear", r"\b(?:hears?|heard|hearing)\b", "receive, read", ("The pool hears of it.",), ("heart", "shear")),
    Banned("go on", r"\b(?:go|goes|going|went|gone)\s+on\b", "continue, resume",
           ("A killed run goes on.", "It goes\non."), ("and so on", "ongoing")),
    Banned("come back", r"\b(?:come|comes|came|coming)\s+back\b", "resume, return", ("It comes back.",), ("a comeback",)),
    Banned("so many", r"\bso\s+(?:many|much)\b(?!\s+that)", "a number of, N",
           ("a title of so many tokens",), ("so many that it stops", "as many")),
    Banned("of its own", r"\bof\s+(?:its|their|one's|his)\s+own\b", "its own ..., a separate ...",
           ("a process of its own",), ("its own process", "data of your own")),
    Banned("without a word", r"\bwithout\s+a\s+word\b", "by default, silently", ("It is done without a word.",), ()),
    Banned("is no", rf"(?<!there )(?<!there\n)\b(?:is|are|was|were)\s+no\s+(?!(?:{COMPARATIVE})\b)\w+",
           "is not a, has no, is missing",
           ("`x` is no number.", "They are no\nfiles."), ("There is no file.", "It is no longer here.", "is not a number")),
    Banned("has not", r"\b(?:has|have|had)\s+not(?=\s*(?:[.,;:)]|$|\s+(?:a|any|the)\b))", "has no, lacks",
           ("an item that the user has not", "It has not, and fails."), ("It has not been read.", "have not run")),
]

ABBREVIATIONS = re.compile(r"(?:\b(?:e\.g|i\.e|al|vs|cf|etc|Fig|Eq|No|Sec|approx)|\b[A-Z])\.$")
ALLOW = re.compile(r"prose:\s*allow\b[ \t]*([\w -]*?)\s*(?:-->|$)")
FENCE = re.compile(r"^\s*(```+|~~~+)")
LIST_ITEM = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+")
HEADING = re.compile(r"^#{1,6}\s")
COMMENT_LINE = re.compile(r"^\s*<!--.*-->\s*$")


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of prose with its number in the file; `width` is that of the whole line in the file."""

    number: int
    text: str
    width: int


@dataclasses.dataclass(frozen=True)
class Finding:
    """A place where a rule does not hold."""

    line: int
    rule: str
    text: str


class Exempt:
    """Lines on which a rule is allowed; a marker with no rule allows all rules."""

    def __init__(self):
        self.rules = {}

    def note(self, line, text):
        match = ALLOW.search(text)
        if match:
            for number in (line, line + 1):
                self.rules.setdefault(number, set()).add(match.group(1).strip())

    def covers(self, line, rule):
        return bool({rule, ""} & self.rules.get(line, set()))


def plain(text):
    """`text` without code spans, links' targets and HTML, with every line break where it was."""
    def keep_breaks(match, word):
        return word + "\n" * match.group(0).count("\n")
    text = re.sub(r"<!--.*?-->", lambda m: keep_breaks(m, ""), text, flags=re.DOTALL)
    text = re.sub(r"(`+)(?!`).+?(?<!`)\1(?!`)", lambda m: keep_breaks(m, "CODE"), text, flags=re.DOTALL)
    text = re.sub(r"(?<=\])\([^()\s]*\)|(?<=\])\[[^\[\]]*\]", "", text)
    text = re.sub(r"<https?:[^>]*>|https?://\S+", "LINK", text)
    return re.sub(r"</?[a-z][^<>]*>", "", text)


def sentences(text):
    """Sentences of a plain text with their offsets."""
    start = 0
    for match in re.finditer(r"[.!?][)\"'*_\]]*(?=\s+(?:\[|[(\"'*_]*[A-Z0-9]))", text):
        end = match.end()
        if match.group(0)[0] == "." and ABBREVIATIONS.search(text[start:match.start() + 1]):
            continue
        yield start, text[start:end]
        start = end
    yield start, text[start:]


def words(sentence):
    return [word for word in sentence.split() if re.search(r"\w", word)]


def check_paragraph(lines, exempt, with_sentences):
    """Findings in lines that belong together: a paragraph, a list item, a row, a heading."""
    text = plain("\n".join(line.text for line in lines))
    found = []

    def number(offset):
        return lines[min(text.count("\n", 0, offset), len(lines) - 1)].number

    for rule in BANNED:
        for match in rule.matches(text):
            line = number(match.start())
            if not exempt.covers(line, rule.name):
                shown = " ".join(match.group(0).split())
                found.append(Finding(line, rule.name, f"`{shown}`: write {rule.instead}"))
    for offset, sentence in sentences(text) if with_sentences else ():
        offset += len(sentence) - len(sentence.lstrip())
        line, count = number(offset), len(words(sentence))
        if count > MAX_WORDS and not exempt.covers(line, "sentence"):
            start = " ".join(sentence.split()[:8])
            found.append(Finding(line, "sentence", f"{count} words, at most {MAX_WORDS}: {start} ..."))
    return found


def check_prose(lines):
    """Findings in Markdown given line by line."""
    exempt, found, paragraph, fence = Exempt(), [], [], None
    for line in lines:
        exempt.note(line.number, line.text)

    def close():
        if paragraph:
            found.extend(check_paragraph(paragraph, exempt, True))
            paragraph.clear()

    for line in lines:
        text = line.text
        mark = FENCE.match(text)
        if fence or mark:
            close()
            if fence and mark and mark.group(1).startswith(fence) and text.strip() == mark.group(1):
                fence = None
            elif not fence:
                fence = mark.group(1)
            continue
        table, heading = text.lstrip().startswith("|"), HEADING.match(text)
        if table or heading:
            close()
            found.extend(check_paragraph([line], exempt, False))
            if heading:
                continue
        elif not text.strip() or COMMENT_LINE.match(text):
            close()
        else:
            if LIST_ITEM.match(text):
                close()
                line = dataclasses.replace(line, text=LIST_ITEM.sub("", text))
            paragraph.append(line)
        link = re.match(r"\s*(?:!\[|\[[^\]]+\]: )", text) or len(text.split()) == 1
        if line.width > MAX_COLUMNS and not table and not link and not exempt.covers(line.number, "columns"):
            found.append(Finding(line.number, "columns", f"{line.width}, at most {MAX_COLUMNS}: {text.strip()[:40]} ..."))
    close()
    return found


def check_markdown(text):
    lines = text.splitlines()
    return check_prose([Line(number, line, len(line)) for number, line in enumerate(lines, 1)])


def without_code(text):
    """`text` without code blocks and code spans, with every line where it was."""
    text = re.sub(r"^\s*(```+).*?^\s*\1\s*$", lambda m: "\n" * m.group(0).count("\n"), text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`\n]+`", "", text)


def check_paths(text):
    """Code spans of a document that name a file or folder of the repository which does not exist."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        for path in re.findall(r"`((?:src|crates|tests|scripts|benches)/[\w./-]+)`", line):
            if not re.search(r"\b(?:NAME|KIND)\b", path) and not (ROOT / path).exists():
                found.append(Finding(number, "path", f"no such file or folder: {path}"))
    return found


def check_code(text):
    """Code blocks of a document that are not valid TOML or Python."""
    found = []
    for match in re.finditer(r"^```(toml|python)\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
        language, code = match.groups()
        first = text.count("\n", 0, match.start(2)) + 1
        try:
            tomllib.loads(code) if language == "toml" else compile(code, language, "exec")
        except tomllib.TOMLDecodeError as error:
            found.append(Finding(first, "code", f"not TOML: {error}, counted from the block's first line"))
        except SyntaxError as error:
            found.append(Finding(first + error.lineno - 1, "code", f"not Python: {error.msg}"))
    return found


def anchors(text):
    """Anchors that GitHub gives to the headings of a document."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def check_links(path, text):
    """Links of a document to files and headings that do not exist."""
    found = []
    for number, line in enumerate(without_code(text).splitlines(), 1):
        for target in re.findall(r"\]\(([^()\s]+)\)", line):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            file = path.parent / name if name else path
            if not file.exists():
                found.append(Finding(number, "link", f"no such file: {target}"))
            elif anchor and anchor not in anchors(file.read_text(encoding="utf-8")):
                found.append(Finding(number, "link", f"no such heading: {target}"))
    return found


RUST = re.compile(
    r"""(?P<comment>//[^\n]*)
      | (?P<block>/\*.*?\*/)
      | (?P<raw>\b(?:b|c)?r(?P<hashes>\#*)".*?"(?P=hashes))
      | (?P<string>(?:\bb|\bc)?"(?:\\.|[^"\\])*")
      | (?P<char>'(?:\\u\{[^}]*\}|\\.|[^'\\\n])')""",
    re.DOTALL | re.VERBOSE,
)


def rust_parts(text):
    """Line comments as (line number, marker, text) and strings as (line number, text) of a Rust file."""
    comments, strings = [], []
    for match in RUST.finditer(text):
        number = text.count("\n", 0, match.start()) + 1
        if match.group("comment"):
            marker, body = re.match(r"(//[/!]?) ?(.*)", match.group("comment")).groups()
            first = text.rfind("\n", 0, match.start()) + 1
            alone = not text[first:match.start()].strip()
            comments.append((number, marker if alone else None, body, match.end() - first))
        elif match.group("string") or match.group("raw"):
            literal = match.group(0)
            strings.append((number, literal[literal.index('"') + 1:literal.rindex('"')]))
    return comments, strings


def check_rust(text, with_strings=False):
    comments, strings = rust_parts(text)
    exempt = Exempt()
    found, block, previous = [], [], None
    for number, _, body, _ in comments:
        exempt.note(number, body)
    for number, marker, body, width in comments:
        if ALLOW.search(body) and marker:
            continue
        line = Line(number, body, width)
        if previous != (number - 1, marker) or marker is None:
            found.extend(check_prose(block))
            block = []
        block.append(line)
        previous = (number, marker)
    found.extend(check_prose(block))
    for number, literal in strings if with_strings else ():
        # A line break that a backslash takes out of the literal is a line break in the file.
        lines = [Line(number + at, line.rstrip("\\"), 0) for at, line in enumerate(literal.split("\n"))]
        if len(literal.split()) >= 3:
            found.extend(check_paragraph(lines, exempt, False))
    kept = {finding for finding in found if not exempt.covers(finding.line, finding.rule)}
    return sorted(kept, key=lambda finding: (finding.line, finding.rule))


def rust_files(path):
    return sorted(path.rglob("*.rs")) if path.is_dir() else [path]


def configured():
    """Documents and Rust files that must pass, by scripts/prose.toml."""
    with open(ROOT / CONFIG, "rb") as file:
        config = tomllib.load(file)
    documents = {path for pattern in config["documents"] for path in ROOT.glob(pattern)}
    gone = [path for path in config["rust"] if not (ROOT / path).exists()]
    if gone:
        sys.exit(f"{CONFIG}: no such file or folder: {', '.join(gone)}")
    return sorted(documents), [file for path in config["rust"] for file in rust_files(ROOT / path)]


def self_test():
    """Every rule fires on its own examples and is silent on the others; so do the limits and the parsers."""
    def rules(findings):
        return [finding.rule for finding in findings]

    for rule in BANNED:
        for text in rule.fires:
            assert rule.name in rules(check_markdown(text)), f"{rule.name} does not fire: {text!r}"
            marked = f"<!-- prose: allow {rule.name} -->\n{text.splitlines()[0]}"
            assert rule.name not in rules(check_markdown(marked)), f"{rule.name} ignores its marker: {text!r}"
        for text in rule.silent:
            assert rule.name not in rules(check_markdown(text)), f"{rule.name} fires: {text!r}"
    long = "word " * 13 + "\n" + "word " * 12 + "end."
    short = "Word " * 13 + "\n" + "word " * 11 + "end."
    row = long.replace("\n", "")
    for text, expected in [
        (long, ["sentence"]),
        (short, []),
        (short + "\n" + short, []),
        ("Kang et al. 2018 and others\n" + short, ["sentence"]),
        ("`a long span of many words is one word` and\n" + "word " * 18, []),
        ("| " + row + " |", []),
        ("# " + row, []),
        ("# Rooms", ["room"]),
        ("| room | b |", ["room"]),
        ("```\n" + row + "\nrooms\n```", []),
        ("    ```toml\n    rooms\n    ```\nfloor", ["floor"]),
        ("[a module](rooms.md#floor) `room` https://room.org/floor", []),
        ("![" + "x " * 60 + "](a.svg)", ["sentence"]),
        ("x" * 120, []),
        ("x. X " * 20 + "xx.", ["columns"]),
        ("- word\n- " + long, ["sentence"]),
        ("- " + short + "\n- " + short.lower(), []),
        ("<!-- prose: allow -->\nroom and floor", []),
        ("room <!-- prose: allow room --> and floor", ["floor"]),
    ]:
        found = check_markdown(text)
        assert rules(found) == expected, (text, found)
    here = "# `[model.NAME.x_y]` and More\n[a](#modelnamex_y-and-more) [b](#more)\n[c](none.md) `[d](none.md)`"
    links = [(finding.line, finding.text) for finding in check_links(Path("nowhere.md"), here) if "none" in finding.text]
    assert links == [(3, "no such file: none.md")], links
    assert anchors(here) == {"modelnamex_y-and-more"}, anchors(here)
    paths = "`scripts/check-prose.py` `src/NAME.rs`\n`src/main.rs`, `src/none.rs`"
    assert [(finding.line, finding.rule) for finding in check_paths(paths)] == [(2, "path")]
    for code, lines in [
        ("```toml\na = 1\nb = 2\n```", []),
        ("text\n```toml\na = 1 b = 2\n```", [3]),
        ("```python\na = 1\nif a: b =\n```", [3]),
        ("```\na = 1 b = 2\n```", []),
    ]:
        assert [finding.line for finding in check_code(code)] == lines, check_code(code)
    assert check_markdown("one\ntwo\nis no\nroom")[0].line == 4
    code = '/// A room.\nfn room() { let a = "// a floor of it"; } // behind it\n// prose: allow door\n// a door\n'
    assert [(f.line, f.rule) for f in check_rust(code)] == [(1, "room"), (2, "behind")], check_rust(code)
    assert (2, "floor") in [(f.line, f.rule) for f in check_rust(code, True)]
    assert check_rust("fn quote() -> char { '\"' } // a room")[0].rule == "room"
    assert check_rust("let text = r#\"a \"room\" // floor\"#;") == []
    assert check_rust("/// ```\n/// room();\n/// ```\n") == []
    two = "/// " + "word " * 14 + "\n/// " + "word " * 14 + "\n"
    assert rules(check_rust(two)) == ["sentence"], check_rust(two)
    assert check_rust(two.replace("\n/// ", "\n\n/// ")) == []
    assert rules(check_rust("// " + "word. Two " * 12)) == ["columns"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("documents", nargs="*", type=Path)
    parser.add_argument("--rust", action="extend", nargs="+", type=Path, default=[])
    parser.add_argument("--strings", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if options.self_test:
        self_test()
        return 0
    documents, rust = options.documents, [file for path in options.rust for file in rust_files(path)]
    if not documents and not rust:
        documents, rust = configured()
    count = 0
    for path in documents + rust:
        text = path.read_text(encoding="utf-8")
        if path in documents:
            found = check_markdown(text) + check_links(path, text)
            found += check_paths(text) + check_code(text)
        else:
            found = check_rust(text, options.strings)
        shown = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for finding in sorted(found, key=lambda finding: finding.line):
            print(f"{shown}:{finding.line}: {finding.rule}: {finding.text}")
        count += len(found)
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())

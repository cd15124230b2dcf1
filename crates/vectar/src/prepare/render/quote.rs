//! Text of others in shell scripts and in Markdown.

/// One word of a shell, whatever is in it: single quotes, in which nothing is special but themselves.
pub(super) fn sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// Text in a line of Markdown: nothing in it marks anything up, and it stays on its line.
pub(super) fn md(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            character if character.is_control() => safe.extend(character.escape_default()),
            // Marks that reorder what is around them can make one name look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => safe.extend(character.escape_default()),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' => safe.extend(['\\', character]),
            character => safe.push(character),
        }
    }
    safe
}

/// A block of code that no line of it can end.
pub(super) fn block(language: &str, code: &str) -> String {
    let longest = code.split(|character| character != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}{language}\n{}\n{fence}\n", code.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_gets_out_of_its_quotes() {
        assert_eq!(sh("it's $(id) `id` \"x\""), r#"'it'\''s $(id) `id` "x"'"#);
        assert_eq!(md("a|b `c` <d>\n# e"), r"a\|b \`c\` \<d\>\n\# e");
        assert_eq!(block("sh", "echo ```` x"), "`````sh\necho ```` x\n`````\n");
        assert_eq!(block("sh", "echo"), "```sh\necho\n```\n");
    }
}

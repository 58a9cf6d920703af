//! A command line split into words, as AWS's agent does it inside containers: quotes and backslashes count, and there is no
//! shell, so that a container needs none.

/// The words; `None` when a quote is not closed.
pub(super) fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            letter if letter.is_whitespace() => words.extend(word.take()),
            '#' if word.is_none() => break,
            '\\' => word.get_or_insert_default().push(letters.next()?),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '\'' => break,
                        letter => word.push(letter),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match letters.next()? {
                        '"' => break,
                        '\\' => word.push(letters.next()?),
                        letter => word.push(letter),
                    }
                }
            }
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn words_are_split_without_a_shell() {
        let cases: [(&str, Option<&[&str]>); 10] = [
            ("/bin/sh", Some(&["/bin/sh"])),
            ("  ls  -l\t/ ", Some(&["ls", "-l", "/"])),
            (
                "sh -c 'echo $HOME; exit 3'",
                Some(&["sh", "-c", "echo $HOME; exit 3"]),
            ),
            (r#"echo "a \"b\" c" d\ e"#, Some(&["echo", r#"a "b" c"#, "d e"])),
            ("a''b \"\"", Some(&["ab", ""])),
            ("ls # all", Some(&["ls"])),
            ("", Some(&[])),
            ("echo 'open", None),
            ("echo \"open", None),
            ("echo \\", None),
        ];
        for (line, words) in cases {
            let found = split(line);
            let found: Option<Vec<&str>> = found
                .as_ref()
                .map(|found| found.iter().map(String::as_str).collect());
            assert_eq!(found.as_deref(), words, "{line}");
        }
    }
}

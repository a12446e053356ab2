//! Why a guest trapped, as its language's runtime wrote it to stderr.

/// What says most among the last errors: a panic's message, an uncaught exception's, or else the last line.
pub(crate) fn among(errors: &[String]) -> Option<String> {
    // Python's runtime is written in Rust, and panics after it told the exception.
    let languages = [go, python, javascript, rust];
    languages.iter().find_map(|language| language(errors)).or_else(|| errors.last().cloned())
}

/// The errors from the last one on that begins a report.
fn since(errors: &[String], begins: impl Fn(&str) -> bool) -> Option<&[String]> {
    errors.iter().rposition(|line| begins(line)).map(|at| &errors[at..])
}

/// `panic: …` or `fatal error: …`, before the stacks of all goroutines.
fn go(errors: &[String]) -> Option<String> {
    since(errors, |line| line.starts_with("panic: ") || line.starts_with("fatal error: "))?.first().cloned()
}

/// The exception's message, and the stack after `Stack:`.
fn javascript(errors: &[String]) -> Option<String> {
    let stack = errors.iter().rposition(|line| line == "Stack:")?;
    errors.get(stack.checked_sub(1)?).cloned()
}

/// `thread 'main' panicked at src/lib.rs:7:9:`, and the message on the next line.
fn rust(errors: &[String]) -> Option<String> {
    let report = since(errors, |line| line.starts_with("thread '") && line.contains(" panicked at "))?;
    let (_, place) = report.first()?.split_once(" panicked at ")?;
    let message = report.get(1).map_or("(no message)", String::as_str);
    Some(format!("panicked at {}: {message}", place.trim_end_matches(':')))
}

/// `Traceback (most recent call last):`, the indented stack, and the exception with its message.
fn python(errors: &[String]) -> Option<String> {
    let report = since(errors, |line| line == "Traceback (most recent call last):")?;
    report.iter().skip(1).find(|line| !line.starts_with(' ')).cloned()
}

#[cfg(test)]
mod tests {
    use super::among;

    fn found(text: &str) -> Option<String> {
        among(&text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn each_languages_report_has_its_message() {
        let go = "before\npanic: runtime error: index out of range [3] with length 3\n\ngoroutine 1 [running]:\nmain.deliver(...)\n\t/src/main.go:12 +0x1d";
        assert_eq!(found(go).unwrap(), "panic: runtime error: index out of range [3] with length 3");
        let rust = "thread 'main' panicked at src/lib.rs:7:9:\nboom\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        assert_eq!(found(rust).unwrap(), "panicked at src/lib.rs:7:9: boom");
        let python = "Traceback (most recent call last):\n  File \"app.py\", line 3, in deliver\n    x = {}[\"a\"]\nKeyError: 'a'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  File \"app.py\", line 5, in deliver\n    raise ValueError(\"boom\")\nValueError: boom";
        assert_eq!(found(python).unwrap(), "ValueError: boom");
    }

    /// As componentize-py 0.25.1 and componentize-js 0.23.0 wrote it.
    #[test]
    fn what_a_languages_runtime_says_of_its_own_end_is_not_the_message() {
        let python = "Traceback (most recent call last):\n  File \"/0/app.py\", line 10, in deliver\nKeyError: 'missing-key'\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1293:29:\nPython function threw an unexpected exception\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
        assert_eq!(found(python).unwrap(), "KeyError: 'missing-key'");
        let javascript = "can't access property \"tag\", variant22 is undefined\nStack:\n  export_provider_0_1_0$deliver@initializer.js:1058:15\nRedirecting call to abort() to mozalloc_abort";
        assert_eq!(found(javascript).unwrap(), "can't access property \"tag\", variant22 is undefined");
    }

    #[test]
    fn without_a_report_it_is_the_last_line() {
        assert_eq!(found("one\ntwo").unwrap(), "two");
        assert_eq!(found(""), None);
    }
}

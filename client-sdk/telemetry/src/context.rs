//! Where a request belongs that comes in: the trace that its sender began (W3C Trace Context, <https://www.w3.org/TR/trace-context/>), and the
//! request's id. Both are claims, good for finding things and for nothing else.

/// Where the trace is told.
pub const TRACEPARENT: &str = "traceparent";
/// Where proxies tell their own id of a request.
pub const REQUEST_ID: &str = "x-request-id";

/// The longest id of a request that is believed to be one.
const LONGEST_REQUEST_ID: usize = 128;

/// A `traceparent` that is well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent<'a> {
    /// 32 hex digits.
    pub trace_id: &'a str,
    /// 16 hex digits.
    pub parent_id: &'a str,
    /// Whether its sender exports it.
    pub is_sampled: bool,
}

impl<'a> TraceParent<'a> {
    /// Reads the header's value. One that is not well-formed is as good as none (section 4.3 of the document).
    pub fn read(value: &'a [u8]) -> Option<Self> {
        let value = str::from_utf8(value).ok()?;
        let mut parts = value.splitn(5, '-');
        let version = hex(parts.next()?, 2)?;
        let trace_id = hex(parts.next()?, 32)?;
        let parent_id = hex(parts.next()?, 16)?;
        let flags = hex(parts.next()?, 2)?;
        let is_zero = |digits: &str| digits.bytes().all(|digit| digit == b'0');
        let has_more = parts.next().is_some();
        if version == "ff"
            || (version == "00" && has_more)
            || is_zero(trace_id)
            || is_zero(parent_id)
        {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self {
            trace_id,
            parent_id,
            is_sampled: flags & 1 == 1,
        })
    }
}

/// The digits, where they are so many, in lower case.
fn hex(text: &str, count: usize) -> Option<&str> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    (text.len() == count && text.bytes().all(is_digit)).then_some(text)
}

/// A request's id, where it is short and plain enough for a log.
pub fn request_id(value: &[u8]) -> Option<&str> {
    let text = str::from_utf8(value).ok()?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    (!text.is_empty() && text.len() <= LONGEST_REQUEST_ID && is_plain).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_trace_parent_is_read_as_the_document_says() {
        let of = |version: &str, flags: &str| {
            let text = format!("{version}-{TRACE}-{SPAN}-{flags}");
            TraceParent::read(text.as_bytes()).map(|read| {
                assert_eq!((read.trace_id, read.parent_id), (TRACE, SPAN));
                read.is_sampled
            })
        };
        assert_eq!(of("00", "01"), Some(true));
        assert_eq!(of("00", "00"), Some(false));
        assert_eq!(of("00", "03"), Some(true), "flags of later versions");
        assert_eq!(of("cc", "01-what-will-come"), Some(true), "a later version");
        assert_eq!(of("00", "01-more"), None);
        assert_eq!(of("ff", "01"), None);
        assert_eq!(of("00", "1"), None);
        assert_eq!(of("0", "01"), None);
    }

    #[test]
    fn what_is_not_one_is_none() {
        let zero = "0".repeat(32);
        for text in [
            String::new(),
            TRACE.to_owned(),
            format!("00-{zero}-{SPAN}-01"),
            format!("00-{TRACE}-{}-01", &zero[..16]),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
            format!("00-{TRACE}é-{SPAN}-01"),
            format!("00-{TRACE}-{SPAN}"),
        ] {
            assert_eq!(TraceParent::read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_request_id_is_short_and_plain() {
        assert_eq!(request_id(b"7f1c-2"), Some("7f1c-2"));
        for bad in [&b""[..], b"a b", b"a\nb", b"\xff", &[b'a'; 129]] {
            assert_eq!(request_id(bad), None);
        }
    }
}

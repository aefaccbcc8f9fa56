//! Server-sent events: bytes in, events out, as the WHATWG HTML standard §9.2.6 reads a stream. Knows no protocol.

use super::wire::MAX_REPLY_BYTES;

/// One event of a stream. `name` is empty where the stream gave none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub name: String,
    pub data: String,
}

/// An event or a line is larger than [`MAX_REPLY_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Oversized;

/// Cuts a byte stream into events; chunks may end anywhere, also within a character.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    name: String,
    data: String,
    has_data: bool,
    /// The last byte was a CR: an LF that follows belongs to the same line end.
    after_cr: bool,
    first_line_seen: bool,
}

impl Decoder {
    /// The events that `chunk` completes.
    ///
    /// # Errors
    /// [`Oversized`] before the memory is spent.
    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<Vec<Event>, Oversized> {
        let mut events = Vec::new();
        let mut rest = chunk;
        if self.after_cr && rest.first() == Some(&b'\n') {
            rest = &rest[1..];
        }
        if !chunk.is_empty() {
            self.after_cr = false;
        }
        while let Some(end) = rest.iter().position(|b| matches!(b, b'\n' | b'\r')) {
            self.line.extend_from_slice(&rest[..end]);
            self.guard()?;
            events.extend(self.end_line());
            let crlf = rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n');
            self.after_cr = rest[end] == b'\r' && end + 1 == rest.len();
            rest = &rest[end + 1 + usize::from(crlf)..];
        }
        self.line.extend_from_slice(rest);
        self.guard()?;
        Ok(events)
    }

    /// What was begun when the stream ended. The standard drops it; some servers forget the last empty line.
    pub(crate) fn end(&mut self) -> Option<Event> {
        if !self.line.is_empty() {
            let _ = self.end_line();
        }
        self.dispatch()
    }

    fn guard(&self) -> Result<(), Oversized> {
        if self.line.len() + self.data.len() > MAX_REPLY_BYTES {
            return Err(Oversized);
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let mut line = &*bytes;
        if !self.first_line_seen {
            self.first_line_seen = true;
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let event = if line.is_empty() {
            self.dispatch()
        } else {
            self.field(&String::from_utf8_lossy(line));
            None
        };
        // The buffer is kept: one allocation serves the whole stream.
        self.line = bytes;
        self.line.clear();
        event
    }

    fn field(&mut self, line: &str) {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.name),
            "data" => {
                if self.has_data {
                    self.data.push('\n');
                }
                self.has_data = true;
                self.data.push_str(value);
            }
            // Comments (an empty field name), `id`, `retry` and unknown fields carry nothing for us.
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then_some(Event { name, data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn every_way_to_cut_the_bytes_gives_the_same_events() {
        let stream = "\u{feff}: hello\r\nevent: a\r\ndata: {\"t\":\"Grüße 🦀\"}\r\n\r\n\rdata:one\ndata: two\n\
                      id: 7\nretry: 10\nnonsense\n\nevent: without data\n\ndata\n\n";
        let expected = vec![event("a", "{\"t\":\"Grüße 🦀\"}"), event("", "one\ntwo"), event("", "")];
        for size in 1..=stream.len() {
            let mut decoder = Decoder::default();
            let mut events = Vec::new();
            for chunk in stream.as_bytes().chunks(size) {
                events.extend(decoder.push(chunk).unwrap());
            }
            assert_eq!(events, expected, "in pieces of {size}");
            assert_eq!(decoder.end(), None);
        }
    }

    #[test]
    fn an_event_without_its_last_empty_line_is_given_at_the_end() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.push(b"data: [DONE]"), Ok(vec![]));
        assert_eq!(decoder.end(), Some(event("", "[DONE]")));
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut decoder = Decoder::default();
        let chunk = vec![b'x'; MAX_REPLY_BYTES / 2 + 1];
        assert_eq!(decoder.push(&chunk), Ok(vec![]));
        assert_eq!(decoder.push(&chunk), Err(Oversized));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(chunks: Vec<Vec<u8>>) {
            let mut decoder = Decoder::default();
            for chunk in &chunks {
                let _ = decoder.push(chunk);
            }
            let _ = decoder.end();
        }
    }
}

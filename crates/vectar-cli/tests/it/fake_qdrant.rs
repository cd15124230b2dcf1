//! A server that answers as it is told: what a real Qdrant 1.18.3 answered, written down, stands in for one. No Qdrant runs in tests.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// What a client asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) api_key: Option<String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    /// `PUT /collections/x`, without the query.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path.split('?').next().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A node. Its thread ends with the process.
pub(crate) struct FakeQdrant {
    pub(crate) url: String,
    log: Arc<Mutex<Vec<Request>>>,
}

impl FakeQdrant {
    /// Starts a node that answers each request with a status and a body.
    pub(crate) fn start(answer: impl Fn(&Request) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that goes away in the middle is none of our business.
                let _ = serve(stream.unwrap(), &answer, &kept);
            }
        });
        Self { url, log }
    }

    /// What was asked so far, and begins anew.
    pub(crate) fn asked(&self) -> Vec<Request> {
        std::mem::take(&mut self.log.lock().unwrap())
    }
}

fn serve(
    stream: TcpStream,
    answer: &impl Fn(&Request) -> (u16, String),
    log: &Mutex<Vec<Request>>,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut words = first.split_whitespace();
    let (method, path) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let (mut length, mut api_key, mut waits) = (0, None, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().unwrap(),
            "api-key" => api_key = Some(value.trim().to_owned()),
            "expect" => waits = true,
            _ => {}
        }
    }
    let mut stream = stream;
    if waits {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request = Request { method, path, api_key, body };
    let (status, text) = answer(&request);
    log.lock().unwrap().push(request);
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    )
}

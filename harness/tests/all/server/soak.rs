//! Crowds. None of them may end the server, leak a thread or a descriptor, raise its memory past a
//! bound, or disturb a download that is under way.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::apart::{Apart, Role};
use super::parts::package;

/// The most memory that the server may ever have, in KiB.
const MEMORY_MAX_KIB: usize = 64 * 1024;

/// What strangers say, each once and whole; the answer is waited for.
const SAID: [&[u8]; 8] = [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /\x1b]0;owned\x07\x1b[2J HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /t/../../../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /t/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
    b"\0\0\0\0",
];

/// What strangers do. Whatever the server makes of it, it comes to an end.
const DONE: [fn(TcpStream); 7] = [
    // pipelines
    |mut stream| {
        let many = b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1_000);
        // 200 000 requests, or until it has had enough.
        for _thousand in 0..200 {
            if stream.write_all(&many).is_err() {
                return;
            }
        }
    },
    // endless headers
    |mut stream| {
        let lines = b"X-Endless: yes\r\n".repeat(100);
        drop(stream.write_all(b"GET / HTTP/1.1\r\n"));
        while stream.write_all(&lines).is_ok() {}
    },
    // one endless line
    |mut stream| {
        let line = [b'x'; 64 * 1024];
        while stream.write_all(&line).is_ok() {}
    },
    // garbage
    |mut stream| {
        let garbage: Vec<u8> = (0..=255).cycle().take(100_000).collect();
        drop(stream.write_all(&garbage));
    },
    // half a request
    |mut stream| {
        drop(stream.write_all(b"GET / HTT"));
        drop(stream.shutdown(Shutdown::Write));
        drop(stream.read(&mut [0; 100]));
    },
    // a reset
    |stream| {
        drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
    },
    // asks and resets
    |mut stream| {
        drop(stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
        drop(socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)));
    },
];

/// How many connections are kept open at a time.
const KEPT_MAX: usize = 1_000;

/// A crowd of strangers: one round of it after the other.
#[derive(Default)]
struct Crowd {
    /// Idle connections, and heads that come a byte at a time.
    kept: Vec<TcpStream>,
    rounds: u32,
}

impl Crowd {
    fn round(&mut self, apart: &Apart) {
        for (last, done) in (10..).zip(DONE) {
            if let Ok(stream) = apart.connect_from(last) {
                done(stream);
            }
        }
        // Each power of two in its turn, and the numbers beside it.
        let size = 1_u64 << (self.rounds % 64);
        let lengths = [size - 1, size, size.wrapping_neg()].map(|length| {
            format!("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes()
        });
        let said = SAID.iter().map(|said| said.to_vec()).chain(lengths);
        for (last, said) in (30..).zip(said) {
            if let Ok(mut stream) = apart.connect_from(last) {
                drop(stream.write_all(&said));
                drop(stream.read(&mut [0; 100]));
            }
        }
        for (stream, byte) in self
            .kept
            .iter_mut()
            .zip(b"GET / HTTP/1.1\r\n".iter().cycle())
        {
            drop(stream.write_all(&[*byte]));
        }
        for number in 0..100_u8 {
            if let Ok(stream) = apart.connect_from(50 + number % 4) {
                self.kept.push(stream);
            }
        }
        self.kept.drain(..self.kept.len().saturating_sub(KEPT_MAX));
        self.rounds += 1;
    }
}

/// The attacks of slowhttptest (Debian: `slowhttptest`): slow heads, slow bodies, overlapping
/// ranges, slow readers.
fn slow_attacks(apart: &Apart) {
    let url = format!("http://{}/", apart.address);
    for mode in ["-H", "-B", "-R", "-X"] {
        let attack = std::process::Command::new("slowhttptest")
            .args([mode, "-c", "300", "-r", "100", "-l", "10", "-u", &url])
            .output();
        match attack {
            Ok(output) => {
                // It speaks in colours.
                let said = String::from_utf8_lossy(&output.stdout);
                let available = said.rsplit("service available:").next();
                let available = available.is_some_and(|rest| rest.contains("YES"));
                println!("slowhttptest {mode}: service available at the end: {available}");
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                crate::skipped::skipped("there is no `slowhttptest` on this machine");
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Attacks for so long, with a download under way all the time.
fn soak(apart: &Apart, how_long: Duration, mut attack: impl FnMut(&Apart)) {
    assert!(apart.download().body() == package());
    let (threads, descriptors) = (apart.threads(), apart.descriptors());
    let until = Instant::now() + how_long;
    let (mut rounds, mut most_threads, mut most_descriptors) = (0, threads, descriptors);
    let downloads = std::thread::scope(|scope| {
        let downloading = scope.spawn(|| {
            let mut downloads = 0;
            loop {
                assert!(apart.download().body() == package());
                downloads += 1;
                if Instant::now() >= until {
                    return downloads;
                }
            }
        });
        while !downloading.is_finished() {
            attack(apart);
            rounds += 1;
            most_threads = most_threads.max(apart.threads());
            most_descriptors = most_descriptors.max(apart.descriptors());
        }
        downloading.join().unwrap()
    });
    drop(attack);
    apart.settles_at(descriptors);
    let peak = apart.memory_peak_kib();
    println!(
        "{rounds} rounds of attacks, {downloads} downloads, all right; {threads} threads ({most_threads} at most), \
         {descriptors} descriptors ({most_descriptors} at most), {} MiB of memory at most",
        peak / 1024
    );
    assert_eq!(apart.threads(), threads);
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
    assert!(apart.download().body() == package());
}

#[test]
fn strangers_neither_end_it_nor_disturb_a_download() {
    let apart = Apart::start(Role::Usual);
    let mut crowd = Crowd::default();
    soak(&apart, Duration::from_secs(2), move |apart| {
        crowd.round(apart);
    });
    assert_eq!(apart.end(), Vec::<String>::new());
}

#[test]
#[ignore = "takes two minutes: `just soak-server`"]
fn strangers_neither_end_it_nor_disturb_a_download_for_a_minute() {
    let apart = Apart::start(Role::Usual);
    let mut crowd = Crowd::default();
    soak(&apart, Duration::from_secs(60), move |apart| {
        crowd.round(apart);
    });
    soak(&apart, Duration::from_secs(40), slow_attacks);
    assert_eq!(apart.end(), Vec::<String>::new());
}

#[test]
fn a_want_of_descriptors_passes() {
    let mut apart = Apart::start(Role::Poor);
    let descriptors = apart.descriptors();
    // They wait to be accepted; the system has completed them already.
    let crowd: Vec<_> = (0..60).map(|_| apart.connect_from(30).unwrap()).collect();
    let complaint = apart.complaint();
    drop(crowd);
    assert!(apart.download().body() == package());
    apart.settles_at(descriptors);
    for complaint in apart.end().iter().chain([&complaint]) {
        assert!(
            complaint.contains("cannot accept a connection"),
            "{complaint}"
        );
    }
}

#[test]
fn a_thousand_slow_readers_are_all_served_in_little_memory() {
    let apart = Apart::start(Role::Crowd);
    let mut readers: Vec<_> = (0..1_000)
        .map(|_| {
            let stream = apart.ask();
            socket2::SockRef::from(&stream)
                .set_recv_buffer_size(64 << 10)
                .unwrap();
            (stream, Vec::new())
        })
        .collect();
    let mut piece = vec![0; 64 << 10];
    let mut served = 0;
    while !readers.is_empty() {
        readers.retain_mut(|(stream, bytes)| match stream.read(&mut piece).unwrap() {
            0 => {
                assert!(bytes.ends_with(package()), "{} bytes", bytes.len());
                served += 1;
                false
            }
            count => {
                bytes.extend_from_slice(&piece[..count]);
                true
            }
        });
        if readers.len() == 1_000 {
            // While all of them wait, another is answered.
            let mut other = apart.ask();
            assert_ne!(other.read(&mut [0; 100]).unwrap(), 0);
        }
    }
    assert_eq!(served, 1_000);
    let peak = apart.memory_peak_kib();
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB");
    assert_eq!(apart.end(), Vec::<String>::new());
}

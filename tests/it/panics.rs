//! Panics that nobody sees: tokio catches the panic of a task, and a test whose connection task has
//! panicked goes on as if a client had left. Each server of the tests holds a [`Watch`], and a test
//! fails at its end when code that is not a test's own has panicked meanwhile.
//!
//! A panic cannot be laid at the door of one of the tests that run at the same time, so all of them fail.

use std::sync::{
    Once,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::Mutex;

static HOOKED: Once = Once::new();
static COUNT: AtomicUsize = AtomicUsize::new(0);
static PLACES: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Fails the test when it is dropped and something has panicked since it was made.
pub(crate) struct Watch {
    before: usize,
}

impl Watch {
    pub(crate) fn start() -> Self {
        HOOKED.call_once(|| {
            let usual = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                if let Some(place) = panic.location().filter(|place| !is_of_a_test(place.file())) {
                    PLACES.lock().push(place.to_string());
                    COUNT.fetch_add(1, Ordering::SeqCst);
                }
                usual(panic);
            }));
        });
        Self {
            before: COUNT.load(Ordering::SeqCst),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // A test that fails already says why.
        if !std::thread::panicking() && COUNT.load(Ordering::SeqCst) > self.before {
            let places = PLACES.lock()[self.before..].join(", ");
            panic!("panicked while this test ran: {places}");
        }
    }
}

/// Assertions of tests panic in their own files; that is their trade.
fn is_of_a_test(file: &str) -> bool {
    file.starts_with("tests/")
}

#[test]
fn a_panic_of_the_server_is_told_from_an_assertion_of_a_test() {
    assert!(is_of_a_test(file!()));
    for file in [
        "src/ws/socket.rs",
        "/registry/src/hyper-1.0.0/src/server.rs",
        "/rustc/0/library/core/src/option.rs",
    ] {
        assert!(!is_of_a_test(file));
    }
}

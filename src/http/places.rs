//! Places for connections: how many there may be, in all and from one address, and what one too many
//! is told. Streams keep the place of their connection.
//!
//! Not here: how many streams one caller may have open, which the streams count themselves.

use std::{collections::HashMap, io, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use super::App;

/// Clients that are told why they are turned away; more are just closed.
const TURNED_AWAY_MAX: usize = 64;
const TURNED_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// Counts connections, in all and by address.
pub struct Places {
    app: App,
    total_max: usize,
    per_address_max: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
    turned_away: usize,
}

/// Held while a connection lives, as a stream too.
pub struct Place {
    places: Arc<Places>,
    /// None: one who is being turned away.
    address: Option<IpAddr>,
}

impl Places {
    #[must_use]
    pub fn new(app: App, total_max: usize, per_address_max: usize) -> Arc<Self> {
        Arc::new(Self {
            app,
            total_max,
            per_address_max,
            taken: Mutex::default(),
        })
    }

    /// # Errors
    /// What to answer instead of a place, and a place for that; `None`: nothing, just hang up.
    pub fn take(self: &Arc<Self>, address: IpAddr) -> Result<Place, Option<(&'static str, Place)>> {
        let address = address.to_canonical();
        let mut taken = self.taken.lock();
        let own = taken.by_address.get(&address).copied().unwrap_or(0);
        let answer = if taken.total >= self.total_max {
            TOO_MANY
        } else if own >= self.per_address_max {
            TOO_MANY_OF_YOURS
        } else {
            taken.total += 1;
            taken.by_address.insert(address, own + 1);
            self.app.metrics.connections.increment(1.0);
            return Ok(Place {
                places: Arc::clone(self),
                address: Some(address),
            });
        };
        self.app.metrics.connections_refused.increment(1);
        if taken.turned_away >= TURNED_AWAY_MAX {
            return Err(None);
        }
        taken.turned_away += 1;
        Err(Some((
            answer,
            Place {
                places: Arc::clone(self),
                address: None,
            },
        )))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        let Some(address) = self.address else {
            taken.turned_away -= 1;
            return;
        };
        taken.total -= 1;
        if let Some(own) = taken.by_address.get_mut(&address) {
            *own -= 1;
            if *own == 0 {
                taken.by_address.remove(&address);
            }
        }
        self.places.app.metrics.connections.decrement(1.0);
    }
}

const TOO_MANY: &str = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\nconnection: close\r\n\r\n{\"type\":\"urn:doorbook:problem:too_many_connections\",\"title\":\"Too Many Requests\",\"status\":429,\"detail\":\"the server has as many connections as it takes\",\"code\":\"too_many_connections\"}";
const TOO_MANY_OF_YOURS: &str = "HTTP/1.1 429 Too Many Requests\r\ncontent-type: application/problem+json\r\nretry-after: 5\r\nconnection: close\r\n\r\n{\"type\":\"urn:doorbook:problem:too_many_connections\",\"title\":\"Too Many Requests\",\"status\":429,\"detail\":\"your address has as many connections as it may\",\"code\":\"too_many_connections\"}";

/// Tells a client why there is no place for it.
pub async fn turn_away(stream: TcpStream, answer: &str) {
    // Somebody who hangs up before reading why has been turned away all the same.
    if let Ok(Err(error)) = timeout(TURNED_AWAY_TIMEOUT, tell(stream, answer)).await {
        tracing::debug!(%error, "a client hung up");
    }
}

async fn tell(mut stream: TcpStream, answer: &str) -> io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // Closing with unread bytes resets the connection, and the answer would be lost with it.
    let mut unread = [0; 1024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

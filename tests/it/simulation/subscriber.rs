//! One client of a stream: connects, takes down what it is told and what the log's head was then, and
//! leaves, stops reading or asks for another place when it is told to. Nothing here judges.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use doorbook::events::ids::{Cursor, Epoch, Offset};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    net::TcpSocket,
    sync::{Notify, mpsc, watch},
    task::JoinHandle,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use super::{
    book::{Topic, Who},
    host::token,
    judge::{From, Seen, Visit},
};

/// What the kernel takes ahead of a narrow client, bytes.
const NARROW_BYTES: u32 = 16_384;

/// What all clients of one server share.
#[derive(Clone)]
pub(super) struct Ears {
    pub(super) address: SocketAddr,
    pub(super) epoch: Epoch,
    pub(super) head: watch::Receiver<Offset>,
    /// Somebody has seen something.
    pub(super) stirred: Arc<Notify>,
    /// Every place that anybody was ever told of, over all logs.
    pub(super) cursors: Arc<Mutex<Vec<Cursor>>>,
}

pub(super) struct Subscriber {
    /// What has been seen so far.
    pub(super) visit: Arc<Mutex<Visit>>,
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<()>,
    pub(super) stalled: bool,
}

#[derive(Debug)]
pub(super) enum Order {
    Stall,
    Release,
    Resume(From),
    Ask(&'static str),
    Close,
    Break,
}

/// The server's answer to the upgrade when it refuses.
pub(super) struct Refused(pub(super) Option<u16>);

impl Subscriber {
    pub(super) async fn connect(
        ears: &Ears,
        who: Who,
        topic: Topic,
        from: From,
        narrow: bool,
    ) -> Result<Self, Refused> {
        let visit = Visit {
            who,
            topic,
            from,
            head: *ears.head.borrow(),
            seen: Vec::new(),
        };
        let socket = TcpSocket::new_v4().unwrap();
        if narrow {
            socket.set_recv_buffer_size(NARROW_BYTES).unwrap();
        }
        let tcp = (socket.connect(ears.address).await).map_err(|_| Refused(None))?;
        let path = match topic {
            Topic::CheckIn(gathering) => format!("checkin/{gathering}"),
            Topic::Dashboard => "dashboard".to_owned(),
        };
        let query = if from == From::Nowhere {
            String::new()
        } else {
            format!("?from={from}")
        };
        let mut request = format!("ws://{}/ws/events/{path}{query}", ears.address)
            .into_client_request()
            .unwrap();
        let bearer = format!("Bearer {}", token(who)).parse().unwrap();
        request.headers_mut().insert("authorization", bearer);
        let stream = match client_async(request, tcp).await {
            Ok((stream, _)) => stream,
            Err(tungstenite::Error::Http(response)) => {
                return Err(Refused(Some(response.status().as_u16())));
            }
            Err(_) => return Err(Refused(None)),
        };
        let visit = Arc::new(Mutex::new(visit));
        let (orders, given) = mpsc::unbounded_channel();
        let task = tokio::spawn(listen(stream, visit.clone(), given, ears.clone()));
        Ok(Self {
            visit,
            orders,
            task,
            stalled: false,
        })
    }

    /// Told to one who is gone, it does nothing.
    pub(super) fn order(&mut self, order: Order) {
        match order {
            Order::Stall => self.stalled = true,
            Order::Release => self.stalled = false,
            _ => {}
        }
        self.orders.send(order).ok();
    }

    /// Whether the connection is over.
    pub(super) fn is_gone(&self) -> bool {
        let visit = self.visit.lock().unwrap();
        matches!(visit.seen.last(), Some(Seen::Closed { .. } | Seen::Left))
    }

    /// Waits until the connection is over, and gives what was seen.
    pub(super) async fn over(self) -> Visit {
        drop(self.orders);
        self.task.await.unwrap();
        self.visit.lock().unwrap().clone()
    }
}

type Socket = WebSocketStream<tokio::net::TcpStream>;

async fn listen(
    mut stream: Socket,
    visit: Arc<Mutex<Visit>>,
    mut orders: mpsc::UnboundedReceiver<Order>,
    ears: Ears,
) {
    let (mut stalled, mut led) = (false, true);
    let note = |seen: Seen| {
        visit.lock().unwrap().seen.push(seen);
        ears.stirred.notify_one();
    };
    let head = || *ears.head.borrow();
    loop {
        tokio::select! {
            frame = stream.next(), if !stalled => match frame {
                Some(Ok(Message::Text(text))) => {
                    let text = text.as_str().to_owned();
                    remember(&ears, &text);
                    note(Seen::Message { text, head: head() });
                }
                Some(Ok(Message::Close(frame))) => {
                    let code = frame.map(|frame| frame.code.into());
                    return note(Seen::Closed { code, head: head() });
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return note(Seen::Closed { code: None, head: head() }),
            },
            order = orders.recv(), if led => match order {
                Some(Order::Stall) => stalled = true,
                Some(Order::Release) => stalled = false,
                // Nobody gives orders any more: it reads on to the end.
                None => (stalled, led) = (false, false),
                Some(Order::Resume(from)) => {
                    note(Seen::Resumed { from, head: head() });
                    let ask = json!({"type": "resume", "from": from.to_string()});
                    stream.send(Message::text(ask.to_string())).await.ok();
                }
                Some(Order::Ask(kind)) => {
                    let ask = json!({"type": kind, "timestamp": 1});
                    stream.send(Message::text(ask.to_string())).await.ok();
                }
                Some(Order::Close) => {
                    note(Seen::Left);
                    stream.close(None).await.ok();
                    return;
                }
                Some(Order::Break) => return note(Seen::Left),
            },
        }
    }
}

/// A client may come back with any place that it was told of.
fn remember(ears: &Ears, text: &str) {
    let message: Value = serde_json::from_str(text).unwrap();
    let told = message["cursor"]
        .as_str()
        .and_then(|cursor| cursor.parse().ok());
    let made = message["offset"].as_u64().map(|offset| Cursor {
        epoch: ears.epoch,
        offset,
    });
    ears.cursors.lock().unwrap().extend(told.or(made));
}

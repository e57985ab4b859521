//! `doorbook demo`: a server with a sample gathering and a crowd that comes, leaves and makes mistakes, through
//! the server's own HTTP API, until Ctrl-C. The data stays: the next demo on the directory goes on.
//!
//! `people` invents the guests, `setting` makes or finds the gathering, `crowd` plans who does what when,
//! `gates` does it, `narrator` shows it, `invitation` prints what to paste.

mod crowd;
mod gates;
mod invitation;
mod narrator;
mod people;
mod setting;

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    pin::pin,
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use clap::Args;
use doorbook::{
    auth::{self, Claims},
    config::{Config, Secret},
    events::{event::DoorRole, ids::GatheringId, time::Timestamp},
    server::{self, Shutdown, StartError},
    telemetry,
};
use serde_json::json;

use self::{
    crowd::Crowd,
    gates::{Gate, Gates, Guest},
    invitation::Invitation,
    narrator::Narrator,
    setting::Setting,
};
use crate::{failure::Failure, interrupt, local, output, serve, server::Server};

const GATES: &[(&str, &str)] = &[("north", "Asha"), ("river", "Tomás"), ("south", "Wanjiru")];
const PEOPLE_DEFAULT: usize = 500;
const PEOPLE_MAX: usize = 50_000;
/// Fastest crowd: this many times real time.
const SPEED_MAX: f64 = 1_000.0;
/// Tokens that the demo prints and uses are good this long.
const TOKEN_SECONDS: i64 = 7 * 24 * 3600;
const READY_WITHIN: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);
/// So many steps in a row may fail before the demo gives up.
const FAILURES_MAX: u32 = 20;
const DRAIN: Duration = Duration::from_secs(2);

/// The server with a sample gathering and people arriving
///
/// Prints commands to try in another terminal, then what happens at the doors, until Ctrl-C.
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where the data is kept; a second demo on it goes on
    #[arg(long, value_name = "DIR", default_value = "./demo-data")]
    data: PathBuf,
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How many guests
    #[arg(long, value_name = "NUMBER", default_value_t = PEOPLE_DEFAULT, value_parser = people)]
    people: usize,
    /// How many times faster than life the crowd is
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Makes the crowd do the same again on a fresh directory
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
}

pub(crate) fn run(args: DemoArgs) -> Result<(), Failure> {
    local::runtime()?.block_on(async move {
        let listener = server::listen(args.listen).map_err(|error| taken(error, args.listen))?;
        let address = listener.local_addr().map_err(Failure::unreachable)?;
        let mut config = Config::for_data_dir(&args.data);
        config.listen = address;
        config.drain = DRAIN;
        telemetry::init(config.log_format);
        let secret = config.secret().map_err(Failure::unreachable)?;

        let shutdown = Shutdown::new();
        let server = server::run(listener, config, shutdown.clone());
        let (stop_crowd, crowd_stop) = mpsc::channel::<()>();
        let crowd =
            tokio::task::spawn_blocking(move || evening(&args, address, &secret, &crowd_stop));
        let mut server = pin!(server);
        let mut crowd = pin!(crowd);
        let evening = tokio::select! {
            ended = &mut crowd => ended,
            served = &mut server => return served.map_err(serve::run_failure),
            asked = interrupt::asked_to_stop() => {
                asked.map_err(Failure::unreachable)?;
                // The crowd finishes its step against a server that still answers.
                drop(stop_crowd);
                tokio::select! {
                    ended = &mut crowd => ended,
                    served = &mut server => return served.map_err(serve::run_failure),
                }
            }
        };
        shutdown.trigger();
        server.await.map_err(serve::run_failure)?;
        evening.map_err(Failure::check)?
    })
}

/// The crowd's part, from the first request to the stop.
fn evening(
    args: &DemoArgs,
    address: SocketAddr,
    secret: &Secret,
    stop: &Receiver<()>,
) -> Result<(), Failure> {
    let base = format!("http://{}", serve::reachable(address));
    let token = superuser_token(secret)?;
    let server = Server::new(&base, &token)?;
    if !wait_until_ready(&server, stop)? {
        return Ok(());
    }
    let opens_in_seconds = seconds_of_life(crowd::OPENING_MS, args.speed);
    let link = sign_in_link(&server)?;
    let setting = setting::prepare(&server, args.people, opens_in_seconds)?;
    let gathering: GatheringId = setting.gathering.parse().map_err(Failure::check)?;
    Invitation {
        base: &base,
        link: &link,
        data: &args.data,
        gathering: &setting.gathering,
        continued: setting.continued,
        people: args.people,
        token: &token,
        steward_token: &door_token(
            secret,
            gathering,
            DoorRole::Steward,
            "paste",
            "Somebody at a terminal",
        )?,
    }
    .print()?;
    let rng = args
        .seed
        .map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
    let mut crowd = if setting.known.contains(&true) {
        Crowd::carry_on(&setting.inside, GATES.len(), rng)
    } else {
        Crowd::before_opening(args.people, GATES.len(), rng)
    };
    let path = format!("/api/events/{}/", setting.gathering);
    let mut gates = gates(&base, secret, gathering, setting, args)?;
    gates.narrator.begin(&server.get(&path, &[])?)?;
    let result = play(&mut crowd, &mut gates, args.speed, stop);
    let status = gates.narrator.end();
    output::data(format_args!(
        "\nThe doors rest: {status}. Everything is in {}.",
        args.data.display()
    ))?;
    result
}

/// Step after step, each at its time, until asked to stop.
fn play(
    crowd: &mut Crowd,
    gates: &mut Gates,
    speed: f64,
    stop: &Receiver<()>,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut failures = 0;
    while let Some(step) = crowd.next() {
        let due = started + Duration::from_secs_f64(step.at_ms as f64 / 1_000.0 / speed);
        match stop.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        match gates.perform(step) {
            Ok(answer) => {
                failures = 0;
                crowd.learn(step, &answer);
            }
            Err(failure) if failures < FAILURES_MAX && failure.may_pass() => {
                failures += 1;
                crowd.again(step);
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(())
}

fn gates(
    base: &str,
    secret: &Secret,
    gathering: GatheringId,
    setting: Setting,
    args: &DemoArgs,
) -> Result<Gates, Failure> {
    let run = fastrand::u16(..);
    let mut gates = Vec::new();
    for (gate, steward) in GATES {
        let token = door_token(
            secret,
            gathering,
            DoorRole::Steward,
            &format!("steward-{gate}"),
            steward,
        )?;
        gates.push(Gate {
            name: gate,
            server: Server::new(base, &token)?,
            device: format!("{gate}-{run:04x}"),
            device_seq: 0,
        });
    }
    let supervisor = door_token(
        secret,
        gathering,
        DoorRole::Supervisor,
        "supervisor",
        "Mrs Okonkwo",
    )?;
    Ok(Gates {
        gathering: setting.gathering,
        gates,
        supervisor: Server::new(base, &supervisor)?,
        guests: (setting.known.iter().enumerate())
            .map(|(number, known)| Guest::numbered(setting::PREFIX, number, *known))
            .collect(),
        foreign_codes: setting.other_codes,
        offline_seconds: seconds_of_life(crowd::OFFLINE_MS, args.speed),
        narrator: Narrator::new(),
    })
}

/// False when asked to stop before the server was ready.
fn wait_until_ready(server: &Server, stop: &Receiver<()>) -> Result<bool, Failure> {
    let since = Instant::now();
    loop {
        match server.ask("/readyz", &[], None) {
            Ok(answer) if answer.status == 200 => return Ok(true),
            Ok(_) | Err(_) if since.elapsed() < READY_WITHIN => {}
            Ok(answer) => return Err(answer.failure()),
            Err(failure) => return Err(failure),
        }
        if stop.recv_timeout(READY_POLL) != Err(RecvTimeoutError::Timeout) {
            return Ok(false);
        }
    }
}

/// The code of a link that lasts as long as the tokens do: all of this is invented.
fn sign_in_link(server: &Server) -> Result<String, Failure> {
    let asked = json!({"uses": auth::LINK_USES_MAX, "minutes": TOKEN_SECONDS / 60});
    let answer = server.post("/api/session/link", &asked)?;
    let link = answer.good()?["link"].as_str().map(str::to_owned);
    link.ok_or_else(|| Failure::check(anyhow::anyhow!("the server's answer holds no link")))
}

fn superuser_token(secret: &Secret) -> Result<String, Failure> {
    let mut claims = Claims::new("demo", Timestamp::now().plus_seconds(TOKEN_SECONDS));
    claims.roles = vec!["superuser".to_owned()];
    claims.name = Some("The demo's organizer".to_owned());
    auth::mint(secret.as_bytes(), &claims).map_err(Failure::check)
}

fn door_token(
    secret: &Secret,
    gathering: GatheringId,
    role: DoorRole,
    sub: &str,
    name: &str,
) -> Result<String, Failure> {
    let mut claims = Claims::new(sub, Timestamp::now().plus_seconds(TOKEN_SECONDS));
    claims.name = Some(name.to_owned());
    claims.event_id = Some(gathering);
    claims.door_role = Some(role);
    auth::mint(secret.as_bytes(), &claims).map_err(Failure::check)
}

fn taken(error: StartError, listen: SocketAddr) -> Failure {
    match &error {
        StartError::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
            Failure::unreachable(anyhow::anyhow!(
                "another program listens on {listen}: stop it, or choose another port, such as --listen 127.0.0.1:0"
            ))
        }
        _ => serve::start_failure(error),
    }
}

/// What a time of the crowd is in real seconds, at least one.
fn seconds_of_life(crowd_ms: u64, speed: f64) -> i64 {
    let life = Duration::from_secs_f64(crowd_ms as f64 / 1_000.0 / speed);
    i64::try_from(life.as_secs()).unwrap_or_default().max(1)
}

fn people(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|people| (1..=PEOPLE_MAX).contains(people))
        .ok_or_else(|| format!("must be a number from 1 to {PEOPLE_MAX}"))
}

fn speed(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|speed| (0.1..=SPEED_MAX).contains(speed))
        .ok_or_else(|| format!("must be a factor from 0.1 to {SPEED_MAX}"))
}

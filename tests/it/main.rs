//! The one integration-test binary: a module per behaviour.

#[cfg(test)]
mod access_records;
#[cfg(test)]
mod as_of;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod backup_people;
#[cfg(test)]
mod byte_search;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod cli_as_of;
#[cfg(test)]
mod cli_erase;
#[cfg(test)]
mod cli_history;
#[cfg(test)]
mod commands_property;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod disk_full;
#[cfg(test)]
mod door_tokens;
#[cfg(test)]
mod durability;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod erasure_bytes;
#[cfg(test)]
mod export_requests;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod history;
#[cfg(test)]
mod http_door;
#[cfg(test)]
mod http_gatherings;
#[cfg(test)]
mod http_idempotency;
#[cfg(test)]
mod http_imports;
#[cfg(test)]
mod http_permissions;
#[cfg(test)]
mod http_queries;
#[cfg(test)]
mod http_scans;
#[cfg(test)]
mod interop;
#[cfg(test)]
mod log_damage;
#[cfg(test)]
mod log_fixture;
#[cfg(test)]
mod log_history;
#[cfg(test)]
mod log_moving;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod openapi;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod panics;
#[cfg(test)]
mod process;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod pure_folds;
#[cfg(test)]
mod raw_stream;
#[cfg(test)]
mod rebuilds;
#[cfg(test)]
mod server_state;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod story;
#[cfg(test)]
mod stream_cases;
#[cfg(test)]
mod stream_client;
#[cfg(test)]
mod stream_closing;
#[cfg(test)]
mod stream_dashboard;
#[cfg(test)]
mod stream_drain;
#[cfg(test)]
mod stream_fanout;
#[cfg(test)]
mod stream_frames;
#[cfg(test)]
mod stream_json;
#[cfg(test)]
mod stream_limits;
#[cfg(test)]
mod stream_messages;
#[cfg(test)]
mod stream_permissions;
#[cfg(test)]
mod stream_replay;
#[cfg(test)]
mod stream_server;
#[cfg(test)]
mod stream_sse;
#[cfg(test)]
mod stream_stage;
#[cfg(test)]
mod stream_tickets;
#[cfg(test)]
mod stream_upgrade;
#[cfg(test)]
mod stream_utf8;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tidy;
mod tidy_pages;
#[cfg(test)]
mod views;
#[cfg(test)]
mod views_property;

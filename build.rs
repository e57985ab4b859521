//! Makes cargo look at `web/dist` again when the pages were built: `rust-embed` notices a file that
//! changed, and no file that is new. Builds nothing itself; a build without the pages needs no Node.

use std::path::Path;

fn main() {
    // A path that is missing would make every build anew, so its parent is watched until it is there.
    let watched = if Path::new("web/dist").is_dir() {
        "web/dist"
    } else {
        "web"
    };
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={watched}");
}

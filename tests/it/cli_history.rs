//! `doorbook history` as a file: the same from a server and from a closed directory, whole or not there.

use calamine::{Reader as _, Xlsx, open_workbook};
use tempfile::TempDir;

use crate::{
    cli::{Evening, Serving, doorbook, said, stderr},
    log_history::copy_dir,
};

#[test]
fn a_file_is_the_same_from_a_server_and_from_its_closed_directory() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    let gathering = server.create_gathering(&evening.token);
    let token = Some(evening.token.as_str());
    let at_server = ["--server", server.url.as_str()];
    let import = ["import", "--event", &gathering, "--json", &evening.list];
    said(&doorbook(&[&import[..], &at_server].concat(), token));

    let forms: [&[&str]; 4] = [
        &["--format", "csv", "--bom", "--tz", "Europe/Berlin"],
        &[
            "--format",
            "csv",
            "--columns",
            "offset,first_name",
            "--after",
            "1",
            "--no-trailer",
        ],
        &[
            "--format",
            "ndjson",
            "--type",
            "participant_registered",
            "--limit",
            "1",
        ],
        &["--format", "json"],
    ];
    let history = ["history", "--event", &gathering];
    let ask = |form: &[&str], place: &[&str]| {
        said(&doorbook(&[&history[..], form, place].concat(), token))
    };
    server.stop();
    let here = ["--data", evening.data()];
    let after = forms.map(|form| ask(form, &here));
    // What a server gives away it records, so each form is asked of a server that has given nothing yet.
    let before = forms.map(|form| {
        let copy = TempDir::new().unwrap();
        copy_dir(&evening.data, copy.path()).unwrap();
        let server = Serving::start(copy.path());
        let said = ask(form, &["--server", server.url.as_str()]);
        server.stop();
        said
    });
    assert_eq!(before, after);
    let [csv, names, ndjson, array] = after;
    assert!(csv.starts_with("\u{feff}offset,"), "{csv}");
    assert!(
        csv.contains("recorded_at (Europe/Berlin)") && csv.contains("# note:"),
        "{csv}"
    );
    assert_eq!(names, "offset,first_name\r\n2,Zoë\r\n3,Émile\r\n");
    let lines: Vec<&str> = ndjson.lines().collect();
    assert_eq!(lines.len(), 2, "{ndjson}");
    assert!(
        lines[1].starts_with(r#"{"checkpoint":{"rows":1,"#),
        "{ndjson}"
    );
    let array: Vec<serde_json::Value> = serde_json::from_str(&array).unwrap();
    assert_eq!(array.len(), 3);
}

#[test]
fn a_workbook_goes_to_a_file_which_is_whole_or_not_there() {
    let evening = Evening::new();
    let server = Serving::start(&evening.data);
    server.create_gathering(&evening.token);
    server.stop();
    let out = evening.data.with_file_name("history.xlsx");
    let path = out.to_str().unwrap();
    let history = [
        "history",
        "--data",
        evening.data(),
        "--format",
        "xlsx",
        "--out",
    ];
    let done = doorbook(&[&history[..], &[path]].concat(), None);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert!(done.stdout.is_empty());
    assert!(stderr(&done).contains("1 rows"), "{}", stderr(&done));
    let mut book: Xlsx<_> = open_workbook(&out).unwrap();
    assert_eq!(book.worksheet_range("History").unwrap().height(), 2);
    assert!(!evening.data.with_file_name("history.xlsx.part").exists());

    let nowhere = evening.data.with_file_name("missing").join("history.xlsx");
    let failed = doorbook(&[&history[..], &[nowhere.to_str().unwrap()]].concat(), None);
    assert_eq!(failed.status.code(), Some(3), "{}", stderr(&failed));
    for wrong in [
        &["--format", "xlsx", "--bom"][..],
        &["--format", "xlsx", "--no-trailer"],
        &["--format", "ndjson", "--tz", "UTC"],
        &["--format", "csv", "--columns", "nope"],
        &["--format", "csv", "--tz", "Mars/Olympus"],
        &["--out", path],
        &["--json", "--columns", "gate"],
    ] {
        let refused = doorbook(
            &[&["history", "--data", evening.data()], wrong].concat(),
            None,
        );
        assert_eq!(
            refused.status.code(),
            Some(2),
            "{wrong:?}: {}",
            stderr(&refused)
        );
    }
}

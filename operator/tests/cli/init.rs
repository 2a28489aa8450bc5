//! `cattery init`.

use std::{fs, thread};

use crate::support::Cattery;

#[test]
fn addresses_that_cannot_work_are_refused() {
    let cattery = Cattery::new();
    let dir = cattery.home.path().join("authority");
    let init = ["init", "--dir", dir.to_str().unwrap()];
    for (args, word) in [
        (&["--listen", "0.0.0.0:7443"][..], "--address"),
        (&["--listen", "[::]:7443"], "--address"),
        (&["--listen", "127.0.0.1:0"], "port 0"),
        (&["--listen", "127.0.0.1"], "HOST:PORT"),
        (&["--address", "auth.example.org"], "HOST:PORT"),
        (&["--address", "auth.example.org:0"], "port 0"),
        (&["--address", "0.0.0.0:7443"], "others use"),
        (&["--operator", "Bad Name"], "a-z"),
    ] {
        let line = cattery.fails(64, &[&init, args].concat(), "");
        assert!(line.contains(word), "{args:?}: {line}");
    }
    assert!(!dir.exists());
    let shown = cattery.json(
        &[&init[..], &["--address", "[2001:db8::1]:7443"]].concat(),
        "",
    );
    assert_eq!(shown["listen"], "[::]:7443");
    assert_eq!(shown["addresses"][0], "[2001:db8::1]:7443");
}

#[test]
fn what_comes_next_can_be_pasted() {
    let cattery = Cattery::new();
    let home = cattery.home.path().join("my home");
    let dir = cattery.home.path().join("it's here");
    let said = cattery.ok(
        &[
            "--home",
            home.to_str().unwrap(),
            "init",
            "--dir",
            dir.to_str().unwrap(),
            "--passphrase-file",
            "-",
        ],
        "correct horse",
    );
    for words in [
        format!("cattery --home '{}' service add photos", home.display()),
        format!(
            r"run --dir '{}/it'\''s here'",
            cattery.home.path().display()
        ),
        "cattery-authority unseal".to_owned(),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    let other = cattery.home.path().join("other");
    let said = Cattery::new().ok(&["init", "--dir", other.to_str().unwrap()], "");
    assert!(said.contains("out of backups"), "{said}");
}

#[test]
fn of_several_at_the_same_time_one_operator_stays() {
    let cattery = Cattery::new();
    let dirs: Vec<_> = (0..4)
        .map(|number| cattery.home.path().join(format!("authority-{number}")))
        .collect();
    let ran: Vec<_> = thread::scope(|scope| {
        let runs: Vec<_> = dirs
            .iter()
            .map(|dir| {
                let args = ["--output", "json", "init", "--dir", dir.to_str().unwrap()];
                let cattery = &cattery;
                scope.spawn(move || cattery.run(&args, ""))
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let won: Vec<_> = ran.iter().filter(|ran| ran.code == Some(0)).collect();
    assert_eq!(won.len(), 1, "{ran:?}");
    let shown: serde_json::Value = serde_json::from_str(&won[0].out).unwrap();
    let kept = fs::read_to_string(cattery.home.path().join("operator.json")).unwrap();
    assert!(kept.contains(shown["cluster_id"].as_str().unwrap()));
}

//! A page of the report, as the program writes it when it is only tried out.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    process::{Command, Stdio},
};

/// Measures a group, with its plots: the page's text.
pub(crate) fn of(group: &str) -> String {
    let folder = std::env::temp_dir().join(format!("cat-{group}-{}", std::process::id()));
    let status = Command::new(env!("CARGO_BIN_EXE_cattery-bench"))
        .args(["--smoke", "--out"])
        .arg(&folder)
        .arg(group)
        .stderr(Stdio::inherit())
        .status()
        .unwrap();
    assert!(status.success());
    let page = fs::read_to_string(folder.join(format!("{group}.md"))).unwrap();
    for plot in page
        .split("](")
        .skip(1)
        .filter_map(|behind| behind.split_once(')'))
        .filter(|(link, _)| link.ends_with(".svg"))
    {
        let plot = fs::read_to_string(folder.join(plot.0)).unwrap();
        assert!(plot.starts_with("<svg"), "{plot}");
    }
    fs::remove_dir_all(&folder).unwrap();
    page
}

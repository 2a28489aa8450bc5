//! The reference of errors says what the code does.

use cattery_core::Code;
use cattery_sdk::denial::{PRESENTER_NOT_TRUSTED, http_status};

#[test]
fn every_code_is_in_the_reference_with_its_status() {
    let text = include_str!("../../../docs/reference/errors.md");
    let (_, table) = text.split_once("## Refused tokens").unwrap();
    let (table, _) = table.split_once("## Authorities").unwrap();
    let told: Vec<_> = table
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.split(" | ");
            let code = cells.next().unwrap().trim_matches(['|', ' ', '`']);
            (code, cells.next().unwrap().parse::<u16>().unwrap())
        })
        .collect();
    let mut expected: Vec<_> = Code::ALL
        .iter()
        .map(|code| (code.as_str(), http_status(*code).as_u16()))
        .collect();
    expected.extend([("no_token", 401), ("unavailable", 503)]);
    expected.push((PRESENTER_NOT_TRUSTED, 403));
    assert_eq!(told, expected);
}

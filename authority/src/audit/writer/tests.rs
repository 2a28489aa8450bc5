//! Disks that fail in ways that no test can make a real one fail.

use std::io::ErrorKind;

use super::*;
use crate::audit::record::Head;
use crate::audit::verify::scan;
use crate::audit::{Action, Event};

/// A disk that does what its plan says, step by step, and then works.
#[derive(Default)]
struct Disk {
    bytes: Vec<u8>,
    /// One for each append, sync or cut: whether it fails.
    plan: Vec<bool>,
    steps: usize,
}

impl Disk {
    fn step(&mut self) -> io::Result<()> {
        let fails = self.plan.get(self.steps).copied().unwrap_or(false);
        self.steps += 1;
        if fails {
            Err(ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
}

impl Medium for Disk {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let step = self.step();
        let written = if step.is_err() {
            bytes.len() / 2
        } else {
            bytes.len()
        };
        self.bytes.extend_from_slice(&bytes[..written]);
        step
    }

    fn sync(&mut self) -> io::Result<()> {
        self.step()
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.step()?;
        self.bytes.truncate(usize::try_from(len).unwrap());
        Ok(())
    }
}

fn write(writer: &mut Writer<Disk>, records: usize) -> Vec<Result<Position, AuditError>> {
    let (mut group, answers): (Vec<_>, Vec<_>) = (0..records)
        .map(|i| {
            let (answer, result) = oneshot::channel();
            let event = Event::new(1, "", "", Action::UserAdded, i.to_string());
            (
                Append {
                    body: Body::Event { event },
                    answer,
                },
                result,
            )
        })
        .unzip();
    writer.write(&mut group);
    answers
        .into_iter()
        .map(|mut answer| answer.try_recv().unwrap())
        .collect()
}

/// Every plan of up to nine steps: what was answered is there, what was refused is not, and the log is never broken.
#[test]
fn whatever_fails_the_log_holds_exactly_what_was_answered() {
    for plan in 0..1_u32 << 9 {
        let start = Position::start("a");
        let head = Arc::new(Mutex::new(Head {
            position: start,
            len: 0,
        }));
        let disk = Disk {
            plan: (0..9).map(|step| plan >> step & 1 == 1).collect(),
            ..Disk::default()
        };
        let mut writer = Writer::new(disk, "log".into(), head.clone());
        let mut answered = 0;
        for records in [1, 3, 2, 1, 2] {
            let answers = write(&mut writer, records);
            let good = answers.iter().filter(|answer| answer.is_ok()).count();
            assert!(good == 0 || good == records, "plan {plan:b}: all or none");
            answered += good as u64;
            let now = *head.lock().unwrap();
            assert_eq!(now.position.seq, answered);
            // What lies beyond the head was refused, and is cut off before the next record.
            let report = scan(
                &writer.medium.bytes[..usize::try_from(now.len).unwrap()],
                start,
                None,
            )
            .unwrap();
            assert!(
                report.intact && report.torn == 0 && report.head == now.position,
                "plan {plan:b}"
            );
        }
        while writer.medium.steps < 9 || writer.dirty {
            answered += u64::from(write(&mut writer, 1)[0].is_ok());
        }
        let report = scan(&writer.medium.bytes[..], start, None).unwrap();
        assert!(
            report.intact && report.torn == 0 && report.records == answered,
            "plan {plan:b}"
        );
    }
}

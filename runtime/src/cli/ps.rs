//! `ps`.

use std::process::Command;

use super::arguments::Parsed;
use super::context::Context;
use super::{Outcome, print};
use crate::oci::Error;

pub(super) fn run(context: &Context, given: &Parsed) -> Outcome {
    let processes = context.container(given)?.placed.processes()?;
    match given.text("format").unwrap_or("table") {
        "json" => return Ok(print(&format!("{}\n", serde_json::to_string(&processes)?))),
        "table" => {}
        _ => return Err(Error::said("invalid format option")),
    }
    let options = given.rest.get(1..).filter(|options| !options.is_empty());
    let options = options.map_or_else(|| vec!["-ef".to_owned()], <[String]>::to_vec);
    let output = Command::new("ps").args(&options).output();
    let output = output.map_err(|error| Error::said(format!("exec ps: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Error::said(format!("exit status {}: {text}{said}", output.status.code().unwrap_or(-1))));
    }
    Ok(print(&filter(&text, &processes)?))
}

/// The title, and the lines of these processes.
fn filter(text: &str, processes: &[i32]) -> Result<String, Error> {
    let mut lines = text.lines();
    let title = lines.next().unwrap_or_default();
    let column = title.split_whitespace().position(|name| name == "PID");
    let column = column.ok_or_else(|| Error::said("couldn't find PID field in ps output"))?;
    let pid = |line: &str| line.split_whitespace().nth(column).and_then(|pid| pid.parse::<i32>().ok());
    let ours = lines.filter(|line| pid(line).is_some_and(|pid| processes.contains(&pid)));
    Ok(std::iter::once(title).chain(ours).map(|line| format!("{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_the_container_are_shown() {
        let text = "UID PID CMD\nroot 1 init\nroot 12 sh\n";
        assert_eq!(filter(text, &[12]).unwrap(), "UID PID CMD\nroot 12 sh\n");
        assert!(filter("UID CMD\n", &[12]).is_err());
    }
}

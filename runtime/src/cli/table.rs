//! Tables of text: columns of 12 letters and more, three spaces between them.

const NARROWEST: usize = 12;
const GAP: usize = 3;

/// Rows of equally many cells.
pub(super) fn text(rows: &[Vec<String>]) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let longest = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
        (longest.unwrap_or(0) + GAP).max(NARROWEST)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let last = row.len().saturating_sub(1);
        let cell = |(column, (cell, width)): (usize, (&String, &usize))| {
            if column == last { cell.clone() } else { format!("{cell:width$}") }
        };
        row.iter().zip(&widths).enumerate().map(cell).collect::<String>() + "\n"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned() {
        let rows = [["ID", "OWNER"], ["a-longer-name", "root"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(super::text(&rows), "ID              OWNER\na-longer-name   root\n");
    }
}

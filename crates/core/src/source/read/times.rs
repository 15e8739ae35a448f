//! Times without rounding.

use std::path::Path;

use super::lines::text;
use crate::source::DataError;

/// Times of one data set: integers in a common unit. A time with more decimal digits makes the unit
/// smaller.
#[derive(Debug, Default)]
pub struct Times {
    values: Vec<i64>,
    /// Decimal digits after the point: a value `v` is the time `v / 10^digits`.
    digits: u32,
    /// The unit of the first time that looks like a time since 1970.
    unit: Option<&'static str>,
}

/// The unit of a time since 1970, by its magnitude: for times from 1973 to 2103, ranges of the
/// units do not overlap. `None` for other numbers, among them most barcodes.
pub(crate) fn unit(value: f64) -> Option<&'static str> {
    let units = [
        (1.0, "seconds"),
        (1e3, "milliseconds"),
        (1e6, "microseconds"),
        (1e9, "nanoseconds"),
    ];
    let of = |(size, _): &(f64, &str)| (1e8..=4.2e9).contains(&(value / size));
    units.into_iter().find(of).map(|(_, name)| name)
}

impl Times {
    /// Adds the time in a cell: a decimal number, such as `1404776209.25`, `-7` or `9e3`, or a date
    /// of ISO 8601. A date such as `2018-07-07 22:09:11` is converted to seconds since 1970 in UTC.
    ///
    /// # Errors
    /// When the cell is not a number, or all times together need more than 64 bits.
    pub fn push(
        &mut self,
        cell: &[u8],
        path: &Path,
        line: u64,
        column: &str,
    ) -> Result<(), DataError> {
        let cell = text(cell, path, line)?.trim();
        let wrong = |what: String| DataError::new(what).at(path).line(line);
        // Numbers first: eight digits may also be a date of ISO 8601.
        let number = decimal(cell);
        let date = match number {
            Some(_) => None,
            None => iso(cell).map(seconds),
        };
        let cell = date.as_deref().unwrap_or(cell);
        let time = number.or_else(|| decimal(cell)).ok_or_else(|| {
            wrong(format!("`{cell}` in column `{column}` is not a number")).hint(match is_date(cell) {
                true => "write times as numbers, such as seconds since 1970: in pandas, `.astype(\"int64\") // 10**9` of a date",
                false => "correct the row, or name another column",
            })
        })?;
        if let Some(found) = cell.parse().ok().and_then(unit) {
            let first = *self.unit.get_or_insert(found);
            if first != found {
                return Err(wrong(format!(
                    "`{cell}` in column `{column}` is in {found}, and earlier times are in {first}"
                ))
                .hint("write all times in one unit"));
            }
        }
        let value = self.scaled(time).ok_or_else(|| {
            wrong(format!(
                "`{cell}` in column `{column}` needs more digits than 64 bits hold"
            ))
            .hint("expected a time such as seconds or milliseconds since 1970; round the column to fewer digits")
        })?;
        self.values.push(value);
        Ok(())
    }

    /// The time in the common unit; `None` if it, or an earlier time, does not fit.
    fn scaled(&mut self, time: Decimal) -> Option<i64> {
        let power = |digits: u32| 10_i64.checked_pow(digits);
        if time.digits > self.digits {
            let factor = power(time.digits - self.digits)?;
            let finer: Option<Vec<i64>> = (self.values.iter())
                .map(|value| value.checked_mul(factor))
                .collect();
            self.values = finer?;
            self.digits = time.digits;
        }
        time.mantissa.checked_mul(power(self.digits - time.digits)?)
    }

    /// The times so far, in the common unit.
    pub fn values(&self) -> &[i64] {
        &self.values
    }

    /// All times in the common unit.
    pub fn into_values(self) -> Vec<i64> {
        self.values
    }
}

/// The number `mantissa / 10^digits`.
#[derive(Clone, Copy)]
struct Decimal {
    mantissa: i64,
    digits: u32,
}

/// Parses a decimal number; `None` if it is not a number. The result has as few digits after the
/// point as possible. A number that needs more than 64 bits gets too many digits to be scaled.
fn decimal(cell: &str) -> Option<Decimal> {
    if let Ok(mantissa) = cell.parse() {
        return Some(Decimal {
            mantissa,
            digits: 0,
        });
    }
    cell.parse::<f64>().ok().filter(|value| value.is_finite())?;
    let (number, exponent) = match cell.split_once(['e', 'E']) {
        Some((number, exponent)) => (number, exponent.parse::<i64>().ok()?),
        None => (cell, 0),
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let all = format!("{whole}{part}");
    let significant = all.trim_end_matches('0');
    let dropped = i64::try_from(all.len() - significant.len()).ok()?;
    // The rest does not end with a zero; a number of zeros alone is 0.
    let Some(_) = significant
        .bytes()
        .find(|byte| (b'1'..=b'9').contains(byte))
    else {
        return Some(Decimal {
            mantissa: 0,
            digits: 0,
        });
    };
    let digits = i64::try_from(part.len()).ok()? - exponent - dropped;
    let too_long = Decimal {
        mantissa: 1,
        digits: u32::MAX,
    };
    let Ok(mantissa) = significant.parse::<i64>() else {
        return Some(too_long);
    };
    if let Ok(digits) = u32::try_from(digits) {
        return Some(Decimal { mantissa, digits });
    }
    let power = u32::try_from(-digits)
        .ok()
        .and_then(|digits| 10_i64.checked_pow(digits));
    let whole = power.and_then(|power| mantissa.checked_mul(power));
    Some(whole.map_or(too_long, |mantissa| Decimal {
        mantissa,
        digits: 0,
    }))
}

/// Parses a date, with or without time and offset.
pub(crate) fn iso(written: &str) -> Option<jiff::Timestamp> {
    let with_offset = written.parse::<jiff::Timestamp>();
    with_offset.ok().or_else(|| {
        let civil: jiff::civil::DateTime = written.parse().ok()?;
        let zoned = civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    })
}

/// Seconds since 1970 as a decimal number.
pub(crate) fn seconds(time: jiff::Timestamp) -> String {
    match time.subsec_nanosecond() {
        0 => time.as_second().to_string(),
        // Whole microseconds: with the year, nanoseconds would not fit.
        _ => {
            let micros = time.as_microsecond();
            let sign = if micros < 0 { "-" } else { "" };
            let micros = micros.unsigned_abs();
            format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
        }
    }
}

/// Whether the text begins like a date, such as `2014-07-07` or `07/07/2014`.
pub(crate) fn is_date(cell: &str) -> bool {
    let parts: Vec<&str> = cell.splitn(3, ['-', '/', '.']).collect();
    let is_number =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    parts.len() == 3
        && parts[..2].iter().all(is_number)
        && parts[2].starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(cells: &[&str]) -> Result<Vec<i64>, String> {
        let mut times = Times::default();
        for cell in cells {
            times
                .push(cell.as_bytes(), Path::new("f"), 3, "when")
                .map_err(|error| error.to_string())?;
        }
        Ok(times.into_values())
    }

    #[test]
    fn fractions_and_milliseconds_keep_their_order_to_the_last_digit() {
        assert_eq!(
            times(&["1404776209", "1404776209.25", "1404776208.5", "0.0"]).unwrap(),
            [140_477_620_900, 140_477_620_925, 140_477_620_850, 0]
        );
        // Times within one millisecond, and closer than a double can represent.
        assert_eq!(
            times(&["1409433955123", "1409433955122"]).unwrap(),
            [1_409_433_955_123, 1_409_433_955_122]
        );
        let close = times(&["1404776209.123456789", "1404776209.123456788"]).unwrap();
        assert_eq!(close[0] - close[1], 1);
        assert_eq!(
            times(&["9e3", "-1.5E1", "+2", "1404776209.0"]).unwrap()[..3],
            [9000, -15, 2]
        );
        assert_eq!(times(&["-0.50"]).unwrap(), [-5]);
        assert_eq!(times(&["100.0e-1"]).unwrap(), [10]);
        let largest = i64::MAX.to_string();
        assert_eq!(times(&[&largest]).unwrap(), [i64::MAX]);
    }

    #[test]
    fn what_is_no_number_or_needs_more_than_64_bits_is_refused() {
        let error = |cells: &[&str]| times(cells).unwrap_err();
        assert_eq!(
            error(&["noon"]),
            "f:3: `noon` in column `when` is not a number"
        );
        assert_eq!(
            error(&["nan"]),
            "f:3: `nan` in column `when` is not a number"
        );
        let long = "f:3: `1e300` in column `when` needs more digits than 64 bits hold";
        assert_eq!(error(&["1e300"]), long);
        assert!(error(&["1", "1e-300"]).contains("more digits than 64 bits hold"));
        assert!(
            error(&["9223372036854775807", "0.5"])
                .contains("`0.5` in column `when` needs more digits")
        );
        let date = Times::default()
            .push(b"07/07/2014", Path::new("f"), 1, "when")
            .unwrap_err();
        assert!(date.remedy().unwrap().contains("seconds since 1970"));
    }
}

//! Energy of processors and their memory, as Linux counts it (RAPL, in `/sys/class/powercap`).
//!
//! Counters belong to the machine: they include what other processes do. They wrap around after
//! some minutes to hours, so a thread reads them meanwhile. Many systems let only root read them.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use allround_core::fs;

/// Where Linux lists the counters.
const FOLDER: &str = "/sys/class/powercap";
/// Time between two readings; at 2 kW a counter of 65 kJ wraps around after 32 seconds.
const EVERY: Duration = Duration::from_secs(10);

/// A counter: a processor package, or memory that no package includes.
#[derive(Debug)]
struct Zone {
    file: PathBuf,
    /// Microjoules at which it begins again.
    range: u64,
    last: u64,
}

/// All counters of a machine.
#[derive(Debug)]
struct Meter {
    zones: Vec<Zone>,
    microjoules: u64,
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether the folder is that of a counter that is added: each package, and the memory next to it.
/// Cores and graphics are parts of their package, and `psys` includes all others.
fn is_counted(folder: &Path) -> bool {
    let name = fs::read_to_string(&folder.join("name"));
    name.is_ok_and(|name| name.starts_with("package-") || name.trim() == "dram")
}

impl Meter {
    /// The counters below `folder`; `None` where one of them cannot be read or there is none.
    fn open(folder: &Path) -> Option<Self> {
        let mut zones = Vec::new();
        let folders = fs::list(folder).ok()?;
        let named = folders.iter().filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("intel-rapl:")
        });
        for folder in named.filter(|path| is_counted(path)) {
            let file = folder.join("energy_uj");
            zones.push(Zone {
                last: number(&file)?,
                range: number(&folder.join("max_energy_range_uj"))?,
                file,
            });
        }
        let has_some = !zones.is_empty();
        has_some.then_some(Self {
            zones,
            microjoules: 0,
        })
    }

    /// Joules since the meter was opened; `None` where a counter cannot be read any more.
    fn joules(&mut self) -> Option<f64> {
        for zone in &mut self.zones {
            let now = number(&zone.file)?;
            let wrapped = if now < zone.last { zone.range } else { 0 };
            self.microjoules += (now + wrapped).saturating_sub(zone.last);
            zone.last = now;
        }
        Some(self.microjoules as f64 / 1e6)
    }
}

/// Joules of all processors and their memory since the first call; `None` where the counters cannot
/// be read.
pub fn joules() -> Option<f64> {
    static METER: OnceLock<Option<Mutex<Meter>>> = OnceLock::new();
    fn read(meter: &Mutex<Meter>) -> Option<f64> {
        meter
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .joules()
    }
    let mut is_first = false;
    let meter = METER.get_or_init(|| {
        is_first = true;
        Meter::open(FOLDER.as_ref()).map(Mutex::new)
    });
    let meter = meter.as_ref()?;
    if is_first {
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(EVERY);
                read(meter);
            }
        });
    }
    read(meter)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(folder: &Path, place: &str, name: &str, energy: u64) {
        let zone = folder.join(place);
        std::fs::create_dir_all(&zone).unwrap();
        let write = |file: &str, text: String| std::fs::write(zone.join(file), text).unwrap();
        write("name", format!("{name}\n"));
        write("energy_uj", format!("{energy}\n"));
        write("max_energy_range_uj", "1000000\n".to_owned());
    }

    #[test]
    fn packages_and_memory_add_up_and_a_counter_that_wraps_around_continues() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        zone(folder, "intel-rapl:0", "package-0", 900_000);
        zone(folder, "intel-rapl:0:0", "core", 5);
        zone(folder, "intel-rapl:0:1", "dram", 10);
        zone(folder, "intel-rapl:1", "psys", 7);
        let mut meter = Meter::open(folder).unwrap();
        assert_eq!(meter.joules(), Some(0.0));
        zone(folder, "intel-rapl:0", "package-0", 400_000);
        zone(folder, "intel-rapl:0:0", "core", 999_999);
        zone(folder, "intel-rapl:0:1", "dram", 110_010);
        assert_eq!(meter.joules(), Some(0.61));
        zone(folder, "intel-rapl:0", "package-0", 500_000);
        assert_eq!(meter.joules(), Some(0.71));
        std::fs::remove_file(folder.join("intel-rapl:0/energy_uj")).unwrap();
        assert_eq!(meter.joules(), None);
    }

    #[test]
    fn without_counters_or_where_one_is_unreadable_energy_is_unknown() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Meter::open(folder.path()).is_none());
        assert!(Meter::open(&folder.path().join("missing")).is_none());
        zone(folder.path(), "intel-rapl:0", "package-0", 1);
        std::fs::write(folder.path().join("intel-rapl:0/energy_uj"), "").unwrap();
        assert!(Meter::open(folder.path()).is_none());
    }
}

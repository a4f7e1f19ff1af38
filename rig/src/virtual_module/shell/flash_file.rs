//! The file that keeps a module's flash, for a life that goes on in another process.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::delta::SECTOR;
use crate::virtual_module::flash::Flash;
use crate::virtual_module::module::Module;
use crate::virtual_module::{FlashStore, Settings};

#[derive(Debug)]
pub(super) struct FlashFile(File);

impl FlashFile {
    /// A module with its flash as the settings want it, and the file that keeps it.
    pub(super) fn power_up(settings: &Settings) -> io::Result<(Module, Option<Self>)> {
        let mut module = Module::new(settings);
        let FlashStore::File(path) = &settings.flash else {
            return Ok((module, None));
        };
        let file = Self(
            File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(path)?,
        );
        let new = module.flash_mut();
        if file.0.metadata()?.len() == 0 {
            file.keep_sectors(new, 0..new.sectors())?;
            new.take_changed();
        } else {
            let flash = file.read(path, new.sectors())?;
            module = Module::with_flash(settings, flash);
        }
        Ok((module, Some(file)))
    }

    /// Writes what has changed.
    pub(super) fn keep(&self, flash: &mut Flash) -> io::Result<()> {
        let changed = flash.take_changed();
        self.keep_sectors(flash, changed)
    }

    fn keep_sectors(
        &self,
        flash: &Flash,
        sectors: impl IntoIterator<Item = usize>,
    ) -> io::Result<()> {
        for sector in sectors {
            self.0
                .write_all_at(flash.sector(sector), (sector * SECTOR) as u64)?;
        }
        Ok(())
    }

    fn read(&self, path: &Path, sectors: usize) -> io::Result<Flash> {
        let len = self.0.metadata()?.len();
        let wanted = sectors * SECTOR;
        if len != wanted as u64 {
            let path = path.display();
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "`{path}` has {len} bytes and is no flash of this module, which has {wanted}: \
                     name another file, or remove this one"
                ),
            ));
        }
        let mut bytes = vec![0; wanted];
        self.0.read_exact_at(&mut bytes, 0)?;
        let mut flash = Flash::new(sectors);
        flash.install(0, &bytes);
        flash.take_changed();
        Ok(flash)
    }
}

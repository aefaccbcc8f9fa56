//! The tools of each agent, over one door to the work tree.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;

use super::Desk;
use super::tests::ProjectTests;
use crate::domain::terms::Terms;
use crate::tool::door::{Door, Name, Rights};
use crate::tool::edit_file::EditFile;
use crate::tool::list_files::ListFiles;
use crate::tool::read_file::ReadFile;
use crate::tool::run_bash::RunBash;
use crate::tool::run_tests::RunTests;
use crate::tool::search::Search;
use crate::tool::toolbox::ToolBox;
use crate::tool::write_file::WriteFile;
use crate::tool::{Tool, Written};

/// A door and the record of what was written through it.
pub(crate) struct Kit {
    door: Arc<Door>,
    written: Written,
}

impl Kit {
    fn new(desk: &Desk<'_>, rights: Rights) -> anyhow::Result<Self> {
        Ok(Self { door: Arc::new(Door::new(&desk.root, rights)?), written: Written::within(&desk.written) })
    }

    /// FORGE's: writes below the source folders.
    pub(crate) fn forge(desk: &Desk<'_>) -> anyhow::Result<Self> {
        let rights = forge_rights(desk.terms)?.leaving_alone(&desk.dependencies);
        Self::new(desk, rights)
    }

    /// SCRIBE's: writes the context documents, the README and the docs folder.
    pub(crate) fn scribe(desk: &Desk<'_>) -> anyhow::Result<Self> {
        let rights = Rights::docs(desk.terms.docs_dir.as_deref(), &protected(desk.terms));
        Self::new(desk, rights.map_err(|e| anyhow!(e))?)
    }

    /// What was written so far.
    pub(crate) fn written(&self) -> Written {
        self.written.clone()
    }

    /// FORGE's tools: reading, writing, the shell, the tests.
    pub(crate) fn forge_tools(&self, desk: &Desk<'_>, tests: Option<Arc<ProjectTests>>) -> ToolBox {
        let mut tools = self.reading_and_writing();
        tools.push(Box::new(RunBash {
            sandbox: desk.sandbox.clone(),
            dir: desk.root.clone(),
            timeout: Duration::from_millis(desk.terms.command_timeout_ms),
        }));
        if let Some(tests) = tests {
            tools.push(Box::new(RunTests { tests }));
        }
        ToolBox::new(tools)
    }

    /// SCRIBE's tools.
    pub(crate) fn scribe_tools(&self) -> ToolBox {
        ToolBox::new(self.reading_and_writing())
    }

    fn reading(&self) -> Vec<Box<dyn Tool>> {
        let door = &self.door;
        vec![
            Box::new(ReadFile { door: door.clone() }),
            Box::new(ListFiles { door: door.clone() }),
            Box::new(Search { door: door.clone() }),
        ]
    }

    fn reading_and_writing(&self) -> Vec<Box<dyn Tool>> {
        let (door, written) = (&self.door, &self.written);
        let mut tools = self.reading();
        tools.push(Box::new(WriteFile { door: door.clone(), written: written.clone() }));
        tools.push(Box::new(EditFile { door: door.clone(), written: written.clone() }));
        tools
    }
}

/// The tools of a reviewer: reading alone.
pub(crate) fn reading(desk: &Desk<'_>) -> anyhow::Result<ToolBox> {
    Ok(ToolBox::new(Kit::new(desk, Rights::none())?.reading()))
}

/// Why FORGE may not write `path`; `None` where it may.
pub(crate) fn forge_refusal(terms: &Terms, path: &str) -> Option<String> {
    let rights = match forge_rights(terms) {
        Ok(rights) => rights,
        Err(error) => return Some(format!("{error:#}")),
    };
    Name::parse(path).map_or_else(Some, |name| rights.refusal(&name))
}

fn forge_rights(terms: &Terms) -> anyhow::Result<Rights> {
    Rights::source(&terms.source_dirs, &protected(terms)).map_err(|e| anyhow!("PACE_SOURCE_DIRS: {e}"))
}

/// What no model writes wherever it lies.
fn protected(terms: &Terms) -> Vec<String> {
    let own = [terms.plan_path.clone(), "pace.config.yaml".to_owned(), "PROGRESS.md".to_owned()];
    own.into_iter().chain(terms.templates_dir.clone()).collect()
}

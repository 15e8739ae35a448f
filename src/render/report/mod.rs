//! `report.html`: everything about an experiment in one file that needs no network and no server.

mod content;
mod headline;
mod prose;
mod svg;
pub mod theme;
mod words;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment};

use super::table::Grid;
use super::{Context, NamedFigure, RenderError};

const TEMPLATE: &str = include_str!("report.html");
const TABLE: &str = include_str!("table.html");
const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The whole report.
///
/// # Errors
/// When statistics fail, or the template does, which is a fault of this program.
pub fn html(
    context: &Context,
    figures: &[NamedFigure],
    tables: &[Grid],
) -> Result<String, RenderError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let mut syntax = SyntaxConfig::builder();
    environment.set_syntax(syntax.trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("table.html", TABLE)?;
    environment.add_template("report.html", TEMPLATE)?;
    environment.add_filter("line", |text: &str| {
        Value::from_safe_string(prose::line(text))
    });
    environment.add_filter("variable", theme::variable);
    let content = content::gather(context, figures, tables)?;
    let page = minijinja::context! {
        style => theme::css() + STYLE,
        script => SCRIPT,
        ..Serde(&content)
    };
    Ok(environment.get_template("report.html")?.render(page)?)
}

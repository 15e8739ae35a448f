//! `report.html`: everything about an experiment in one file that needs no network and no server.

mod content;
mod headline;
pub mod prose;
mod svg;
pub mod theme;
mod words;

pub use content::{FigureView, figure_view};

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
    let content = content::gather(context, figures, tables)?;
    page(
        "report.html",
        TEMPLATE,
        minijinja::context! { ..Serde(&content) },
    )
}

/// A page made from a template, which can use the table template, the style and the script.
///
/// # Errors
/// When the template fails, which is a fault of this program.
pub fn page(
    name: &'static str,
    template: &'static str,
    values: Value,
) -> Result<String, RenderError> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let mut syntax = SyntaxConfig::builder();
    environment.set_syntax(syntax.trim_blocks(true).lstrip_blocks(true).build()?);
    environment.add_template("table.html", TABLE)?;
    environment.add_template(name, template)?;
    environment.add_filter("line", |text: &str| {
        Value::from_safe_string(prose::line(text))
    });
    environment.add_filter("variable", theme::variable);
    let page = minijinja::context! {
        style => theme::css() + STYLE,
        script => SCRIPT,
        ..values
    };
    Ok(environment.get_template(name)?.render(page)?)
}

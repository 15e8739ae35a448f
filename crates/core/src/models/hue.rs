//! Colours of models by name. How each looks is the business of the program that draws.

/// The colour of a model's marks in figures. There are as many as series in one figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hue {
    /// Blue.
    Blue,
    /// Red.
    Red,
    /// Green.
    Green,
    /// Amber.
    Amber,
    /// Pink.
    Pink,
    /// Sky blue.
    Sky,
    /// Indigo.
    Indigo,
    /// Wine red.
    Wine,
    /// Grey.
    Grey,
}

impl Hue {
    /// Every hue, in the order in which models without a colour of their kind get them.
    pub const ALL: [Hue; 9] = [
        Hue::Blue,
        Hue::Red,
        Hue::Green,
        Hue::Amber,
        Hue::Pink,
        Hue::Sky,
        Hue::Indigo,
        Hue::Wine,
        Hue::Grey,
    ];
}

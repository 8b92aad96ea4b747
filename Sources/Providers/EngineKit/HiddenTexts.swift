/// Texts that are taken out of what a service says, such as keys: it can send back what it was
/// asked. No description shows them.
package struct HiddenTexts: Sendable, CustomStringConvertible, CustomReflectable {
    private let texts: [String]

    package init(_ texts: [String] = []) { self.texts = texts.filter { !$0.isEmpty } }

    package var description: String { "…" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    /// Returns one printable line without the texts, cut to so many characters.
    package func line(_ said: String, _ charactersMax: Int) -> String {
        var clean = said
        for text in texts { clean = clean.replacing(text, with: "…") }
        return clean.shownOnLine(charactersMax)
    }
}

/// Joins the lines. Messages of other programs have several lines with tabs; a log line has one.
package func oneLine(_ text: String) -> String {
    text.split(whereSeparator: \.isNewline)
        .map { $0.drop(while: \.isWhitespace) }
        .filter { !$0.isEmpty }
        .joined(separator: "; ")
}

import MarketModel
import Primitives
import StoredBars

/// What the database knows of one bar, and the commands for what only the tape knows.
struct BarDocument {
    let row: BarRow
    /// The oldest first.
    let replaced: [BarVersion]
    let gaps: [WindowGap]
    /// The local stack that commands name; empty: none.
    var stack = ""

    var json: [UInt8] {
        JSONWriter.made(capacity: 2_048 + replaced.count * 256) { json in
            json.member("name", name)
            json.member("words", values: words)
            json.array("versions") { json in
                for (index, version) in (replaced + [row.standing]).enumerated() {
                    let above = Int64(replaced.count - index)
                    write(version, number: max(1, row.replaced + 1 - above), &json)
                }
            }
            json.array("gaps") { for gap in gaps { write(gap, &$0) } }
            json.member("explain", TapeCommand.explain(row.identity, in: stack))
            json.member(
                "prove", TapeCommand.prove(row.identity, until: row.closeTime, in: stack))
        }.bytes
    }

    private var name: String {
        let bar = row.identity
        let place = bar.number == 0 ? "" : " #\(bar.number)"
        return "\(bar.symbol) \(bar.series)\(place) of \(bar.source), "
            + "\(TimeText.of(bar.openTime)) to \(TimeText.of(row.closeTime))"
    }

    private var words: [String] {
        var words = BarMarks(row).texts
        let leftOut = BarMarks.leftOut(row.excluded)
        if !leftOut.isEmpty { words.append("left out: \(leftOut.joined(separator: ", "))") }
        words.append(
            "partition \(row.partition), generation \(row.generation), output ordinal "
                + "\(row.standing.revision), \(row.replaced) earlier versions")
        let missing = row.replaced - Int64(replaced.count)
        if missing > 0 {
            words.append("\(missing) earlier versions are not in the database any more")
        }
        return words
    }

    private func write(_ version: BarVersion, number: Int64, _ json: inout JSONWriter) {
        json.object { json in
            json.member("version", number)
            json.member("ordinal", "\(version.revision)")
            if let sent = version.sent { json.member("sent", TimeText.of(sent)) }
            TradeText.write(version, after: row.closeTime, &json)
        }
    }

    private func write(_ gap: WindowGap, _ json: inout JSONWriter) {
        json.object { json in
            json.member("kind", gap.kind)
            json.member("state", gap.state)
            json.member("reason", OverviewMaker.line(gap.reason))
            json.member("from", gap.from)
            json.member("to", gap.to)
            json.member("source", gap.source)
            json.member("noted", gap.noted)
        }
    }
}

/// Commands of the tool about one bar, for a person to copy. Pure.
enum TapeCommand {
    /// Returns the option that names a local stack; nothing for no stack.
    static func option(of stack: String) -> String {
        stack.isEmpty ? "" : " --name \(ShellWord.of(stack))"
    }

    /// Returns a text with the stack's name in the commands of the tool that it has in quotes.
    static func named(_ text: String, in stack: String) -> String {
        let begin = "'tapeline "
        guard !stack.isEmpty, text.contains(begin) else { return text }
        var parts = text.split(separator: begin, omittingEmptySubsequences: false).map(String.init)
        for index in parts.indices.dropFirst() {
            guard let end = parts[index].firstIndex(of: "'"),
                !parts[index][..<end].contains("--name")
            else { continue }
            parts[index].insert(contentsOf: option(of: stack), at: end)
        }
        return parts.joined(separator: begin)
    }

    static func explain(_ bar: BarIdentity, in stack: String = "") -> String {
        "tapeline explain\(option(of: stack)) --source \(ShellWord.of(bar.source.text)) "
            + "\(end(bar.symbol))\(ShellWord.of(bar.symbol.text)) \(ShellWord.of(bar.series.text)) "
            + TimeText.of(bar.openTime)
    }

    /// Bars that open in the window.
    static func prove(
        _ bar: BarIdentity, until close: Timestamp, in stack: String = ""
    ) -> String {
        let end = max(close, bar.openTime.advanced(byNanoseconds: 1))
        return "tapeline prove\(option(of: stack)) --series \(ShellWord.of(bar.series.text)) "
            + "--from \(TimeText.of(bar.openTime)) --to \(TimeText.of(end)) "
            + "\(self.end(bar.symbol))\(ShellWord.of(bar.symbol.text))"
    }

    /// What ends the options before a symbol that looks like one.
    private static func end(_ symbol: Symbol) -> String {
        symbol.text.hasPrefix("-") ? "-- " : ""
    }
}
